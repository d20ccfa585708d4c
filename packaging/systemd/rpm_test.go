// SPDX-License-Identifier: Apache-2.0

package systemd_test

import "testing"

// TestRPM has what is in the .rpm at work. There is no rpm in a Debian that
// could install it.
func TestRPM(t *testing.T) {
	t.Parallel()
	needs(t, append([]string{"rpm2cpio"}, tools...)...)
	c := boot(t, debian(t))
	c.unpackRPM()
	c.part(t, "Unit", (*container).testUnit)
	c.part(t, "Start", (*container).testStart)
	c.part(t, "Privileges", (*container).testPrivileges)
	c.part(t, "Reload", (*container).testReload)
	c.part(t, "Stop", (*container).testStop)
}

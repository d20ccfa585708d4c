// SPDX-License-Identifier: Apache-2.0

package systemd_test

import "testing"

// tools are the programs that the tests run outside of the container.
var tools = []string{"systemd-nspawn", "debootstrap", "unshare", "nsenter", "ip", "bash", "make", "apt-get"}

// part is a part of a test that others share the container with.
type part struct {
	name string
	test func(*container)
}

// life is what a service goes through between its installation and its removal,
// whatever has installed it. The parts build on each other.
var life = []part{
	{"Unit", (*container).testUnit},
	{"Start", (*container).testStart},
	{"Privileges", (*container).testPrivileges},
	{"Reload", (*container).testReload},
	{"BrokenReload", (*container).testBrokenReload},
	{"ReloadWithoutFile", (*container).testReloadWithoutFile},
	{"BrokenStart", (*container).testBrokenStart},
	{"AdministratorsFile", (*container).testAdministratorsFile},
	{"SecretFile", (*container).testSecretFile},
	{"Flags", (*container).testFlags},
	{"Stop", (*container).testStop},
	{"Kill", (*container).testKill},
	{"Watchdog", (*container).testWatchdog},
	{"LastingFault", (*container).testLastingFault},
	{"Rotation", (*container).testRotation},
	{"Reboot", (*container).testReboot},
}

// parts runs parts one after the other; what fails in one is its own.
func (c *container) parts(t *testing.T, parts ...part) {
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			outer := c.t
			c.t = t
			defer func() { c.t = outer }()
			p.test(c)
		})
	}
}

// testUnit has systemd's own opinion of the unit.
func (c *container) testUnit() {
	if out := c.run("systemd-analyze", "verify", "--man=no", unit); out != "" {
		c.t.Errorf("systemd-analyze verify:\n%s", out)
	}
	if out, err := c.try("systemd-analyze", "security", "--no-pager", "--threshold=15", unit); err != nil {
		c.t.Errorf("systemd-analyze security, of which 1.5 is allowed: %v\n%s", err, out)
	}
	c.wants("Type", "notify", "LoadState", "loaded")
}

// SPDX-License-Identifier: Apache-2.0

package systemd_test

import "strings"

// testReload changes the file of the running service.
func (c *container) testReload() {
	pid, from := c.mainPID(), len(c.read(errFile))
	c.reload("127.0.0.1 ping=50 json=1\n::1 ping=50 json=1\nnowhere.invalid ping=50 json=1\n")
	c.logged("::1", 0, answers("::1"))
	c.logged("127.0.0.1", 0, answers("127.0.0.1"))
	c.complained(from, "nowhere.invalid")
	c.running()
	if got := c.mainPID(); got != pid {
		c.t.Errorf("process %d after the reload, %d before", got, pid)
	}
}

// testBrokenReload has the service go on with what it has, and say so.
func (c *container) testBrokenReload() {
	pid, good, from := c.mainPID(), c.show("StatusText"), len(c.read(errFile))
	c.reload("127.0.0.1 pnig=50 json=1\n")
	c.complained(from, "pnig")
	eventually(c.t, "status that tells of the broken file", func() bool { return c.show("StatusText") != good })
	c.t.Logf("status %q", c.show("StatusText"))
	c.logged("after the broken file", len(c.read(logFile)), answers("::1"))
	c.running()
	if got := c.mainPID(); got != pid {
		c.t.Errorf("process %d after the reload, %d before", got, pid)
	}
	// The mended file is taken, and the status is good again.
	c.reload("::1 ping=50 json=1\n127.0.0.2 ping=50 json=1\n")
	c.logged("127.0.0.2", 0, answers("127.0.0.2"))
	broken := "pnig"
	eventually(c.t, "status without the fault", func() bool { return !strings.Contains(c.show("StatusText"), broken) })
	c.t.Logf("status %q", c.show("StatusText"))
}

// testReloadWithoutFile is the end of the service: exit status 1, and systemd
// leaves it there.
func (c *container) testReloadWithoutFile() {
	restarts, from := c.show("NRestarts"), len(c.read(errFile))
	c.run("rm", runFile)
	_, _ = c.try("systemctl", "reload", unit) // which may see its end
	// While systemd waits to start it again the state would be activating.
	eventually(c.t, "end of the service", func() bool {
		state := c.show("ActiveState")
		return state == "failed" || state == "activating" || state == "inactive"
	})
	c.wants("ActiveState", "failed", "Result", "exit-code", "ExecMainCode", "1", "ExecMainStatus", "1", "NRestarts", restarts)
	c.complained(from, "connmonitor.conf")
}

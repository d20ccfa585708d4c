// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"os"
	"strconv"
	"strings"
)

// testReload changes the file of the running service.
func (c *container) testReload() {
	pid, from := c.mainPID(), len(c.read(errFile))
	c.reload("127.0.0.1 ping=50 json=1\n::1 ping=50 json=1\nnowhere.invalid ping=50 json=1\n")
	c.logged("::1", 0, answers("::1"))
	c.logged("127.0.0.1", 0, answers("127.0.0.1"))
	c.complained(from, "nowhere.invalid")
	c.complained(from, c.documented("configuration read again: 3 targets added, 1 removed, 0 unchanged"))
	c.status(c.documented("monitoring 3 targets (3 pings)"))
	c.running()
	if got := c.mainPID(); got != pid {
		c.t.Errorf("process %d after the reload, %d before", got, pid)
	}
}

// testBrokenReload has the service go on with what it has, and say so.
func (c *container) testBrokenReload() {
	pid, from := c.mainPID(), len(c.read(errFile))
	c.reload("127.0.0.1 pnig=50 json=1\n")
	c.complained(from, "ConfigError: /var/run/connmonitor.conf:1:11: option \"pnig\"")
	c.complained(from, c.documented("ReloadError: the configuration is not valid; going on with the one before"))
	c.status(c.documented("is not valid, the one before is in use:"))
	c.status(c.documented("monitoring 3 targets (3 pings)"))
	c.logged("after the broken file", len(c.read(logFile)), answers("::1"))
	c.running()
	if got := c.mainPID(); got != pid {
		c.t.Errorf("process %d after the reload, %d before", got, pid)
	}
	// The mended file is taken, and the status is good again.
	c.reload("::1 ping=50 json=1\n127.0.0.2 ping=50 json=1\n")
	c.logged("127.0.0.2", 0, answers("127.0.0.2"))
	eventually(c.t, "status without the fault", func() bool { return c.show("StatusText") == "monitoring 2 targets (2 pings)" })
}

// status waits until systemctl status shows the text.
func (c *container) status(text string) {
	c.t.Helper()
	eventually(c.t, "status "+strconv.Quote(text), func() bool { return strings.Contains(c.show("StatusText"), text) })
}

// documented is what the man page says that an administrator will see.
func (c *container) documented(text string) string {
	c.t.Helper()
	page, err := os.ReadFile("../man/connmonitor.8")
	if err != nil {
		c.t.Fatal(err)
	}
	if !strings.Contains(string(page), text) {
		c.t.Errorf("connmonitor(8) does not say %q", text)
	}
	return text
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

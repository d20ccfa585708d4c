// SPDX-License-Identifier: Apache-2.0

// The tests of this folder boot a Debian in a container, install the packages
// and do with the service what an administrator does, on real packets.
package systemd_test

import (
	"slices"
	"strings"
	"testing"
)

// tools are the programs that the tests run outside of the container.
var tools = []string{"systemd-nspawn", "debootstrap", "unshare", "nsenter", "make", "apt-get"}

// TestDeb has the .deb's life from its installation to its purge. The parts
// build on each other.
func TestDeb(t *testing.T) {
	t.Parallel()
	needs(t, tools...)
	c := boot(t, debian(t))
	before := c.files()
	c.installDeb()
	for _, part := range []struct {
		name string
		test func(*container)
	}{
		{"Installed", (*container).testInstalled},
		{"Unit", (*container).testUnit},
		{"Start", (*container).testStart},
		{"Privileges", (*container).testPrivileges},
		{"Reload", (*container).testReload},
		{"BrokenReload", (*container).testBrokenReload},
		{"ReloadWithoutFile", (*container).testReloadWithoutFile},
		{"BrokenStart", (*container).testBrokenStart},
		{"AdministratorsFile", (*container).testAdministratorsFile},
		{"Flags", (*container).testFlags},
		{"Stop", (*container).testStop},
		{"Kill", (*container).testKill},
		{"Watchdog", (*container).testWatchdog},
		{"Rotation", (*container).testRotation},
		{"Reboot", (*container).testReboot},
		{"Upgrade", (*container).testUpgrade},
		{"Purge", func(c *container) { c.testPurge(before) }},
	} {
		c.part(t, part.name, part.test)
	}
}

// part is a part of a test in the same container; what fails in it is its own.
func (c *container) part(t *testing.T, name string, test func(*container)) {
	t.Run(name, func(t *testing.T) {
		outer := c.t
		c.t = t
		defer func() { c.t = outer }()
		test(c)
	})
}

// testInstalled has the service up and enabled after the installation, as
// Debian's do.
func (c *container) testInstalled() {
	c.running()
	c.wants("UnitFileState", "enabled")
}

// testUpgrade installs the package over itself: the service is started anew
// once, and keeps what the administrator has written and what it has logged.
func (c *container) testUpgrade() {
	const flags = "# the administrator's\nCONNMONITOR_FLAGS=\n"
	c.write("/etc/default/connmonitor", flags)
	pid, before, etc := c.mainPID(), c.read(logFile), c.read(etcFile)
	c.installDeb()
	c.running()
	c.wants("UnitFileState", "enabled", "NRestarts", "0")
	if after := c.mainPID(); after == pid {
		c.t.Errorf("the process from before the upgrade still runs: %d", pid)
	}
	if got := c.read("/etc/default/connmonitor"); got != flags {
		c.t.Errorf("flags %q, want %q", got, flags)
	}
	if got := c.read(etcFile); got != etc {
		c.t.Errorf("configuration %q, want %q", got, etc)
	}
	after := c.read(logFile)
	if !strings.HasPrefix(after, before) {
		c.t.Errorf("the log of %d bytes was not appended to; it has %d", len(before), len(after))
	}
	c.logged("after the upgrade", len(after), answers("127.0.0.7"))
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

// testPurge removes the package, and then all that it has left.
func (c *container) testPurge(before []string) {
	c.write(etcFile, example)
	c.run("dpkg", "--remove", "connmonitor")
	c.wants("ActiveState", "inactive", "MainPID", "0")
	if c.read(logFile) == "" || c.read(etcFile) == "" {
		c.t.Error("to remove the package has removed the log or the configuration")
	}
	out, err := c.try("dpkg", "--purge", "connmonitor")
	if err != nil || strings.Contains(out, "warning") {
		c.t.Errorf("dpkg --purge: %v\n%s", err, out)
	}
	for _, file := range c.files() {
		if !slices.Contains(before, file) {
			c.t.Errorf("%s is left", file)
		}
	}
	if out, err := c.try("id", "connmonitor"); err == nil {
		c.t.Errorf("the user is left: %s", out)
	}
	if out, err := c.try("getent", "group", "connmonitor"); err == nil {
		c.t.Errorf("the group is left: %s", out)
	}
	if out, err := c.try("pidof", "connmonitor"); err == nil {
		c.t.Errorf("the process is left: %s", out)
	}
	c.wants("LoadState", "not-found", "ActiveState", "inactive")
	if out := c.run("systemctl", "list-units", "--all", "--no-legend", "connmonitor*"); out != "" {
		c.t.Errorf("a unit is left: %s", out)
	}
}

// files are all files that have one of our names.
func (c *container) files() []string {
	c.t.Helper()
	out := c.run("find", "/", "/run", "/dev", "-xdev", "-name", "*connmonitor*", "-o", "-xdev", "-name", "*connvitals*")
	return strings.Fields(out)
}

// SPDX-License-Identifier: Apache-2.0

// The tests of this folder boot a Debian in a container, install the packages
// and do with the service what an administrator does, on real packets.
package systemd_test

import (
	"slices"
	"strings"
	"testing"
)

// TestDeb has the .deb's life from its installation to its purge. The parts
// build on each other.
func TestDeb(t *testing.T) {
	t.Parallel()
	needs(t, tools...)
	c := boot(t, debian(t), version2)
	before := c.files()
	c.installDeb(&current)
	c.parts(t, part{"Installed", (*container).testInstalled})
	c.parts(t, life...)
	c.parts(t,
		part{"Filter", (*container).testFilter},
		part{"Upgrade", func(c *container) { c.testUpgrade(c.installDeb) }},
		part{"UpgradeDisabled", func(c *container) { c.testUpgradeDisabled(c.installDeb) }},
		part{"Purge", func(c *container) { c.testPurge(before) }},
		part{"PurgeOthersAccount", (*container).testPurgeOthersAccount},
	)
}

// testInstalled has the service up and enabled after the installation, as
// Debian's do.
func (c *container) testInstalled() {
	c.running()
	c.wants("UnitFileState", "enabled")
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
	for _, database := range []string{"passwd", "group"} {
		if out, err := c.try("getent", database, "connmonitor"); err == nil {
			c.t.Errorf("the account is left: %s", out)
		}
	}
	if out, err := c.try("pidof", "connmonitor"); err == nil {
		c.t.Errorf("the process is left: %s", out)
	}
	c.wants("LoadState", "not-found", "ActiveState", "inactive")
	if out := c.run("systemctl", "list-units", "--all", "--no-legend", "connmonitor*"); out != "" {
		c.t.Errorf("a unit is left: %s", out)
	}
}

// testPurgeOthersAccount purges the package where somebody else has made the
// account: its number may own other files.
func (c *container) testPurgeOthersAccount() {
	c.run("useradd", "--system", "--user-group", "--comment", "the administrator's", "connmonitor")
	account := c.run("getent", "passwd", "connmonitor")
	c.installDeb(&current)
	c.running()
	c.run("dpkg", "--purge", "connmonitor")
	if got, _ := c.try("getent", "passwd", "connmonitor"); got != account {
		c.t.Errorf("the account is %q, and was %q", got, account)
	}
}

// files are all files that have one of our names.
func (c *container) files() []string {
	c.t.Helper()
	out := c.run("find", "/", "/run", "/dev", "-xdev", "-name", "*connmonitor*", "-o", "-xdev", "-name", "*connvitals*")
	return strings.Fields(out)
}

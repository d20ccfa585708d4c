// SPDX-License-Identifier: Apache-2.0

package systemd_test

import "strings"

// installed checks the version that there is.
func (c *container) installed(version string) {
	c.t.Helper()
	if got := strings.TrimSpace(c.run("connmonitor", "--version")); got != "connmonitor Version "+version {
		c.t.Fatalf("installed is %q, want version %s", got, version)
	}
}

// testUpgrade installs the package over an older one: the service is started
// anew once, and keeps what the administrator has written. Each ping before,
// after and at the moment of the upgrade has its record.
func (c *container) testUpgrade(install func(*packageSet)) {
	install(&older)
	c.installed(olderVersion)
	files := map[string]string{
		"/etc/default/connmonitor":     "# the administrator's\nCONNMONITOR_FLAGS=\n",
		"/etc/logrotate.d/connmonitor": "# the administrator's\n" + c.read("/etc/logrotate.d/connmonitor"),
		etcFile:                        "127.0.0.7 ping=50 json=1\n",
	}
	for path, text := range files {
		c.write(path, text)
	}
	c.run("systemctl", "stop", unit)
	before, echoes := c.read(logFile), c.echoes()
	c.measure("* json=1 ping=20 numpings=1\n::1\n127.0.3.1\n127.0.3.2\n")
	c.logged("before the upgrade", len(before), answers("127.0.3.1"))
	// As a predecessor that ran as root has left them.
	c.run("chown", "root:root", logFile, errFile)
	c.run("chmod", "0644", logFile, errFile)
	pid := c.mainPID()
	install(&current)
	c.installed(versionFile(c.t))
	c.running()
	c.wants("UnitFileState", "enabled", "NRestarts", "0")
	if after := c.mainPID(); after == pid {
		c.t.Errorf("the process from before the upgrade still runs: %d", pid)
	}
	c.ownsLogs()
	for path, text := range files {
		if got := c.read(path); got != text {
			c.t.Errorf("%s is %q after the upgrade, want %q", path, got, text)
		}
	}
	c.logged("after the upgrade", len(c.read(logFile)), answers("127.0.3.1"))
	c.run("systemctl", "stop", unit)
	after, ok := strings.CutPrefix(c.read(logFile), before)
	if !ok {
		c.t.Errorf("the log of %d bytes was not appended to", len(before))
	}
	c.complete(c.records(after), c.echoes()-echoes)
	c.run("systemctl", "start", unit)
}

// testUpgradeDisabled upgrades a service that the administrator does not want.
func (c *container) testUpgradeDisabled(install func(*packageSet)) {
	install(&older)
	c.run("systemctl", "disable", "--now", unit)
	install(&current)
	c.wants("UnitFileState", "disabled", "ActiveState", "inactive", "MainPID", "0")
	c.run("systemctl", "enable", "--now", unit)
	c.running()
}

// hasAccount checks the account of the service: nobody can log in to it.
func (c *container) hasAccount() {
	c.t.Helper()
	words := strings.Split(strings.TrimSpace(c.run("getent", "passwd", "connmonitor")), ":")
	if len(words) != 7 || words[2] == "0" || words[6] != "/usr/sbin/nologin" {
		c.t.Errorf("the account is %q", words)
	}
	if shadow := strings.Split(c.run("getent", "shadow", "connmonitor"), ":"); !strings.HasPrefix(shadow[1], "!") {
		c.t.Errorf("the password is %q, want a locked one", shadow[1])
	}
}

// ownsLogs checks that the logs are the service's, and readable to those who
// may read logs.
func (c *container) ownsLogs() {
	c.t.Helper()
	const want = "640 connmonitor:adm"
	for _, path := range []string{logFile, errFile} {
		if got := strings.TrimSpace(c.run("stat", "--format=%a %U:%G", path)); got != want {
			c.t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"fmt"
	"slices"
	"strings"
)

// testStart starts the service where nobody has configured anything.
func (c *container) testStart() {
	if got := c.read(etcFile); got != "" {
		c.t.Errorf("the package has made %s: %q", etcFile, got)
	}
	c.run("systemctl", "enable", "--now", unit)
	c.running()
	if got := c.run("cat", "/var/run/connmonitor.conf"); got != example {
		c.t.Errorf("configuration %q, want %q", got, example)
	}
	c.logged("localhost", 0, func(r record) bool {
		return answers("localhost")(r) && r.Scan != nil && r.Trace != nil
	})
	eventually(c.t, "status", func() bool { return c.show("StatusText") != "" })
	c.t.Logf("status %q", c.show("StatusText"))
	if errors := c.read(errFile); errors != "" {
		c.t.Errorf("errors: %s", errors)
	}
}

// testBrokenStart is tried once: to start again mends no file.
func (c *container) testBrokenStart() {
	c.run("systemctl", "stop", unit)
	c.run("systemctl", "reset-failed", unit)
	from := len(c.read(errFile))
	c.write(runFile, "127.0.0.1 pnig=50\n")
	if out, err := c.try("systemctl", "start", unit); err == nil {
		c.t.Errorf("systemctl start finds nothing wrong: %s", out)
	}
	c.wants("ActiveState", "failed", "Result", "exit-code", "ExecMainStatus", "1", "NRestarts", "0")
	c.complained(from, "pnig")
	c.run("rm", runFile)
}

// testAdministratorsFile starts the service with what is in /etc, and not when
// there is one in /var/run.
func (c *container) testAdministratorsFile() {
	const own = "127.0.0.3 ping=50 json=1\n"
	c.write(etcFile, own)
	c.run("systemctl", "start", unit)
	c.running()
	if got := c.read(runFile); got != own {
		c.t.Errorf("configuration %q, want %q", got, own)
	}
	c.logged("127.0.0.3", 0, answers("127.0.0.3"))
	c.measure("127.0.0.4 ping=50 json=1\n")
	c.logged("127.0.0.4", 0, answers("127.0.0.4"))
}

// testSecretFile starts the service with a file in /etc that is for root alone:
// it may read its copy, and others may not.
func (c *container) testSecretFile() {
	c.write(etcFile, "127.0.0.9 ping=50 json=1\n")
	c.run("chmod", "0600", etcFile)
	c.run("systemctl", "stop", unit)
	c.run("rm", runFile)
	// What was left half done is not taken over, mode and all.
	c.write(runFile+".new", "of before\n")
	c.run("systemctl", "start", unit)
	c.running()
	c.logged("127.0.0.9", 0, answers("127.0.0.9"))
	if got := strings.TrimSpace(c.run("stat", "--format=%a %U:%G", runFile)); got != "640 root:connmonitor" {
		c.t.Errorf("the copy is %q, want 640 root:connmonitor", got)
	}
	if out, err := c.try("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat", runFile); err == nil {
		c.t.Errorf("anybody may read the copy: %s", out)
	}
}

// testFlags has the service take flags from where an administrator puts them.
func (c *container) testFlags() {
	const path = "/etc/default/connmonitor"
	before := c.read(path)
	c.write(path, "CONNMONITOR_FLAGS=\"--rate 1000\"\n")
	c.measure("127.0.0.8 ping=50 json=1\n")
	words := strings.Split(c.run("cat", fmt.Sprintf("/proc/%d/cmdline", c.mainPID())), "\x00")
	if i := slices.Index(words, "--rate"); i < 0 || words[i+1] != "1000" {
		c.t.Errorf("command line %q, want --rate 1000 in it", words)
	}
	c.logged("127.0.0.8", 0, answers("127.0.0.8"))
	c.write(path, before)
}

// testReboot has the service come up by itself, with the file from /etc.
func (c *container) testReboot() {
	const own = "127.0.0.7 ping=50 json=1\n"
	c.write(etcFile, own)
	before := c.read(logFile)
	c.reboot()
	if got := c.read(runFile); got != own {
		c.t.Errorf("configuration %q, want %q", got, own)
	}
	c.running()
	after := c.read(logFile)
	if !strings.HasPrefix(after, before) {
		c.t.Errorf("the log of %d bytes was not appended to; it has %d", len(before), len(after))
	}
	c.logged("127.0.0.7", len(before), answers("127.0.0.7"))
	// What systemd thinks of the files that it has read on the way.
	if out, _ := c.try("journalctl", "--boot", "--no-pager", "--quiet", "--grep", "/connmonitor\\.(conf|service):"); out != "" {
		c.t.Errorf("complaints of the boot:\n%s", out)
	}
}

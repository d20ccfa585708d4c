// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// testStop stops the service in the middle of the only bursts that there are.
func (c *container) testStop() {
	hosts := []string{"127.0.1.1", "::1"}
	c.run("systemctl", "stop", unit)
	from, echoes := len(c.read(logFile)), c.echoes()
	c.measure(fmt.Sprintf("* json=1 ping=1h numpings=20 interval=50\n%s\n", strings.Join(hosts, "\n")))
	eventually(c.t, "pings", func() bool { return c.echoes() > echoes+len(hosts) })
	c.run("systemctl", "stop", unit)
	if sent := c.echoes() - echoes; sent != 20*len(hosts) {
		c.t.Logf("%d pings were sent until the end", sent)
	}
	c.wants("ActiveState", "inactive", "Result", "success", "ExecMainCode", "1", "ExecMainStatus", "0", "MainPID", "0")
	records := c.records(c.read(logFile)[from:])
	for _, host := range hosts {
		if !slices.ContainsFunc(records, answers(host)) {
			c.t.Errorf("no record of %s, whose pings were in flight: %+v", host, records)
		}
	}
	if len(records) != len(hosts) {
		c.t.Errorf("%d records, want %d", len(records), len(hosts))
	}
}

// testKill kills the process; systemd starts another, which appends.
func (c *container) testKill() {
	c.measure("127.0.0.5 ping=50 json=1\n")
	c.logged("127.0.0.5", 0, answers("127.0.0.5"))
	pid, before := c.mainPID(), c.read(logFile)
	c.signal(syscall.SIGKILL)
	c.restarted(pid, 1)
	after := c.read(logFile)
	if !strings.HasPrefix(after, before) {
		c.t.Errorf("the log of %d bytes was not appended to; it has %d", len(before), len(after))
	}
	c.logged("after the kill", len(after), answers("127.0.0.5"))
	c.running()
}

// testWatchdog stops the process where it stands.
func (c *container) testWatchdog() {
	if limit := c.show("WatchdogUSec"); limit == "0" || limit == "infinity" {
		c.t.Errorf("WatchdogSec is %q", limit)
	}
	restore := c.dropIn("WatchdogSec=4\nTimeoutAbortSec=4\nRestartSec=100ms")
	defer restore()
	c.measure("127.0.0.6 ping=50 json=1\n")
	pid, from := c.mainPID(), len(c.read(logFile))
	c.logged("before the stop", from, answers("127.0.0.6"))
	c.signal(syscall.SIGSTOP)
	c.restarted(pid, 1)
	if out := c.run("journalctl", "--unit", unit, "--no-pager", "--grep", "[Ww]atchdog"); !strings.Contains(out, "timeout") {
		c.t.Errorf("no watchdog in the journal:\n%s", out)
	}
	c.logged("after the watchdog", len(c.read(logFile)), answers("127.0.0.6"))
}

// testLastingFault has /var/log be read-only for longer than many starts take,
// and then mended.
func (c *container) testLastingFault() {
	const starts = 25
	c.run("systemctl", "stop", unit)
	c.write(runFile, "127.0.0.10 ping=50 json=1\n")
	restore := c.dropIn("RestartSec=1ms")
	defer restore()
	from := len(c.read(logFile))
	c.run("mount", "--bind", "/var/log", "/var/log")
	c.run("mount", "-o", "remount,bind,ro", "/var/log")
	if out, err := c.try("systemctl", "start", unit); err == nil {
		c.t.Errorf("the service has started: %s", out)
	}
	eventually(c.t, "starts that fail", func() bool {
		n, _ := strconv.Atoi(c.show("NRestarts"))
		if c.show("ActiveState") == "failed" {
			c.t.Fatalf("systemd has given up after %d restarts: %s", n, c.show("Result"))
		}
		return n > starts
	})
	c.run("umount", "/var/log")
	eventually(c.t, "start after the fault", func() bool { return c.show("ActiveState") == "active" })
	c.running()
	c.logged("after the fault", from, answers("127.0.0.10"))
}

// dropIn adds settings to the unit's service until restore is called.
func (c *container) dropIn(settings string) (restore func()) {
	c.t.Helper()
	const folder = "/run/systemd/system/connmonitor.service.d"
	c.write(folder+"/test.conf", "[Service]\n"+settings+"\n")
	c.run("systemctl", "daemon-reload")
	return func() {
		c.t.Helper()
		c.run("rm", "-r", folder)
		c.run("systemctl", "daemon-reload")
	}
}

// signal sends a signal to the main process.
func (c *container) signal(s syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(c.outside(), s); err != nil {
		c.t.Fatal(err)
	}
}

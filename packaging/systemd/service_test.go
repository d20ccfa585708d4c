// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Where the service has its files. The path that users know for the first is
// in /var/run, which is a link to /run.
const (
	runFile = "/run/connmonitor.conf"
	etcFile = "/etc/connmonitor.conf"
	logFile = "/var/log/connmonitor.log"
	errFile = "/var/log/connmonitor.err"
)

// example is what the service monitors when nobody has said anything.
const example = "1 1 1 10 41 40 1 500\nlocalhost\n"

// unit is a unit of systemd and its properties, as `systemctl show` has them.
const unit = "connmonitor.service"

func (c *container) show(property string) string {
	c.t.Helper()
	return strings.TrimSpace(c.run("systemctl", "show", "--value", "--property", property, unit))
}

func (c *container) mainPID() int {
	c.t.Helper()
	n, _ := strconv.Atoi(c.show("MainPID"))
	return n
}

// outside is the main process as this process sees it.
func (c *container) outside() int {
	c.t.Helper()
	inside := strconv.Itoa(c.mainPID())
	for _, pid := range children(c.init) {
		if words := procStatus(pid, "NSpid"); len(words) > 0 && words[len(words)-1] == inside {
			return pid
		}
	}
	c.t.Fatalf("no process %s", inside)
	return 0
}

// wants checks properties of the unit: names and values by turns.
func (c *container) wants(pairs ...string) {
	c.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := c.show(pairs[i]); got != pairs[i+1] {
			c.t.Errorf("%s is %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// running checks that the service is up, with nothing to complain about.
func (c *container) running() {
	c.t.Helper()
	c.wants("ActiveState", "active", "SubState", "running", "Result", "success")
}

// restarted waits until systemd has started the service again of itself, for
// which it has had this many reasons by then, and returns the new process.
func (c *container) restarted(before, restarts int) {
	c.t.Helper()
	eventually(c.t, "start by systemd", func() bool {
		return c.show("NRestarts") == strconv.Itoa(restarts) && c.show("ActiveState") == "active"
	})
	if after := c.mainPID(); after == before || after == 0 {
		c.t.Errorf("main process %d after %d", after, before)
	}
}

// measure has the service monitor what the text says, from its start on.
func (c *container) measure(text string) {
	c.t.Helper()
	c.run("systemctl", "stop", unit)
	c.write(runFile, text)
	c.run("systemctl", "reset-failed", unit)
	c.run("systemctl", "start", unit)
	c.running()
}

// reload has the running service monitor what the text says.
func (c *container) reload(text string) {
	c.t.Helper()
	c.write(runFile, text)
	c.run("systemctl", "reload", unit)
}

// record is what the tests need of a JSON record.
type record struct {
	Name      string
	Timestamp float64
	Ping      *struct{ Avg, Loss float64 }
	Trace     json.RawMessage
	Scan      json.RawMessage
}

// records parses whole lines. A line that is none, or a part of one, fails the
// test.
func (c *container) records(text string) []record {
	c.t.Helper()
	var all []record
	for line := range strings.Lines(text) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Name == "" || !strings.HasSuffix(line, "\n") {
			c.t.Errorf("no record: %q (%v)", line, err)
			continue
		}
		all = append(all, r)
	}
	return all
}

// logged waits for a record in the log, behind the first bytes, that is good.
func (c *container) logged(what string, from int, good func(record) bool) {
	c.t.Helper()
	eventually(c.t, "record in the log: "+what, func() bool {
		text := c.read(logFile)
		if len(text) < from {
			c.t.Fatalf("the log has shrunk from %d to %d bytes", from, len(text))
		}
		return slices.ContainsFunc(c.records(whole(text[from:])), good)
	})
}

// whole are the lines of a text that are.
func whole(text string) string { return text[:strings.LastIndexByte(text, '\n')+1] }

// answers is a record of a host that has answered all pings.
func answers(name string) func(record) bool {
	return func(r record) bool { return r.Name == name && r.Ping != nil && r.Ping.Loss == 0 && r.Ping.Avg > 0 }
}

// complained waits for a line behind the first bytes of the errors that
// contains the text.
func (c *container) complained(from int, text string) {
	c.t.Helper()
	eventually(c.t, "error "+strconv.Quote(text), func() bool {
		errors := c.read(errFile)
		return len(errors) >= from && strings.Contains(errors[from:], text)
	})
}

// echoes is how many echo requests the kernel has sent since the boot, in both
// address families. Nobody but the service pings in there.
func (c *container) echoes() int {
	c.t.Helper()
	four, six := c.netFile("snmp"), c.netFile("snmp6")
	sum := 0
	// Two lines, with the names and with the values.
	var names []string
	for line := range strings.Lines(four) {
		words := strings.Fields(line)
		if words[0] != "Icmp:" {
			continue
		}
		for i, name := range names {
			if name == "OutEchos" {
				n, _ := strconv.Atoi(words[i])
				sum += n
			}
		}
		names = words
	}
	for line := range strings.Lines(six) {
		if words := strings.Fields(line); words[0] == "Icmp6OutEchos" {
			n, _ := strconv.Atoi(words[1])
			sum += n
		}
	}
	return sum
}

// netFile is a file of the container's network namespace.
func (c *container) netFile(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", c.init, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

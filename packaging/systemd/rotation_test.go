// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// testRotation rotates the logs while several hundred records a second are
// written. The kernel counts the pings; each has its record in one of the
// files, whole.
func (c *container) testRotation() {
	const hosts, rotations = 16, 10
	c.run("systemctl", "stop", unit)
	c.run("sh", "-c", "rm -f "+logFile+"* "+errFile+"*")
	c.run("systemd-tmpfiles", "--create")
	echoes := c.echoes()
	text := "* json=1 ping=20 numpings=1\n::1\nnowhere.invalid\n"
	for i := 1; i < hosts; i++ {
		text += fmt.Sprintf("127.0.2.%d\n", i)
	}
	c.measure(text)
	c.complained(0, "nowhere.invalid")
	pid := c.mainPID()
	for range rotations {
		// Something to rotate, and something that is written meanwhile.
		eventually(c.t, "records to rotate", func() bool { return strings.Count(c.read(logFile), "\n") > 10*hosts })
		c.rotate()
	}
	eventually(c.t, "records after the last rotation", func() bool { return strings.Count(c.read(logFile), "\n") > hosts })
	// The errors were rotated as well, and have gone on in a new file.
	c.reload("127.0.0.1 pnig=50\n")
	c.complained(0, "pnig")
	if got := c.mainPID(); got != pid {
		c.t.Errorf("process %d after the rotations, %d before", got, pid)
	}
	c.running()
	c.run("systemctl", "stop", unit)
	records := c.rotated(logFile, rotations+1)
	c.t.Logf("%d records in %d files", len(records), rotations+1)
	c.complete(records, c.echoes()-echoes)
}

// rotate has the log renamed, and neither copied and emptied nor compressed
// while it may still be written to: either loses lines so seldom that counting
// might not find it.
func (c *container) rotate() {
	c.t.Helper()
	log, err := c.root.Open(logFile[1:])
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	before, err := log.Stat()
	if err != nil {
		c.t.Fatal(err)
	}
	c.run("logrotate", "--force", "/etc/logrotate.d/connmonitor")
	after, err := c.root.Stat(logFile[1:] + ".1")
	if err != nil || !os.SameFile(before, after) {
		c.t.Errorf("the log was not renamed (%v)", err)
	}
}

// complete checks that there are as many records as pings. (The time of a
// record does not tell it from another of the same host: on a busy machine two
// are complete at once.)
func (c *container) complete(records []record, pings int) {
	c.t.Helper()
	if len(records) != pings {
		c.t.Errorf("%d records of %d pings", len(records), pings)
	}
	for _, r := range records {
		if r.Ping == nil {
			c.t.Errorf("a record without a ping: %+v", r)
		}
	}
}

// rotated are the records of the log and of the files it was renamed to.
func (c *container) rotated(path string, files int) []record {
	c.t.Helper()
	var all []record
	names := c.logs(path)
	if len(names) != files {
		c.t.Errorf("%d files after the rotations, want %d: %q", len(names), files, names)
	}
	for _, name := range names {
		text := c.read(name)
		if strings.HasSuffix(name, ".gz") {
			text = c.inflate(text)
		}
		records := c.records(text)
		if len(records) == 0 {
			c.t.Errorf("%s has no record", name)
		}
		all = append(all, records...)
	}
	return all
}

// logs are the log and all that it was renamed to.
func (c *container) logs(path string) []string {
	c.t.Helper()
	dir, err := c.root.Open("var/log")
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, name := range names {
		names[i] = "/var/log/" + name
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, path) })
	slices.Sort(names)
	return names
}

func (c *container) inflate(text string) string {
	c.t.Helper()
	r, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := io.Copy(&plain, r); err != nil {
		c.t.Fatal(err)
	}
	return plain.String()
}

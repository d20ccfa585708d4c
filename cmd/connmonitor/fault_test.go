// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests in the files fault_*_test.go do to the program what its own host
// may do to it, and hold it to one rule: what our own side spoils is unknown,
// never the network's loss (contract 1.4).

// span is n addresses from first on, as a line of a configuration names them.
func span(first netip.Addr, n int) (line string, hosts []string) {
	last := first
	for i := range n {
		if i > 0 {
			last = last.Next()
		}
		hosts = append(hosts, last.String())
	}
	return first.String() + "-" + last.String(), hosts
}

// tally is how many records of each host there are in JSON.
func tally(text string) map[string]int {
	seen := make(map[string]int)
	for line := range strings.Lines(text) {
		if _, rest, ok := strings.Cut(line, `"name":"`); ok && strings.HasSuffix(line, "\n") {
			name, _, _ := strings.Cut(rest, `"`)
			seen[name]++
		}
	}
	return seen
}

// more waits until each of the hosts has n records more than now.
func (p *program) more(n int, hosts ...string) {
	p.t.Helper()
	mark := len(p.out.text())
	p.out.until(fmt.Sprintf("%d more records of each host", n), func(text string) bool {
		now := tally(text[mark:])
		for _, h := range hosts {
			if now[h] < n {
				return false
			}
		}
		return true
	})
}

// says waits until part stands in what the log says after mark.
func (p *program) says(mark int, part string) {
	p.t.Helper()
	p.err.until(part, func(text string) bool { return strings.Contains(text[mark:], part) })
}

// lossless reads all records of pings, of which none may show loss.
func (p *program) lossless() []record {
	p.t.Helper()
	rs := shape{json: true}.records(p.t, p.out.text())
	spoiled := 0
	for _, r := range rs {
		if r.ping == nil || r.ping[4] == 0 {
			continue
		}
		if spoiled++; spoiled <= 10 {
			p.t.Errorf("%s at %.0f: %v %% loss", r.name, r.time, r.ping[4])
		}
	}
	if spoiled > 10 {
		p.t.Errorf("%d of %d records show loss", spoiled, len(rs))
	}
	return rs
}

// What the log says of a target whose pings our own side spoils.
const (
	spoiledBy = ": pings were spoiled by this host: "
	outAgain  = ": pings go out again (after "
)

var times = regexp.MustCompile(`, (\d+) times?\)$`)

// episodes checks that each of so many faults of a host was told of when it
// began, when its cause changed, and when it had ended, by causes that are
// known, and that the pings which it spoiled were counted.
func episodes(t *testing.T, log []entry, host string, want int, causes ...string) {
	t.Helper()
	known := regexp.MustCompile("^(?:" + strings.Join(causes, "|") + ")$")
	ended, cause := 0, ""
	for _, e := range log {
		switch {
		case e.typ == "PingError" && strings.HasPrefix(e.text, host+spoiledBy):
			now := strings.TrimPrefix(e.text, host+spoiledBy)
			if now == cause || !known.MatchString(now) {
				t.Errorf("%s: cause %q after %q", host, now, cause)
			}
			cause = now
		case e.typ == "" && strings.HasPrefix(e.text, host+outAgain):
			if m := times.FindStringSubmatch(e.text); cause == "" || m == nil || m[1] == "1" {
				t.Errorf("after %q: %q", cause, e.text)
			}
			cause = ""
			ended++
		}
	}
	if ended != want || cause != "" {
		t.Errorf("%s: %d faults with their ends, want %d; the last cause is %q", host, ended, want, cause)
	}
}

// busy reports whether a line only says that this machine had no time for the
// program, which a test cannot see to.
func busy(e entry) bool {
	return e.typ == "" && slices.ContainsFunc(starved, func(begin string) bool { return strings.HasPrefix(e.text, begin) })
}

// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// check reads all that was written.
func (r *soakRun) check() {
	r.t.Logf("%v, %d moves of the routes; a sleeper of this test was woken %v late at most",
		time.Since(r.begun).Round(time.Second), r.lab.moved, r.sleeper.latest())
	lost := 0
	for _, p := range r.watched {
		c := newSoakCheck(r.t, r.lab, p)
		c.stalled = r.sleeper.latest() > 200*time.Millisecond
		c.log()
		c.resources()
		c.losses()
		c.routes()
		c.services()
		if p != r.bundled {
			c.schedules()
			c.inFlight()
			lost += c.binomial(exact, 20)
			c.binomial(lossy, 20)
		} else {
			c.binomial(lossy, bundledPings)
		}
	}
	r.lines(lost)
}

// lines compares the pings that were lost on the one line that carried nothing
// else with what the line itself has counted.
func (r *soakRun) lines(lost int) {
	there, back := r.lab.exactLine.Counters()
	r.t.Logf("exact line: %+v %+v", there, back)
	if dropped := int(there.Dropped + back.Dropped + there.Overflow + back.Overflow); lost != dropped {
		r.t.Errorf("%d pings lost, the line has dropped %d frames", lost, dropped)
	}
	there, back = r.lab.shakyLine.Counters()
	r.t.Logf("shaky line: %+v %+v", there, back)
	there, back = r.lab.lossyLine.Counters()
	r.t.Logf("lossy line: %+v %+v", there, back)
}

// soakCheck is all that one process has written.
type soakCheck struct {
	t       *testing.T
	lab     *soakLab
	p       *soaked
	hosts   map[string][]record
	starved bool // the process has said that it was
	stalled bool // so was this test
}

func newSoakCheck(t *testing.T, l *soakLab, p *soaked) *soakCheck {
	c := &soakCheck{t: t, lab: l, p: p, hosts: make(map[string][]record)}
	rs := p.shape.records(t, p.out.text())
	for _, each := range rs {
		c.hosts[each.name] = append(c.hosts[each.name], each)
	}
	t.Logf("%s: %d records", p.name, len(rs))
	return c
}

func (c *soakCheck) errorf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("%s: %s", c.p.name, fmt.Sprintf(format, args...))
}

// starved is how the warnings begin that say that this machine had no time for
// the process. A test cannot see to it that it has.
var starved = []string{
	"bursts of pings are left out", "this process did not run for ",
	"more than one ping in twenty leaves later", "pings leave as planned again",
}

// log wants the lines of the reloads and nothing else, but for starved.
func (c *soakCheck) log() {
	warnings, faults := 0, 0
	for _, e := range entries(c.t, c.p.err.text()) {
		told := slices.ContainsFunc(starved, func(s string) bool { return strings.HasPrefix(e.text, s) })
		switch {
		case e.typ == "" && told:
			c.starved = true
			c.t.Logf("%s: %s", c.p.name, e.text)
		case e.typ == "" && strings.HasPrefix(e.text, again):
			warnings++
		case e.typ == "ReloadError" && strings.HasSuffix(e.text, "going on with the one before"):
			faults++
		case e.typ == "ConfigError" && strings.HasPrefix(e.text, c.p.path+":"):
		default:
			c.errorf("unexpected line %+v", e)
		}
	}
	if warnings != c.p.good || faults != c.p.bad {
		c.errorf("%d and %d reloads told, want %d and %d", warnings, faults, c.p.good, c.p.bad)
	}
	c.t.Logf("%s: %d reloads, %d of a file that is not valid", c.p.name, c.p.good, c.p.bad)
}

// Memory is flat: its median in the last quarter is at most moreRSS (KiB) more
// than in the second, which begins when all has run for a while; and the
// threads are at most moreThreads more.
const (
	moreRSS     = 3 << 10
	moreThreads = 3
)

func (c *soakCheck) resources() {
	before, after := c.p.between(0.25, 0.5), c.p.between(0.75, 1)
	c.t.Logf("%s: KiB, descriptors, threads: second quarter %+v, last %+v", c.p.name, before, after)
	if after.rss > before.rss+moreRSS {
		c.errorf("memory grew from %d to %d KiB", before.rss, after.rss)
	}
	if after.threads > before.threads+moreThreads {
		c.errorf("threads grew from %d to %d", before.threads, after.threads)
	}
	// A scan has a connection for each of three services. How many scans run
	// at the same time is chance, but no host has two. (That all are closed is
	// seen when the scans end.)
	most := c.p.first + 3*strings.Count(c.p.text(soakPlan{scans: true}), "\n")
	if after.descriptors > most {
		c.errorf("%d descriptors, want %d at most", after.descriptors, most)
	}
}

// losses checks the hosts that lose nothing, and the one that loses all.
func (c *soakCheck) losses() {
	for _, h := range []pair{steady, usual, quick, large, guest, last, moving, shaky, dead, ghost} {
		want := 0.0
		if h == dead || h == ghost {
			want = 100
		}
		for _, name := range h {
			for i, r := range c.hosts[name] {
				if r.ping != nil && r.ping[4] != want {
					c.errorf("%s: record %d has %v %% loss, want %v", name, i+1, r.ping[4], want)
				}
			}
		}
	}
}

// binomial checks the loss of a host with bursts of so many pings, and returns
// how many of them were lost. Chance exceeds five standard deviations once in
// 1.7 million, with a hundred pings once in 100,000.
func (c *soakCheck) binomial(h pair, burst int) (all int) {
	for _, name := range h {
		sent, lost := 0, 0
		for _, r := range c.hosts[name] {
			if r.ping == nil {
				continue
			}
			n := r.ping[4] * float64(burst) / 100
			if math.Abs(n-math.Round(n)) > 0.001 {
				c.errorf("%s: %v %% loss of %d pings", name, r.ping[4], burst)
			}
			sent, lost = sent+burst, lost+int(math.Round(n))
		}
		mean := tripLoss * float64(sent)
		bound := 5 * math.Sqrt(mean*(1-tripLoss))
		c.t.Logf("%s: %s: %d of %d pings lost: %.3f %%, within %.3f %%", c.p.name, name, lost, sent,
			100*float64(lost)/float64(sent), 100*bound/float64(sent))
		if sent == 0 || math.Abs(float64(lost)-mean) > bound {
			c.errorf("%s: %d of %d pings lost, want %.0f, more or less by %.0f", name, lost, sent, mean, bound)
		}
		all += lost
	}
	return all
}

// routes checks the traces: one of each host whose route does not change, and
// one more a move of each whose route does.
func (c *soakCheck) routes() {
	l := c.lab
	silent := func(way []string) []string { return append(way, slices.Repeat([]string{"*"}, 8-len(way))...) }
	for family := range 2 {
		c.route(steady[family], l.route(0, steady[family]))
		c.route(dead[family], silent(l.route(0)))
		c.route(lossy[family], []string{"r1", "l1", lossy[family]})
		if !c.p.shape.bundled {
			c.route(shaky[family], []string{"r1", "s1", shaky[family]})
		}
		var alive, ghosts [][]string
		for n := range l.moved + 1 {
			alive = append(alive, l.route(n, moving[family]))
			ghosts = append(ghosts, silent(l.route(n)))
		}
		c.route(moving[family], alive...)
		c.route(ghost[family], ghosts...)
	}
	c.t.Logf("%s: %d, %d, %d, %d routes told of hosts with %d moves", c.p.name, c.traces(moving[0]), c.traces(moving[1]),
		c.traces(ghost[0]), c.traces(ghost[1]), l.moved)
}

func (c *soakCheck) traces(name string) (n int) {
	for _, r := range c.hosts[name] {
		if r.trace != nil {
			n++
		}
	}
	return n
}

func (c *soakCheck) route(name string, want ...[]string) {
	c.t.Helper()
	var got [][]string
	for _, r := range c.hosts[name] {
		if r.trace != nil {
			got = append(got, c.lab.name(r.trace))
		}
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		c.errorf("%s: %d routes told, want %d\n%q\n%q", name, len(got), len(want), got, want)
	}
}

// services checks the scans.
func (c *soakCheck) services() {
	for family := range 2 {
		for i, deed := range rogueDeeds {
			c.scans(rogue(i)[family], deed.http, "None")
		}
		if c.lab.hasNginx {
			c.scans(nginx[family], "nginx", "nginx")
		}
	}
}

// scans checks the scans of one host. A service that answers has a second for
// it; where the machine lets a process wait for long, one in fifty may be late,
// else none.
func (c *soakCheck) scans(name, http, https string) {
	c.t.Helper()
	n, missed := 0, 0
	for _, r := range c.hosts[name] {
		if r.scan == nil {
			continue
		}
		n++
		for i, want := range []string{http, https, "None"} {
			switch got := r.scan[i]; {
			case strings.Contains(got, want):
			case strings.Trim(got, `"`) == "None" && (c.starved || c.stalled):
				missed++
			default:
				c.errorf("%s: service %d is %.200q, want %q", name, i, got, want)
			}
		}
	}
	c.t.Logf("%s: %s: %d scans, %d answers missed", c.p.name, name, n, missed)
	if n == 0 || 50*missed > n {
		c.errorf("%s: %d scans, %d answers missed", name, n, missed)
	}
}

// inFlight wants the burst that ran when the end came.
func (c *soakCheck) inFlight() {
	for _, name := range last {
		if n := len(c.hosts[name]); n != 1 {
			c.errorf("%d records of the burst that ran at the end, want 1", n)
		}
		if strings.Contains(c.p.out.text()[:c.p.terminated], name+"\n") || strings.Contains(c.p.out.text()[:c.p.terminated], name+`"`) {
			c.errorf("%s: the burst was over before the end came", name)
		}
	}
}

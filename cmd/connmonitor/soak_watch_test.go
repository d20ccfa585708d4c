// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// soakPlan is what a process is to measure at one time.
type soakPlan struct {
	scans, guest, last bool
}

// soaked is one process of the soak.
type soaked struct {
	*program
	name       string
	shape      shape
	path       string
	text       func(soakPlan) string
	routes     routeCounter
	samples    []sample
	first      int // descriptors before the first scan
	good, bad  int // reloads
	terminated int // bytes that were written when SIGTERM was sent
}

func soak(t *testing.T, l *soakLab, name string, s shape, text func(soakPlan) string, with setup) *soaked {
	t.Helper()
	p := &soaked{name: name, shape: s, text: text}
	p.path = config(t, text(soakPlan{}))
	with.args = append(with.args, p.path)
	p.program = start(t, l.client, with)
	p.routes = routeCounter{stream: p.out, lab: l, seen: make(map[string]int)}
	return p
}

// reload hands the process another plan, and waits until it is taken.
func (p *soaked) reload(plan soakPlan) {
	p.t.Helper()
	write(p.t, p.path, p.text(plan))
	p.signal(syscall.SIGHUP)
	p.good++
	p.err.has(again, p.good)
}

// typo hands the process a file that it is not to take.
func (p *soaked) typo() {
	p.t.Helper()
	write(p.t, p.path, p.text(soakPlan{})+"127.0.0.1 pnig=3\n127.0.0.2 ping=-1\n")
	p.signal(syscall.SIGHUP)
	p.bad++
	p.err.has("going on with the one before", p.bad)
}

// sample is what a process has at one time.
type sample struct {
	at                   time.Duration // since the start of the soak
	rss                  int           // KiB
	descriptors, threads int
}

func (p *soaked) sample(at time.Duration) {
	p.t.Helper()
	p.samples = append(p.samples, sample{at, p.rss(), p.descriptors(), p.threads()})
}

// rss is the resident memory in KiB.
func (p *soaked) rss() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	if words := strings.Fields(after); len(words) > 0 {
		n, _ := strconv.Atoi(words[0])
		return n
	}
	p.t.Fatal("no VmRSS")
	return 0
}

// figures of the samples from one part (0..1) of the soak to another.
type figures struct {
	rss                  int // the median
	descriptors, threads int // the most
}

func (p *soaked) between(from, to float64) figures {
	end := p.samples[len(p.samples)-1].at
	var f figures
	var rss []int
	for _, s := range p.samples {
		if part := float64(s.at) / float64(end); part < from || part > to {
			continue
		}
		rss = append(rss, s.rss)
		f.descriptors, f.threads = max(f.descriptors, s.descriptors), max(f.threads, s.threads)
	}
	slices.Sort(rss)
	f.rss = rss[len(rss)/2]
	return f
}

// sleeper sleeps and looks how late it wakes up: what this machine does to a
// process that wants to run, whatever the process.
type sleeper struct {
	most atomic.Int64
	end  chan struct{}
	done sync.WaitGroup
}

func newSleeper(t *testing.T) *sleeper {
	s := &sleeper{end: make(chan struct{})}
	s.done.Go(s.run)
	t.Cleanup(func() { close(s.end); s.done.Wait() })
	return s
}

func (s *sleeper) run() {
	const nap = 10 * time.Millisecond
	ticks := time.NewTicker(nap)
	defer ticks.Stop()
	for before := time.Now(); ; {
		select {
		case <-s.end:
			return
		case <-ticks.C:
		}
		now := time.Now()
		s.most.Store(max(s.most.Load(), int64(now.Sub(before)-nap)))
		before = now
	}
}

func (s *sleeper) latest() time.Duration {
	return time.Duration(s.most.Load()).Round(time.Millisecond)
}

// routeCounter counts the traces that were printed, by host, while the process
// runs. It reads what is new and only that, for a soak prints a lot.
type routeCounter struct {
	stream *stream
	lab    *soakLab
	at     int
	host   string // of the text record that is being read
	seen   map[string]int
}

func (c *routeCounter) count(host string) int {
	for line := range strings.Lines(c.fresh()) {
		c.line(strings.TrimSuffix(line, "\n"))
	}
	return c.seen[host]
}

// fresh is what was written since it was called last, in whole lines.
func (c *routeCounter) fresh() string {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	text := string(c.stream.data[c.at:])
	text = text[:strings.LastIndexByte(text, '\n')+1]
	c.at += len(text)
	return text
}

func (c *routeCounter) line(line string) {
	if strings.HasPrefix(line, "{") {
		_, after, _ := strings.Cut(line, `"name":"`)
		name, _, _ := strings.Cut(after, `"`)
		if strings.Contains(line, `"trace":[[`) {
			c.seen[name]++
		}
		return
	}
	if _, err := netip.ParseAddr(line); err == nil {
		c.host = line
		return
	}
	// r1 is the first hop of every trace, and of no trace another.
	if addr, _, ok := strings.Cut(line, "\t"); ok && c.lab.names[addr] == "r1" {
		c.seen[c.host]++
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package trace finds the paths to targets: many traces at the same time, a
// window of TTLs of each in flight side by side, with probes that keep their
// flow constant so that a load-balancing router sends them all one way (Paris
// traceroute, Augustin et al., 2006). What is constant is the checksum of ICMP,
// and the ports of UDP and TCP; several flows may be followed.
//
// It makes vitals.Path values of the verdicts that prober gives, and remembers
// the routes of each target to tell a change from silence and from load
// balancing (contract 1.6, in memory.go). Answers are matched on the quoted
// datagram (RFC 792, RFC 1812 4.3.2.3) below, so traces never mix, whatever
// runs beside them.
package trace

import (
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Plan is how a target is traced.
type Plan struct {
	// Pause is the time from the end of a trace to the start of the next; with
	// Once a trace starts only when Start asks for one.
	Pause   time.Duration
	Once    bool
	Timeout time.Duration // of one probe; a trace lasts twice as long at most
	Hops    int           // largest TTL, 1..255
	Flows   int           // how many flows are followed, 1..64; 0: one
	Method  vitals.Method
	Port    uint16 // destination port of UDP and TCP probes
	From    rawsock.Addr
	Iface   int32
	TOS     uint8
}

// Done takes a finished trace on the loop's goroutine. changed tells whether it
// differs from the routes that were recorded for the target. path is nil when our
// own side spoiled the trace; cause then says why. The path may be kept.
type Done func(key uint32, path *vitals.Path, changed bool, cause syscall.Errno)

// Tracer traces the targets of one loop. Its methods are for the loop's
// goroutine (prober.Loop.Do).
type Tracer struct {
	loop    *prober.Loop
	client  uint8
	done    Done
	targets prober.Table[target, *target]
	routers *routers
	alike   map[rawsock.Addr]int // traces under way to an address (alone.go)
	runs    runs
}

// New makes the tracer of a loop and attaches it.
func New(loop *prober.Loop, done Done) *Tracer {
	t := &Tracer{loop: loop, done: done, routers: newRouters()}
	t.client = t.targets.Attach(loop, t)
	return t
}

// Add adds a target whose first trace starts at mono (ns); below 0 it waits for
// Start.
func (t *Tracer) Add(key uint32, to rawsock.Addr, plan Plan, at int64) uint32 {
	id := t.targets.Add(key, newTarget(to, plan))
	if at >= 0 {
		t.Start(id, at)
	}
	return id
}

// Start lets the next trace of a target begin at mono (ns), if none is under
// way.
func (t *Tracer) Start(id uint32, at int64) {
	if e := &t.targets.Entries[id]; !e.active && t.targets.Open(id) {
		t.loop.Set(e.Timer, at)
	}
}

// Remove takes a target away. A trace that is under way is finished and handed
// over.
func (t *Tracer) Remove(id uint32) {
	t.targets.Remove(id)
	t.targets.Settle(id, t.targets.Entries[id].idle())
}

// Stop begins no more traces; those under way are finished.
func (t *Tracer) Stop() { t.targets.Stop((*target).idle) }

// Idle is for prober.
func (t *Tracer) Idle() bool { return t.targets.Busy() == 0 }

// Demand is for prober: while a trace is under way, an answer decides what is
// sent next, so the tick must be short beside an RTT. Where many are, no tick is
// without probes, and what each trace waits for is the others: then longer ticks
// cost no time, and what wakes cost is shared by more probes.
func (t *Tracer) Demand() prober.Demand {
	switch n := t.targets.Busy(); {
	case n == 0:
		return prober.Demand{}
	case n <= few:
		return prober.Demand{Spacing: 4 * time.Millisecond}
	}
	return prober.Demand{Spacing: 10 * time.Millisecond}
}

// few is how many traces are no crowd.
const few = 16

// Due is for prober: a trace is to begin, or a hop has been silent for long
// enough.
func (t *Tracer) Due(id uint32, now int64) {
	e := &t.targets.Entries[id]
	switch {
	case e.active:
		t.advance(id, now, true)
	case !t.targets.Open(id):
	case t.loop.Congested() || t.loop.Delay() > mostDelay:
		t.loop.Set(e.Timer, now+int64(mostDelay))
	default:
		e.active = true
		t.under(e, +1)
		t.targets.Begin()
		t.begin(id)
	}
}

// mostDelay is how long probes may be held back when a trace begins: those that
// are under way are finished first, which tells later ones where to look.
const mostDelay = 20 * time.Millisecond

// Verdict is for prober.
func (t *Tracer) Verdict(id, tag uint32, r *prober.Result) {
	e := &t.targets.Entries[id]
	if !e.active || uint16(tag>>16) != e.Round || r.Verdict == prober.Duplicate {
		return // of a trace that is over
	}
	e.flows[uint8(tag)].run.take(uint8(tag>>8), r, e.to, t.loop.Now())
	if !e.sending {
		t.advance(id, t.loop.Now(), false)
	}
}

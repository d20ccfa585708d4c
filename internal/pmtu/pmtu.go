// SPDX-License-Identifier: Apache-2.0

// Package pmtu finds the path MTU to targets and watches it: by echo requests
// that must not be fragmented, of the sizes that decide.
//
// What routers report is believed when a probe bears it out (RFC 1191, RFC
// 8201); where they say nothing, the size is searched among those that links
// have, as RFC 8899 does, and the hop behind which larger packets vanish is
// looked for by probes with small TTLs. A loss is no evidence, several of one
// size are, while a small one passes. Afterwards a round costs three probes at
// most, and a change is told when it was found twice.
//
// It makes vitals.MTU values of the verdicts that prober gives. When rounds are
// made is the caller's business.
package pmtu

import (
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Plan is how the path MTU of a target is found.
type Plan struct {
	// Pause is the time from the end of a round to the start of the next; with
	// Once a round starts only when Start asks for one.
	Pause   time.Duration
	Once    bool
	Timeout time.Duration // of one probe at most
	Hops    int           // largest TTL at which a limit is looked for, 1..255
	From    rawsock.Addr
	Iface   int32
	TOS     uint8
	// Checksum is the ICMP checksum of all probes, whatever their size, so that load
	// balancers show one path; 0 is a constant of this room.
	Checksum uint16
}

// Done takes the end of a round on the loop's goroutine. mtu is what is known
// then, its Size 0 when the target has never answered. changed tells that it
// differs from what was known before, and is true for the first. A cause says
// that our own side spoiled the round.
type Done func(key uint32, mtu vitals.MTU, changed bool, cause syscall.Errno)

// Finder finds the path MTUs of one loop's targets. Its methods are for the
// loop's goroutine (prober.Loop.Do).
type Finder struct {
	loop    *prober.Loop
	client  uint8
	done    Done
	targets prober.Table[target, *target]
}

type target struct {
	prober.Entry // its Round counts searches and checks

	to      rawsock.Addr
	plan    Plan
	run     *run // the round that is under way, nil when none is
	known   vitals.MTU
	raised  int64 // when the interface's MTU was last tried, mono ns
	misses  uint8 // rounds in a row in which the known size was lost, a small one not
	silence uint8 // rounds in a row in which a router did not report what it had reported
	strays  uint8 // rounds in a row in which a black hole seemed to have come nearer
	beyond  bool  // the next look at a black hole is behind it
}

// idle reports whether no round is under way.
func (e *target) idle() bool { return e.run == nil }

// New makes the finder of a loop and attaches it.
func New(loop *prober.Loop, done Done) *Finder {
	f := &Finder{loop: loop, done: done}
	f.client = f.targets.Attach(loop, f)
	return f
}

// Add adds a target whose first round starts at mono (ns); below 0 it waits for
// Start.
func (f *Finder) Add(key uint32, to rawsock.Addr, plan Plan, at int64) uint32 {
	id := f.targets.Add(key, target{to: to, plan: plan})
	if at >= 0 {
		f.Start(id, at)
	}
	return id
}

// Start lets the next round of a target begin at mono (ns), if none is under
// way.
func (f *Finder) Start(id uint32, at int64) {
	if e := &f.targets.Entries[id]; e.idle() && f.targets.Open(id) {
		f.loop.Set(e.Timer, at)
	}
}

// Remove takes a target away. A round that is under way ends with its next
// verdict, and is handed over.
func (f *Finder) Remove(id uint32) {
	f.targets.Remove(id)
	f.targets.Settle(id, f.targets.Entries[id].idle())
}

// Stop begins no more rounds; those under way end with their next verdict.
func (f *Finder) Stop() { f.targets.Stop((*target).idle) }

// Idle is for prober.
func (f *Finder) Idle() bool { return f.targets.Busy() == 0 }

// Demand is for prober: while a round is under way, an answer decides what is
// sent next.
func (f *Finder) Demand() prober.Demand {
	if f.targets.Busy() == 0 {
		return prober.Demand{}
	}
	return prober.Demand{Spacing: 10 * time.Millisecond}
}

// Due is for prober: a round is to begin.
func (f *Finder) Due(id uint32, now int64) {
	e := &f.targets.Entries[id]
	switch {
	case !f.targets.Open(id), !e.idle():
	case f.loop.Congested():
		f.loop.Set(e.Timer, now+int64(20*time.Millisecond))
	case f.loop.Info().Kind == rawsock.UDP:
		f.targets.Begin()
		f.hand(id, false, syscall.EOPNOTSUPP) // no echo request can be sent
	default:
		f.targets.Begin()
		f.begin(id)
	}
}

// begin begins a round: the search, or where its outcome is known the check.
func (f *Finder) begin(id uint32) {
	e := &f.targets.Entries[id]
	if e.known.Size > 0 {
		f.renew(id, newCheck(e, f.loop.IPv6(), f.loop.Now()))
		return
	}
	f.renew(id, newSearch(f.loop.IPv6(), 0))
}

// renew lets a search or check begin. The verdicts of what was before do not
// concern it.
func (f *Finder) renew(id uint32, s steps) {
	e := &f.targets.Entries[id]
	e.Round++
	before := e.run
	e.run = &run{steps: s, timeout: int64(e.plan.Timeout)}
	if before != nil {
		e.run.differing, e.run.repeats, e.run.slowest = before.differing, before.repeats, before.slowest
	}
	f.advance(id)
}

// Verdict is for prober.
func (f *Finder) Verdict(id, tag uint32, v *prober.Result) {
	e := &f.targets.Entries[id]
	if e.run == nil || uint8(tag>>24) != uint8(e.Round) || v.Verdict == prober.Duplicate {
		return // of a round that is over
	}
	if !f.targets.Open(id) {
		f.hand(id, false, 0)
		return
	}
	a := answerOf(v, e.to)
	a.size, a.ttl = int(tag&0xffff), int(tag>>16&0xff)
	if e.run.take(&a) {
		f.advance(id)
		return
	}
	f.hand(id, false, e.run.cause)
}

// advance sends what the steps want next, or ends them.
func (f *Finder) advance(id uint32) {
	e := &f.targets.Entries[id]
	size, ttl, ok := e.run.steps.next()
	if ok && e.run.sent < mostProbes {
		f.ask(id, size, ttl)
		return
	}
	switch s := e.run.steps.(type) {
	case *check:
		if s.end(e) {
			f.renew(id, newSearch(f.loop.IPv6(), 0))
			return
		}
		f.hand(id, false, s.cause)
	case *search:
		if ok || !s.found() {
			f.hand(id, false, 0)
			return
		}
		if s.limit() == vitals.LimitInterface {
			f.finish(id, s.value())
			return
		}
		f.renew(id, newLocate(s, e.plan.Hops))
	case *locate:
		if s.passed {
			f.hand(id, false, 0) // the path changes under us; the next round sees more
			return
		}
		f.finish(id, s.value(f.loop.IPv6()))
	}
}

// mostProbes bounds what one search may send while the path does not come to
// rest.
const mostProbes = 300

// steadyChecksum is that of the probes where the plan names none: any but 0 and
// 0xffff.
const steadyChecksum = 0x4d54

func (f *Finder) ask(id uint32, size, ttl int) {
	e := &f.targets.Entries[id]
	checksum := e.plan.Checksum
	if checksum == 0 {
		checksum = steadyChecksum
	}
	e.run.sent++
	f.loop.Send(f.client, &prober.Probe{
		To: e.to, From: e.plan.From, Iface: e.plan.Iface, TOS: e.plan.TOS, DF: true, Checksum: checksum,
		Size: size - headers(f.loop.IPv6()), Timeout: time.Duration(e.run.patience()), TTL: uint8(ttl),
		Ref: id, Tag: uint32(e.Round)<<24 | uint32(ttl)<<16 | uint32(size),
	})
}

// mostRepeats is how often a search that differs from what is known is made
// again at most.
const mostRepeats = 4

// finish takes what a search has found. What differs from what is known is
// looked for again at once, until two in a row agree.
func (f *Finder) finish(id uint32, found vitals.MTU) {
	e := &f.targets.Entries[id]
	r := e.run
	e.misses, e.silence, e.strays = 0, 0, 0
	switch {
	case found == e.known:
		f.hand(id, false, 0)
	case e.known.Size == 0, found == r.differing:
		e.known, e.raised = found, f.loop.Now()
		f.hand(id, true, 0)
	case r.repeats == mostRepeats:
		f.hand(id, false, 0)
	default:
		r.differing = found
		r.repeats++
		f.renew(id, newSearch(f.loop.IPv6(), found.Size))
	}
}

func (f *Finder) hand(id uint32, changed bool, cause syscall.Errno) {
	e := &f.targets.Entries[id]
	e.run = nil
	f.targets.End()
	if !e.plan.Once {
		f.Start(id, f.loop.Now()+int64(e.plan.Pause))
	}
	f.done(e.Key, e.known, changed, cause)
	f.targets.Settle(id, true)
}

// SPDX-License-Identifier: Apache-2.0

// Package ping makes bursts of echo requests of the probes that prober sends,
// and one vitals.Ping of each burst's verdicts.
//
// Bursts keep a fixed schedule, whatever was lost: a burst may start while
// pings of the one before are still awaited. All targets of a loop are entries
// in slabs without pointers, moved by the loop's timers; the figures of a burst
// are accumulated as the verdicts come, so that no RTT is kept. What is sent
// and matched is prober's business; when a target is measured, monitor's.
package ping

import (
	"math"
	"sync/atomic"
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Plan is how a target is pinged. Targets with equal plans share one.
type Plan struct {
	// Period is the time between the starts of two bursts; 0: a burst starts
	// only when Start asks for one.
	Period   time.Duration
	Interval time.Duration // between two pings of a burst
	Timeout  time.Duration
	Count    int // pings in a burst, 1..65535
	Size     int // payload bytes, 1..65507
	From     rawsock.Addr
	Iface    int32
	TOS      uint8
	DF       bool
}

// Done takes the statistic of a finished burst, on the loop's goroutine. p is
// valid during the call. cause is why the last of its unknown probes is
// unknown, 0 when there is none.
type Done func(key uint32, p *vitals.Ping, cause syscall.Errno)

// Pinger pings the targets of one loop. Its methods are for the loop's
// goroutine (prober.Loop.Do); targets are named by the number that Add returns.
type Pinger struct {
	loop   *prober.Loop
	client uint8
	done   Done

	plans     []Plan
	planUses  []int
	planIndex map[Plan]uint32

	targets prober.Table[target, *target]
	bursts  []burst
	unused  []int32
	open    int // bursts that are not complete

	missed atomic.Uint64
	late   atomic.Uint64
	result vitals.Ping
}

// target is one pinged address. The time of its next ping is in nextPing while
// a burst is being sent, else in nextBurst. Its 64 bytes are one line of the
// processor's caches: that of a large monitor is cold each time.
type target struct {
	nextBurst int64 // mono ns
	nextPing  int64
	to        rawsock.Addr
	stamped   int32 // when it last answered a ping that was stamped as it left, mono s; 0: it did not
	plan      uint32
	sending   int32 // the burst that is being sent; none
	awaited   int32 // head of the list of its bursts that are not complete

	prober.Entry // its Round is the upper half of a probe's tag
}

// idle reports whether no burst is being sent.
func (t *target) idle() bool { return t.sending == none }

// burst is one burst that is not complete.
type burst struct {
	sample      vitals.Sample
	target      uint32
	next        int32 // of the same target
	number      uint16
	sent        uint16 // handed to the loop
	ended       uint16 // of these, with a verdict
	count       uint16
	unknown     uint16
	unreachable uint16
	late        uint16
	duplicate   uint16
	cause       uint16
}

const none = int32(-1)

// never is when the next burst of a target begins that waits for Start.
const never = math.MaxInt64

// MinPeriod is the shortest period of a target's bursts; a shorter one is taken
// for it.
const MinPeriod = 100 * time.Microsecond

// New makes the pinger of a loop and attaches it.
func New(loop *prober.Loop, done Done) *Pinger {
	p := &Pinger{loop: loop, done: done, planIndex: map[Plan]uint32{}}
	p.client = p.targets.Attach(loop, p)
	return p
}

// Add adds a target whose first burst starts at mono (ns); below 0 it waits
// for Start. key comes back with its results.
func (p *Pinger) Add(key uint32, to rawsock.Addr, plan Plan, at int64) uint32 {
	if plan.Period > 0 {
		plan.Period = max(plan.Period, MinPeriod)
	}
	id := p.targets.Add(key, target{to: to, plan: p.share(plan), nextBurst: never, sending: none, awaited: none})
	p.loop.Retune()
	if at >= 0 {
		p.Start(id, at)
	}
	return id
}

// share returns the index of a plan, counting its users.
func (p *Pinger) share(plan Plan) uint32 {
	i, ok := p.planIndex[plan]
	if !ok {
		i = uint32(len(p.plans))
		p.plans, p.planUses = append(p.plans, plan), append(p.planUses, 0)
		p.planIndex[plan] = i
	}
	p.planUses[i]++
	return i
}

// Start lets the next burst of a target begin at mono (ns).
func (p *Pinger) Start(id uint32, at int64) {
	if !p.targets.Open(id) {
		return
	}
	t := &p.targets.Entries[id]
	t.nextBurst = at
	if t.idle() {
		p.loop.Set(t.Timer, at)
	}
}

// Remove takes a target away. What is in flight is finished and handed over.
func (p *Pinger) Remove(id uint32) {
	p.targets.Remove(id)
	p.settle(id)
}

// Stop starts no more bursts; those that have begun are finished.
func (p *Pinger) Stop() { p.targets.Stop((*target).idle) }

// Stats is the pinger's account of itself since it was made.
type Stats struct {
	Missed uint64 // bursts that were left out because our own side was late, or had no room by the cap on the rate
	Late   uint64 // pings that left more than a tick later than their schedule says
}

// Stats may be called from any goroutine.
func (p *Pinger) Stats() Stats { return Stats{Missed: p.missed.Load(), Late: p.late.Load()} }

// Idle is for prober.
func (p *Pinger) Idle() bool { return p.open == 0 }

// Demand is for prober.
func (p *Pinger) Demand() prober.Demand {
	var d prober.Demand
	for i, n := range p.planUses {
		if n == 0 {
			continue
		}
		plan := &p.plans[i]
		spacing := plan.Period
		if plan.Count > 1 {
			spacing = plan.Interval
		}
		if spacing > 0 && (d.Spacing == 0 || spacing < d.Spacing) {
			d.Spacing = spacing
		}
		if plan.Period > 0 {
			d.Rate += float64(n*prober.Cost(plan.Size)) * float64(plan.Count) / plan.Period.Seconds()
		}
	}
	return d
}

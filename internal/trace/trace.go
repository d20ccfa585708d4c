// SPDX-License-Identifier: Apache-2.0

// Package trace finds the paths to targets: many traces at the same time, a
// window of TTLs of each in flight side by side, with probes that keep their
// flow constant so that a load-balancing router sends them all one way (Paris
// traceroute, Augustin et al., 2006).
//
// It makes vitals.Path values of the verdicts that prober gives, and remembers
// the route of each target to tell a change from silence (contract 1.6, in
// memory.go). Answers are matched on the quoted datagram (RFC 792, RFC 1812
// 4.3.2.3) below, so traces never mix, whatever runs beside them.
package trace

import (
	"encoding/binary"
	"hash/fnv"
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
	Method  vitals.Method
	Port    uint16 // destination port of UDP and TCP probes; 0: 33434, and 80 for TCP
	From    rawsock.Addr
	Iface   int32
	TOS     uint8
}

// Done takes a finished trace on the loop's goroutine. changed tells whether it
// differs from the route that was recorded for the target. path is nil when our
// own side spoiled the trace; cause then says why. The path may be kept.
type Done func(key uint32, path *vitals.Path, changed bool, cause syscall.Errno)

// Tracer traces the targets of one loop. Its methods are for the loop's
// goroutine (prober.Loop.Do).
type Tracer struct {
	loop    *prober.Loop
	client  uint8
	done    Done
	targets []target
	free    []uint32
	active  int
	stopped bool
}

type target struct {
	to     rawsock.Addr
	key    uint32
	plan   Plan
	timer  prober.Timer
	from   rawsock.Addr // source address of the trace that is under way
	sum    uint16       // the checksum of all its ICMP probes
	runs   uint16       // traces so far, modulo 2^16: the upper half of a probe's tag
	run    *run         // the trace that is under way, nil when none is
	memory *Memory
	// differing is the trace before, of those that are made again because they
	// differ from the memory; repeats counts them.
	differing *vitals.Path
	repeats   uint8
	used      bool
	removed   bool
}

// New makes the tracer of a loop and attaches it.
func New(loop *prober.Loop, done Done) *Tracer {
	t := &Tracer{loop: loop, done: done}
	t.client = loop.Attach(t)
	return t
}

// Add adds a target whose first trace starts at mono (ns); below 0 it waits for
// Start.
func (t *Tracer) Add(key uint32, to rawsock.Addr, plan Plan, at int64) uint32 {
	var id uint32
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else {
		id = uint32(len(t.targets))
		t.targets = append(t.targets, target{})
	}
	e := &t.targets[id]
	*e = target{
		to: to, key: key, plan: plan, sum: flowOf(to), runs: e.runs,
		memory: &Memory{}, timer: t.loop.NewTimer(t.client, id), used: true,
	}
	if at >= 0 {
		t.Start(id, at)
	}
	return id
}

// flowOf chooses the constant checksum of a target's probes. It is the same
// each time, so that a restart of the program does not look like a change of
// the route. 0 would mean no flow, 0xffff is no checksum that a sum can have.
func flowOf(to rawsock.Addr) uint16 {
	h := fnv.New32a()
	_, _ = h.Write(to.IP[:])
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], h.Sum32())
	v := binary.BigEndian.Uint16(b[:]) ^ binary.BigEndian.Uint16(b[2:])
	return max(1, min(v, 0xfffe))
}

// Start lets the next trace of a target begin at mono (ns), if none is under
// way.
func (t *Tracer) Start(id uint32, at int64) {
	if e := &t.targets[id]; e.run == nil && !t.stopped && !e.removed {
		t.loop.Set(e.timer, at)
	}
}

// Remove takes a target away. A trace that is under way is finished and handed
// over.
func (t *Tracer) Remove(id uint32) {
	t.targets[id].removed = true
	t.settle(id)
}

// Stop begins no more traces; those under way are finished.
func (t *Tracer) Stop() {
	t.stopped = true
	for i := range t.targets {
		if e := &t.targets[i]; e.used && e.run == nil {
			t.loop.Stop(e.timer)
		}
	}
}

// Idle is for prober.
func (t *Tracer) Idle() bool { return t.active == 0 }

// Demand is for prober: while a trace is under way, an answer decides what is
// sent next, so the tick must be short beside an RTT.
func (t *Tracer) Demand() prober.Demand {
	if t.active == 0 {
		return prober.Demand{}
	}
	return prober.Demand{Spacing: 4 * time.Millisecond}
}

// Due is for prober: a trace is to begin, or a hop has been silent for long
// enough.
func (t *Tracer) Due(id uint32, now int64) {
	e := &t.targets[id]
	switch {
	case e.run != nil:
		t.advance(id, now)
	case t.stopped || e.removed:
	case t.loop.Congested():
		t.loop.Set(e.timer, now+int64(20*time.Millisecond))
	default:
		t.begin(id)
	}
}

func (t *Tracer) begin(id uint32) {
	e := &t.targets[id]
	if e.run == nil {
		t.setActive(+1)
	}
	e.runs++
	e.run = newRun(e, t.udp(e), t.loop.Now())
	if err := t.setSource(e); err != nil {
		e.run.refuse(err)
		t.finish(id)
		return
	}
	t.advance(id, t.loop.Now())
}

// udp tells that the probes of a target are UDP, so that "port unreachable" is
// the destination's answer.
func (t *Tracer) udp(e *target) bool {
	return e.plan.Method == vitals.MethodUDP || t.loop.Info().Kind == rawsock.UDP
}

// setSource finds out where the probes of a trace leave from, where their
// checksums have to cover it.
func (t *Tracer) setSource(e *target) (err error) {
	e.from = e.plan.From
	if e.plan.Method != vitals.MethodICMP && e.from.IsZero() && t.loop.Info().Kind == rawsock.Raw {
		e.from, err = t.loop.Source(e.to, e.plan.Iface)
	}
	return err
}

func (t *Tracer) setActive(d int) {
	before := t.active
	t.active += d
	if before == 0 || t.active == 0 {
		t.loop.Retune()
	}
}

// Verdict is for prober.
func (t *Tracer) Verdict(id, tag uint32, r *prober.Result) {
	e := &t.targets[id]
	if e.run == nil || uint16(tag>>16) != e.runs || r.Verdict == prober.Duplicate {
		return // of a trace that is over
	}
	e.run.take(uint8(tag>>8), r, e.to, t.loop.Now())
	if !e.run.sending {
		t.advance(id, t.loop.Now())
	}
}

// advance does what the answers so far allow: asks further TTLs, asks again,
// or ends the trace.
func (t *Tracer) advance(id uint32, now int64) {
	e := &t.targets[id]
	r := e.run
	r.sending = true // a probe that is refused at once must not advance us again
	next, over := r.plan(now, func(ttl uint8, try uint8) { t.ask(e, ttl, try, id) })
	r.sending = false
	if over {
		t.finish(id)
		return
	}
	t.loop.Set(e.timer, next)
}

// probeSize is the payload of a trace's probe: room for the balancing word and
// as much again.
const probeSize = 32

// The destination ports where none is told: the one at which traceroute(8)
// begins, where hardly anybody listens, and one that is open on most servers.
const (
	udpPort = 33434
	tcpPort = 80
)

// port is the destination port of the probes.
func (p *Plan) port() uint16 {
	switch {
	case p.Port != 0:
		return p.Port
	case p.Method == vitals.MethodTCP:
		return tcpPort
	}
	return udpPort
}

func (t *Tracer) ask(e *target, ttl, try uint8, id uint32) {
	t.loop.Send(t.client, &prober.Probe{
		Method: e.plan.Method, To: e.to, From: e.from, Iface: e.plan.Iface, TOS: e.plan.TOS,
		Size: probeSize, Timeout: e.plan.Timeout, TTL: ttl, Checksum: e.sum, Port: e.plan.port(),
		Ref: id, Tag: uint32(e.runs)<<16 | uint32(ttl)<<8 | uint32(try),
	})
}

// maxRepeats is how often a trace that differs is made again at most, while
// the route does not come to rest.
const maxRepeats = 4

// finish ends a trace. One that differs from the memory is made again at once,
// until two in a row agree: while a route moves, the hops of one trace may be
// of two routes, and what is reported shall be one that was there. A difference
// that does not come again is none.
func (t *Tracer) finish(id uint32) {
	e := &t.targets[id]
	if e.run.spoiled() {
		t.hand(id, nil, false, e.run.cause)
		return
	}
	path := e.run.path(t.loop.IPv6())
	if e.memory.compare(path) == different && !e.confirms(path) && !t.stopped && !e.removed {
		e.differing = path
		e.repeats++
		t.begin(id)
		return
	}
	t.hand(id, path, e.memory.record(path), 0)
}

// confirms reports whether a trace that differs from the memory is to be
// believed.
func (e *target) confirms(path *vitals.Path) bool {
	if e.repeats == maxRepeats {
		return true
	}
	if e.differing == nil {
		return false
	}
	var m Memory
	m.record(e.differing)
	return m.compare(path) == same
}

func (t *Tracer) hand(id uint32, path *vitals.Path, changed bool, cause syscall.Errno) {
	e := &t.targets[id]
	e.run, e.differing, e.repeats = nil, nil, 0
	t.loop.Stop(e.timer)
	t.setActive(-1)
	if !e.plan.Once {
		t.Start(id, t.loop.Now()+int64(e.plan.Pause))
	}
	t.done(e.key, path, changed, cause)
	t.settle(id)
}

// settle frees a removed target when no trace of it is under way.
func (t *Tracer) settle(id uint32) {
	e := &t.targets[id]
	if !e.used || !e.removed || e.run != nil {
		return
	}
	t.loop.FreeTimer(e.timer)
	*e = target{runs: e.runs}
	t.free = append(t.free, id)
}

// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"syscall"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// begin lets all flows of a target be traced side by side.
func (t *Tracer) begin(id uint32) {
	e, now := &t.targets.Entries[id], t.loop.Now()
	e.Round++
	err := t.setSource(e)
	for i := range e.flows {
		f := &e.flows[i]
		if f.over = false; f.run == nil {
			f.run = t.runs.take()
		}
		f.run.begin(&e.plan, &f.memory, t.routers, t.udp(e), t.loop.IPv6(), now)
		if f.differing != nil {
			f.run.sampled = f.memory.firstDiffering(f.differing)
		}
		if err != nil {
			f.run.refuse(err)
		}
	}
	if err != nil {
		t.finish(id)
		return
	}
	t.advance(id, now, false)
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

// advance does what the answers so far allow: asks further TTLs, asks again,
// or ends the trace when all its flows have ended. timed tells that the time for it
// has come, and not an answer.
func (t *Tracer) advance(id uint32, now int64, timed bool) {
	e := &t.targets.Entries[id]
	e.sending = true
	next, over := int64(-1), true
	for i := range e.flows {
		f := &e.flows[i]
		awaited := !f.over
		if awaited && f.run.single == 0 {
			f.next, f.over = f.run.plan(now, timed, func(ttl uint8) (leaves int64) {
				leaves = now + int64(t.loop.Delay())
				p := e.probe(id, i, ttl)
				t.loop.Send(t.client, &p)
				return leaves
			})
		}
		if awaited && (f.over || f.run.single > 0) {
			f.next, f.over = t.alone(id, i, now)
		}
		if !f.over && (over || f.next < next) {
			next, over = f.next, false
		}
	}
	e.sending = false
	if over {
		t.finish(id)
		return
	}
	t.loop.Set(e.Timer, next)
}

// maxRepeats is how often a trace that differs is made again at most, while
// the route does not come to rest.
const maxRepeats = 4

// finish ends a trace. One that differs from the memory is made again at once,
// until two in a row agree: while a route moves, the hops of one trace may be
// of two routes, and what is reported shall be one that was there. A difference
// that does not come again is none, and where old and new come by turns it is no
// change but a router that spreads the packets of a flow. All flows are asked
// again, so that a link that moves is one change.
func (t *Tracer) finish(id uint32) {
	e := &t.targets.Entries[id]
	if cause := e.spoiled(); cause != 0 {
		t.hand(id, nil, false, cause)
		return
	}
	for i := range e.flows {
		e.flows[i].take()
	}
	if e.differs() && e.repeats < maxRepeats && !e.confirmed() && t.targets.Open(id) {
		for i := range e.flows {
			e.flows[i].differing = e.flows[i].path
		}
		e.repeats++
		t.begin(id)
		return
	}
	changed, change := e.record()
	for i := range e.flows {
		f := &e.flows[i]
		f.run.expect()
		f.run.tell(t.loop.Now())
		f.run.share(f.path, t.loop.Now())
		f.memory.also(f.path)
	}
	path := e.path()
	path.Change, path.UDP = change, t.loop.Info().Kind == rawsock.UDP
	t.hand(id, path, changed, 0)
}

// spoiled is why our own side has spoiled a trace, 0 when it has not.
func (e *target) spoiled() syscall.Errno {
	for i := range e.flows {
		if r := e.flows[i].run; r.spoiled() {
			return r.cause
		}
	}
	return 0
}

// take takes what a flow's run has found, into the memory what it shows to be
// spread, and notes what is to be doubted.
func (f *flow) take() {
	f.path = f.run.path()
	m, at, answers := &f.memory, f.run.sampled, f.run.samples
	switch differs := m.firstDiffering(f.path); {
	case at == 0 && differs > 0:
		m.suspects(differs, f.path.Hops[differs-1].Addr)
	case at == 0:
	case len(answers) == 0:
		m.suspect.unanswered = m.suspect.ttl == at
	case !m.at(at).hasAny(answers):
		m.suspects(at, answers...)
	case m.spread(at, answers):
		m.merge(f.differing)
		m.merge(f.path)
	default:
		m.suspect = suspect{}
	}
}

// differs reports whether a flow crosses another route than the one that is
// remembered.
func (e *target) differs() bool {
	for i := range e.flows {
		if f := &e.flows[i]; f.memory.compare(f.path) == different {
			return true
		}
	}
	return false
}

// confirmed reports whether a trace that differs from the memory is to be
// believed: all flows have come to rest.
func (e *target) confirmed() bool {
	for i := range e.flows {
		if !e.flows[i].rests() {
			return false
		}
	}
	return true
}

// rests reports whether a flow crosses what it did in the trace before, and that
// is remembered or to be believed.
func (f *flow) rests() bool {
	m := &f.memory
	switch {
	case m.suspected(f.path):
		return true
	case f.differing == nil:
		return false
	case m.compare(f.path) != different:
		return m.compare(f.differing) != different
	}
	var before Memory
	before.record(f.differing)
	return before.compare(f.path) == same && m.believes(f.path)
}

// mostHeld is for how many traces in a row the change of a flow waits for another
// flow, of which it is not sure yet.
const mostHeld = 8

// record takes the paths into the memories and reports whether the trace is to
// be printed, and how the first flow that has changed did. What differs and is not
// to be believed is left for later traces to decide, and with it what else differs:
// a link that moves is one change, also where the answers of one flow were few.
func (e *target) record() (printed bool, change *vitals.RouteChange) {
	hold := e.unsure() && e.held < mostHeld
	if e.held++; !hold {
		e.held = 0
	}
	for i := range e.flows {
		f := &e.flows[i]
		if !f.memory.believes(f.path) || hold && f.memory.compare(f.path) == different {
			continue
		}
		p, c := f.memory.record(f.path)
		printed = printed || p
		if change == nil && c != nil {
			c.Flow, change = i, c
		}
	}
	return printed, change
}

// unsure reports whether a flow differs, and is not to be believed yet.
func (e *target) unsure() bool {
	for i := range e.flows {
		if m, p := &e.flows[i].memory, e.flows[i].path; m.compare(p) == different && !m.believes(p) {
			return true
		}
	}
	return false
}

// path is the trace: what the first flow crossed, and the others with it.
func (e *target) path() *vitals.Path {
	p := e.flows[0].path
	for i := range e.flows[1:] {
		p.Others = append(p.Others, *e.flows[1+i].path)
	}
	return p
}

// hand hands a trace over, and lets the next one begin in its time.
func (t *Tracer) hand(id uint32, path *vitals.Path, changed bool, cause syscall.Errno) {
	e := &t.targets.Entries[id]
	for i := range e.flows {
		f := &e.flows[i]
		t.runs.giveBack(f.run)
		f.run, f.path, f.differing = nil, nil, nil
	}
	t.under(e, -1)
	e.active, e.repeats = false, 0
	t.loop.Stop(e.Timer)
	t.targets.End()
	if !e.plan.Once {
		t.Start(id, t.loop.Now()+int64(e.plan.Pause))
	}
	t.done(e.Key, path, changed, cause)
	t.targets.Settle(id, true)
}

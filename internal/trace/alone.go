// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Routers that quote no more of a probe than its headers are heard without
// privilege, but which probe of several they answer is not known (prober.Cut). In
// a trace that has heard such the hops that seem silent are asked again at its
// end, one after the other. Another trace to the same address at the same time
// would take its answers, so there must be none.

// quoteless tells that a target's routers may be so.
func (t *Tracer) quoteless(e *target) bool {
	kind := t.loop.Info().Kind
	return !t.loop.IPv6() && (kind == rawsock.UDP || kind != rawsock.Raw && e.plan.Method == vitals.MethodUDP)
}

// under counts the traces to an address that are under way.
func (t *Tracer) under(e *target, d int) {
	if !t.quoteless(e) {
		return
	}
	if t.alike == nil {
		t.alike = map[rawsock.Addr]int{}
	}
	if t.alike[e.to] += d; t.alike[e.to] <= 0 {
		delete(t.alike, e.to)
	}
	for i := range e.flows {
		t.loop.ForgetCut(e.to, uint8(i))
	}
}

// alone asks the next of the silent hops, when the one before has had its time.
func (t *Tracer) alone(id uint32, flow int, now int64) (next int64, over bool) {
	e := &t.targets.Entries[id]
	r := e.flows[flow].run
	if r.single == 0 && t.quoteless(e) {
		r.cut = t.loop.Cut(e.to, uint8(flow))
	}
	if len(r.cut) == 0 || r.found == len(r.cut) || t.alike[e.to] > 1 || now-r.begun >= 2*r.timeout+r.late {
		return 0, true
	}
	if until := r.singleUntil(); now < until {
		return until, false
	}
	if r.single = r.nextSilent(); r.single == 0 && !r.second {
		// Who was heard since then may have answered late.
		r.cut, r.second = t.loop.Cut(e.to, uint8(flow)), true
		r.single = r.nextSilent()
	}
	if r.single == 0 || r.found == len(r.cut) {
		return 0, true
	}
	h := &r.hops[r.single-1]
	h.tries++
	h.pending++
	h.asked = now + int64(t.loop.Delay())
	p := e.probe(id, flow, uint8(r.single))
	p.Sole = true
	t.loop.Send(t.client, &p)
	return r.singleUntil(), false
}

// singleUntil is until when the hop that is asked alone is waited for.
func (r *run) singleUntil() int64 {
	if r.single == 0 || r.hops[r.single-1].answered() {
		return 0
	}
	return r.hops[r.single-1].asked + min(max(leastPatient, 3*r.slowest), r.timeout)
}

// nextSilent is the next TTL that was asked and seems silent; 0: there is none.
func (r *run) nextSilent() int {
	last := r.top
	if r.end > 0 {
		last = r.end
	}
	for ttl := r.single + 1; ttl <= last; ttl++ {
		if h := &r.hops[ttl-1]; !h.answered() && !h.skipped && h.tries > 0 {
			return ttl
		}
	}
	return 0
}

// heard takes an answer without a quote, and reports whether it is that of the hop
// that was asked alone: one of those that were heard before, of whom it is not
// known which of the probes before they have answered.
func (r *run) heard(ttl uint8, from rawsock.Addr) bool {
	if int(ttl) != r.single || !slices.Contains(r.cut, from) {
		return false
	}
	h := &r.hops[ttl-1]
	h.refused = h.tries - 1
	r.found++
	return true
}

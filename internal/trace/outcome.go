// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"
	"time"

	"connmonitor/internal/vitals"
)

// spoiled reports whether our own side left no answer and no silence that
// means anything.
func (r *run) spoiled() bool {
	if r.refused == 0 || !r.reached {
		return r.refused > 0
	}
	// The way came back amid the trace: a hop that was never asked is not silent.
	return slices.ContainsFunc(r.hops[:r.end], func(h hop) bool {
		return !h.answered() && h.tries > 0 && h.refused == h.tries
	})
}

// path is the result.
func (r *run) path() *vitals.Path {
	n, end, refused := len(r.hops), vitals.EndHops, r.refuses()
	switch {
	case refused:
		n, end = r.end-1, vitals.EndUnreachable
	case r.end > 0 && r.reached:
		n, end = r.end, vitals.EndReached
	case r.end > 0:
		n, end = r.end, vitals.EndUnreachable
	}
	p := &vitals.Path{Hops: make([]vitals.Hop, n), End: end}
	for i := range p.Hops {
		h := &r.hops[i]
		p.Hops[i] = vitals.Hop{Sent: h.tries, Received: h.received, Unknown: h.refused}
		if h.answered() {
			p.Hops[i].Addr, p.Hops[i].RTT = h.from.Netip(r.v6).WithZone(""), time.Duration(h.rtt)
			p.Hops[i].Reply = h.reply
		}
	}
	if refused {
		// What it says to the TTL behind its own is no hop of the path, but what it
		// has to say.
		said := r.hops[n].reply
		p.Hops[n-1].Reply.Type, p.Hops[n-1].Reply.Code = said.Type, said.Code
	}
	r.repeat(p)
	return p
}

// refuses reports whether the end is a router's that looks at the TTL first: it
// says "time exceeded" at its own one and "unreachable" to the next. That of a port
// a firewall says as well; a host would not have let the TTL expire.
func (r *run) refuses() bool {
	if r.end < 2 || r.reached && !r.other {
		return false
	}
	before, end := &r.hops[r.end-2], &r.hops[r.end-1]
	return before.answered() && before.from == end.from && isExpired(before.reply.Type, r.v6)
}

// repeat puts into a path the RTTs of hops that have answered several times.
func (r *run) repeat(p *vitals.Path) {
	for _, a := range r.again {
		if int(a.ttl) > len(p.Hops) {
			continue
		}
		h := &p.Hops[a.ttl-1]
		if h.RTTs == nil {
			h.RTTs = append(make([]time.Duration, 0, h.Received), h.RTT)
		}
		h.RTTs = append(h.RTTs, time.Duration(a.rtt))
	}
}

// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// mostQuiet is in how many traces of a target nobody may answer at a TTL until it
// is believed that nobody is there who does.
const mostQuiet = 8

// expect finds out who stands at each TTL that has not answered in this trace: who
// did before, or the only one that was ever seen between its neighbours; nil where
// that is not known, or is no router.
func (r *run) expect() {
	r.expected = slices.Grow(r.expected[:0], len(r.hops))[:len(r.hops)]
	clear(r.expected)
	last := max(r.routers.deepest, len(r.memory.hops))
	if r.end > 0 {
		last = r.end
	}
	var before rawsock.Addr // this host
	for ttl := 1; ttl <= min(last, len(r.hops)); ttl++ {
		who, alone := r.own(ttl)
		switch {
		case r.hops[ttl-1].answered():
			before = who
		case alone:
			r.expected[ttl-1], before = r.routers.known[who], who
		case len(r.memory.at(ttl)) > 0 || r.memory.quiet(ttl) >= mostQuiet:
			// Which of several nobody knows; or nobody.
		default:
			r.expected[ttl-1] = r.routers.between(before, ttl, r.after(ttl))
			if r.expected[ttl-1] != nil {
				before = r.expected[ttl-1].addr
			}
		}
	}
}

// own is who has answered the target's own probes at a TTL, if that is one alone.
func (r *run) own(ttl int) (who rawsock.Addr, alone bool) {
	if h := &r.hops[ttl-1]; h.answered() {
		return unzoned(h.from), true
	}
	if seen := r.memory.at(ttl); len(seen) == 1 {
		return addrOf(seen[0].addr), true
	}
	return rawsock.Addr{}, false
}

// after is who stands behind a TTL, by an answer of its own; else the zero Addr,
// as where that is the destination, which says nothing of who is before it.
func (r *run) after(ttl int) rawsock.Addr {
	if ttl == len(r.hops) || ttl+1 == r.end || r.memory.agrees(ttl+1) {
		return rawsock.Addr{}
	}
	who, _ := r.own(ttl + 1)
	return who
}

// skips reports whether a TTL is not asked in this trace, because who is expected
// there limits its answers and has answered enough of late. The largest TTL
// always is asked, and what has differed.
func (r *run) skips(ttl int, now int64) bool {
	if ttl == len(r.hops) || ttl == r.sampled || r.hops[ttl-1].tries > 0 {
		return false
	}
	who := r.expected[ttl-1]
	return who != nil && who.stands(now) && !who.limit.take(now)
}

// tell tells what the trace has shown of routers.
func (r *run) tell(now int64) {
	last := r.top
	if r.end > 0 {
		last = r.end
	}
	var before rawsock.Addr
	for ttl := 1; ttl <= last; ttl++ {
		h := &r.hops[ttl-1]
		switch {
		case h.answered():
			r.routers.follows(before, ttl, unzoned(h.from), now)
			if h.reply.Quotes && isExpired(h.reply.Type, r.v6) {
				r.routers.answered(unzoned(h.from), h.rtt, h.reply, now).limit.count(true, now)
			}
		case h.tries > h.refused && r.end > ttl:
			r.unanswered(ttl, now)
		}
		if who, alone := r.own(ttl); alone {
			before = who
		}
	}
	r.routers.sweep(now)
}

// unanswered takes that nobody has answered at a TTL, though the path let others
// through. Whether somebody is there at all it says only of a router that was not
// asked for more than it bears.
func (r *run) unanswered(ttl int, now int64) {
	who := r.expected[ttl-1]
	if who == nil || who.limit.rate > 0 || !who.limit.left() {
		r.memory.silent(ttl)
	}
	if who != nil {
		who.limit.count(false, now)
	}
}

// share puts into a path what routers that limit their answers have told others.
func (r *run) share(p *vitals.Path, now int64) {
	for i := range p.Hops {
		h, who := &p.Hops[i], r.expected[i]
		if h.Silent() && i+1 < len(p.Hops) && who != nil && who.stands(now) {
			h.Addr, h.RTT, h.Reply, h.Shared = who.addr.Netip(r.v6), time.Duration(who.rtt), who.reply, true
		}
	}
}

func isExpired(typ uint8, v6 bool) bool {
	if v6 {
		return typ == wire.Type6TimeExceeded
	}
	return typ == wire.TypeTimeExceeded
}

func unzoned(a rawsock.Addr) rawsock.Addr {
	a.Zone = 0
	return a
}

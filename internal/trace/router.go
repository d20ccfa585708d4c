// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Routers limit how often they report time exceeded (RFC 1812, 4.3.2.8); Linux
// does it once a second for each who asks. One that many targets share is asked
// for all of them together, as often as it is seen to bear, and what it answered
// last stands in the paths of those for which it was not asked.

// routers is what all traces of a loop know of those who answered.
type routers struct {
	known map[rawsock.Addr]*router
	// behind are those that were seen at a TTL behind another: the zero Addr is
	// this host.
	behind map[place]*successors
	// deepest is the largest TTL at which anybody was seen.
	deepest int
	// length is the TTL of the last destination that was reached: many targets lie
	// as far away.
	length int
	swept  int64
}

// place is a TTL and who was seen at the one before.
type place struct {
	before rawsock.Addr
	ttl    uint8
}

// router is one that has reported time exceeded.
type router struct {
	addr  rawsock.Addr
	at    int64 // of its last answer, mono ns
	rtt   int64
	reply vitals.Reply
	limit limit
}

// successors are those that were seen at a place: of most only one, of some, as
// before the destinations, too many to tell.
type successors struct {
	addrs [mostSuccessors]rawsock.Addr
	n     int // mostSuccessors+1: too many
	at    int64
}

const (
	mostSuccessors = 8
	// remembered is how long who was not seen any more is known, in ns.
	remembered = int64(3600e9)
	// sweepAfter is how often what is remembered for too long is forgotten, in ns.
	sweepAfter = int64(60e9)
	// recent is how old the answer to another target's probe may be, in ns.
	recent = int64(300e9)
)

func newRouters() *routers {
	return &routers{known: map[rawsock.Addr]*router{}, behind: map[place]*successors{}}
}

// answered takes an answer of a router at now.
func (rs *routers) answered(addr rawsock.Addr, rtt int64, reply vitals.Reply, now int64) *router {
	r := rs.known[addr]
	if r == nil {
		r = &router{addr: addr}
		rs.known[addr] = r
	}
	r.at, r.rtt, r.reply = now, rtt, reply
	return r
}

// follows takes that one was seen at a TTL behind another.
func (rs *routers) follows(before rawsock.Addr, ttl int, addr rawsock.Addr, now int64) {
	p := place{before, uint8(ttl)}
	s := rs.behind[p]
	if s == nil {
		s = &successors{}
		rs.behind[p], rs.deepest = s, max(rs.deepest, ttl)
	}
	s.at = now
	if s.n > mostSuccessors || s.has(addr) {
		return
	}
	if s.n < mostSuccessors {
		s.addrs[s.n] = addr
	}
	s.n++
}

func (s *successors) has(addr rawsock.Addr) bool {
	return slices.Contains(s.addrs[:min(s.n, mostSuccessors)], addr)
}

// sweep forgets what has not been seen for long, so that what is remembered is
// bounded by what is crossed.
func (rs *routers) sweep(now int64) {
	if now-rs.swept < sweepAfter {
		return
	}
	rs.swept = now
	for a, r := range rs.known {
		if now-r.at > remembered {
			delete(rs.known, a)
		}
	}
	for p, s := range rs.behind {
		if now-s.at > remembered {
			delete(rs.behind, p)
		}
	}
}

// stands reports whether what it answered to others may stand in a path: it
// limits its answers, so who was not answered knows nothing of it.
func (r *router) stands(now int64) bool { return r.limit.left() && now-r.at < recent }

// between is who must stand at a TTL behind one router and before another, because
// nobody else was ever seen there; nil where that is not certain. A zero after
// says nothing of who follows.
func (rs *routers) between(before rawsock.Addr, ttl int, after rawsock.Addr) *router {
	s := rs.behind[place{before, uint8(ttl)}]
	if s == nil || s.n != 1 {
		return nil
	}
	if !after.IsZero() {
		next := rs.behind[place{s.addrs[0], uint8(ttl + 1)}]
		if next == nil || next.n <= mostSuccessors && !next.has(after) {
			return nil
		}
	}
	return rs.known[s.addrs[0]]
}

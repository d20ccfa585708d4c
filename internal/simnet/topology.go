// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"syscall"
)

// router is one hop of paths.
type router struct {
	addr        netip.Addr
	silent      bool
	delay       int64   // ns, to every answer
	loss        float64 // of its answers
	limit       float64 // answers a second; 0 is no limit
	tokens      float64
	filled      int64
	quote       int // bytes of the quoted ICMP message or UDP datagram; 0: as much as allowed
	unreachable int // code with which it answers what it should forward; -1: it forwards
	drop        bool
}

// hop is one TTL of a path: routers of which a flow takes one, or none.
type hop struct {
	routers []*router
	spread  bool // each packet takes one, not each flow
	rtt     int64
}

// host is a destination.
type host struct {
	addr        netip.Addr
	rtt, jitter int64
	loss        float64
	dead        bool
	duplicate   float64
	refuse      syscall.Errno
	unreachable int   // code with which the host itself answers; -1: it replies
	local       int64 // after which our own machine reports that it found no neighbour; 0: never
	path        []hop
	forgeries   []forgery
	narrows     map[int]narrow // by the number of the router before the link
}

// forgery is a packet that is sent beside an answer, a moment before it.
type forgery struct {
	kind string
	part float64
}

// pick is the router of a hop that a packet of a flow takes.
func (n *Net) pick(h *hop, flow uint32, ttl int) *router {
	switch {
	case len(h.routers) == 0:
		return nil
	case len(h.routers) == 1:
		return h.routers[0]
	case h.spread:
		return h.routers[n.rng.IntN(len(h.routers))]
	}
	x := (flow ^ uint32(ttl)*0x9e3779b9) * 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return h.routers[(x^x>>16)%uint32(len(h.routers))]
}

// answers reports whether the router answers at all at now.
func (r *router) answers(n *Net, now int64) bool {
	if r.silent || r.loss > 0 && n.rng.Float64() < r.loss {
		return false
	}
	if r.limit == 0 {
		return true
	}
	r.tokens = min(r.limit, r.tokens+r.limit*float64(now-r.filled)/1e9)
	r.filled = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

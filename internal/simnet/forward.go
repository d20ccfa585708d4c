// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

// mostHops bounds a path that goes round: no TTL is larger.
const mostHops = 512

// forward moves a probe along its path until somebody answers or drops it.
func (n *Net) forward(pr *probe, now int64) {
	h := pr.host
	pr.nat, pr.left = nil, pr.ttl
	if h.local > 0 {
		n.sendError(pr, now+h.local, &router{addr: self(pr.sock.opt.IPv6)}, unreachableType(pr), codeOf(pr, 1, 3))
		return
	}
	w := n.way(h, pr.flow)
	for i := range w.length() {
		p, rtt := w.at(i)
		if n.stops(pr, i, n.pick(p, pr.flow, i), now, now+rtt) {
			return
		}
	}
	pr.translate(h, w.length())
	n.reach(pr, now)
}

// stops lets a probe meet the router of a hop, by its index, nil where that is
// silent, and reports whether it goes no further. at is when an answer arrives.
func (n *Net) stops(pr *probe, i int, r *router, now, at int64) bool {
	pr.translate(pr.host, i)
	link := pr.host.narrows[i+1]
	if r == nil {
		return pr.spent(i, nil) || link.drops(pr)
	}
	switch {
	case pr.spent(i, r):
		pr.left += pr.host.uncounted(i)
		n.complain(pr, now, at, r, expiredType(pr), 0)
	case r.refuses:
		n.complain(pr, now, at, r, unreachableType(pr), r.code.of(pr))
	case r.drop:
	case link.drops(pr):
		if !link.hole && r.answers(n, now) {
			n.sendTooBig(pr, at+r.delay, r, link)
		}
	default:
		return false
	}
	return true
}

// complain lets a router send an error, if it answers at all.
func (n *Net) complain(pr *probe, now, at int64, r *router, typ, code uint8) {
	if r.answers(n, now) {
		n.sendError(pr, at+r.delay, r, typ, code)
	}
}

// spent counts the TTL down and reports whether it ends at a router. One of a
// tunnel that hides its routers counts nothing, and one with a known fault passes
// on what has a TTL of zero.
func (pr *probe) spent(i int, r *router) bool {
	if pr.host.hidden(i) || r != nil && r.uncounted {
		return false
	}
	if pr.left > 1 || pr.left == 1 && r != nil && r.zero {
		pr.left--
		return false
	}
	return true
}

// reach lets the destination answer.
func (n *Net) reach(pr *probe, now int64) {
	h := pr.host
	at := now + h.rtt
	if h.jitter > 0 {
		at += n.rng.Int64N(h.jitter)
	}
	for _, f := range h.forgeries {
		if n.rng.Float64() < f.part {
			n.forge(pr, at-1000, f.kind)
		}
	}
	if h.dead || h.loss > 0 && n.rng.Float64() < h.loss {
		return
	}
	switch {
	case h.refuses:
		n.sendError(pr, at, &h.as, unreachableType(pr), h.code.of(pr))
	case pr.proto == wire.ProtoTCP:
		n.sendSegment(pr, at)
	case pr.proto == wire.ProtoUDP && h.open: // a service answers what it understands
	case pr.proto == wire.ProtoUDP || pr.sock.opt.Kind == rawsock.UDP:
		n.sendError(pr, at, &h.as, unreachableType(pr), codeOf(pr, wire.CodePortUnreachable, wire.Code6PortUnreachable))
	default:
		n.sendReply(pr, at, nil)
		if h.duplicate > 0 && n.rng.Float64() < h.duplicate {
			n.sendReply(pr, at+n.rng.Int64N(int64(1e6))+1, nil)
		}
	}
}

func self(v6 bool) netip.Addr {
	if v6 {
		return self6
	}
	return self4
}

func expiredType(pr *probe) uint8 {
	if pr.sock.opt.IPv6 {
		return wire.Type6TimeExceeded
	}
	return wire.TypeTimeExceeded
}

func unreachableType(pr *probe) uint8 {
	if pr.sock.opt.IPv6 {
		return wire.Type6DestinationUnreachable
	}
	return wire.TypeDestinationUnreachable
}

func codeOf(pr *probe, v4, v6 uint8) uint8 {
	if pr.sock.opt.IPv6 {
		return v6
	}
	return v4
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

// narrow is a link of a path that does not carry every packet.
type narrow struct {
	size int  // of the largest that it carries, in bytes with the IP header; 0: of any
	hole bool // the router before it drops what is larger without a word
	tell int  // the MTU that the router tells
}

// tooBig is the kind of forgery that says a packet was too large.
const tooBig = "too-big"

// falseNarrow is what such a forgery tells.
func falseNarrow(v6 bool) narrow {
	if v6 {
		return narrow{tell: 1290}
	}
	return narrow{tell: 600}
}

// mtu reads a statement about a link of a path.
func (a *args) mtu() action {
	to, at := a.address(), a.number(254)
	link := narrow{size: a.number(1 << 17)}
	link.tell = link.size
	for a.more() {
		switch w := a.word(); w {
		case "blackhole":
			link.hole = true
		case "lies":
			link.tell = a.number(1<<16 - 1)
		default:
			a.fail("an mtu has no %q", w)
		}
	}
	return func(n *Net) error { return n.setMTU(to, at, link) }
}

func (n *Net) setMTU(to netip.Addr, at int, link narrow) error {
	h := n.hosts[to]
	if h == nil {
		return fmt.Errorf("there is no host %s", to)
	}
	if at > h.longest() {
		return fmt.Errorf("the path to %s has %d routers", to, h.longest())
	}
	if h.narrows == nil {
		h.narrows = make(map[int]narrow)
	}
	h.narrows[at] = link
	return nil
}

// headerSize is the length of the IP header in bytes.
func headerSize(v6 bool) int {
	if v6 {
		return 40
	}
	return 20
}

// exceeds reports whether a message of so many bytes is too large for the link.
func (l narrow) exceeds(size int, o *rawsock.Options) bool {
	return l.size > 0 && o.DontFragment && size+headerSize(o.IPv6) > l.size
}

// drops reports whether a probe does not pass the link. What may be fragmented
// does.
func (l narrow) drops(pr *probe) bool { return l.exceeds(pr.size, &pr.sock.opt) }

// refuses reports whether our kernel does not take a packet (EMSGSIZE).
func (l narrow) refuses(s *socket, p *rawsock.Packet) bool {
	return l.exceeds(int(p.Len)+int(p.Fill), &s.opt)
}

// sendTooBig lets a router report that a probe does not pass a link:
// "fragmentation needed" (RFC 1191, 4) or Packet Too Big (RFC 4443, 3.2).
func (n *Net) sendTooBig(pr *probe, at int64, by *router, link narrow) {
	typ, code := wire.TypeDestinationUnreachable, wire.CodeFragmentationNeeded
	if pr.sock.opt.IPv6 {
		typ, code = wire.Type6PacketTooBig, 0
	}
	pr.tellMTU = uint32(link.tell)
	n.sendError(pr, at, by, typ, code)
	pr.tellMTU = 0
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"connmonitor/internal/wire"
)

// translation is what an address translator makes of the probes to a host, as
// the errors of who is behind it show it (RFC 5508, 4.2 asks that they do not).
type translation struct {
	at       int        // of the path: the first router whose errors show it
	to, from netip.Addr // the addresses that a probe is given; the zero Addr: its own
	port     uint16     // its source port, or identifier; 0: its own
	off      uint16     // what a checksum that covers addresses is off by
	hides    bool       // the errors themselves seem to come from the destination
}

// nat reads a statement about a translator.
func (a *args) nat() action {
	of := a.address()
	t := translation{at: a.number(255)}
	for a.more() {
		switch w := a.word(); w {
		case "to":
			t.to = a.address()
		case "from":
			t.from = a.address()
		case "port":
			t.port = uint16(a.number(1<<16 - 1))
		case "off":
			t.off = uint16(a.number(1<<16 - 1))
		case "hides":
			t.hides = true
		default:
			a.fail("a nat has no %q", w)
		}
	}
	return func(n *Net) error {
		h := n.hosts[of]
		if h == nil {
			return fmt.Errorf("there is no host %s", of)
		}
		for _, other := range []netip.Addr{t.to, t.from} {
			if other.IsValid() && other.Is4() != of.Is4() {
				return fmt.Errorf("%s is of another family than %s", other, of)
			}
		}
		h.nat = &t
		return nil
	}
}

// translate notes that a probe has come to the hop of an index behind a
// translator.
func (pr *probe) translate(h *host, i int) {
	if h.nat != nil && i+1 >= h.nat.at {
		pr.nat = h.nat
	}
}

// seems is whom an error of a router seems to come from.
func (pr *probe) seems(by *router) netip.Addr {
	if pr.nat != nil && pr.nat.hides {
		return pr.to
	}
	return by.addr
}

// addresses are those that a probe is given.
func (t *translation) addresses(src, dst netip.Addr) (from, to netip.Addr) {
	if t.from.IsValid() {
		src = t.from
	}
	if t.to.IsValid() {
		dst = t.to
	}
	return src, dst
}

// rewrite makes the beginning of a message what the translator makes of it: its
// port or identifier, and the checksum that covers them and the addresses (RFC
// 3022, 4.2).
func (t *translation) rewrite(b []byte, pr *probe, src, dst netip.Addr) {
	at, portAt := map[uint8]int{wire.ProtoUDP: 6, wire.ProtoTCP: 16}[pr.proto], 0
	if isICMP(pr.proto) {
		at, portAt = 2, 4
	}
	was := pr.covered(self(pr.sock.opt.IPv6), pr.to) + uint32(binary.BigEndian.Uint16(b[portAt:]))
	if t.port != 0 {
		binary.BigEndian.PutUint16(b[portAt:], t.port)
	}
	is := pr.covered(src, dst) + uint32(binary.BigEndian.Uint16(b[portAt:]))
	if len(b) < at+2 {
		return
	}
	if pr.proto != wire.ProtoICMP {
		is += uint32(t.off)
	}
	sum := wire.Adjust(binary.BigEndian.Uint16(b[at:]), was, is)
	if sum == 0 && pr.proto == wire.ProtoUDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[at:], sum)
}

// covered is the sum of the addresses where the checksum covers them.
func (pr *probe) covered(src, dst netip.Addr) uint32 {
	if pr.proto == wire.ProtoICMP {
		return 0
	}
	return wire.Sum(dst.AsSlice(), wire.Sum(src.AsSlice(), 0))
}

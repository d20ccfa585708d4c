// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// stranger is who sends forgeries.
func stranger(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8:bad::66")
	}
	return netip.AddrFrom4([4]byte{10, 66, 66, 66})
}

// forgeries are the kinds of false replies, and what each does to a true one.
var forgeries = map[string]func(pr *probe, r *reply){
	"nonce":      func(_ *probe, r *reply) { r.data[8+3] ^= 0x40 },
	"id":         func(_ *probe, r *reply) { r.data[5] ^= 1 },
	"sequence":   func(_ *probe, r *reply) { r.data[6] ^= 0x40 },
	"index":      func(_ *probe, r *reply) { r.data[8+8] ^= 1 },
	"near":       func(_ *probe, r *reply) { r.data[8+11] ^= 1 }, // the index of a neighbour
	"generation": func(_ *probe, r *reply) { r.data[8+13] ^= 1 },
	"source":     func(pr *probe, r *reply) { r.from = stranger(pr.sock.opt.IPv6) },
	"type":       func(_ *probe, r *reply) { r.data[0] = 13 },
	"request":    func(pr *probe, r *reply) { r.data[0] = pr.data[0] },
	"longer":     func(_ *probe, r *reply) { r.n = min(r.n+4, room); r.size += 4 },
	"shorter":    func(_ *probe, r *reply) { r.size--; r.n = min(r.n, r.size) },
	"empty":      func(_ *probe, r *reply) { r.size, r.n = 8, 8 },
	"huge":       func(_ *probe, r *reply) { r.size, r.n = 65_500, room },
	"header":     func(_ *probe, r *reply) { r.bare = 5 },
	"nothing":    func(_ *probe, r *reply) { r.bare = 1 },
}

// lies are the kinds of false errors, and what each does to the quoted
// datagram, whose first byte is its version.
var lies = map[string]func(v6 bool, quoted []byte){
	"quoted-id":          func(v6 bool, q []byte) { q[icmpAt(v6)+5] ^= 1 },
	"quoted-sequence":    func(v6 bool, q []byte) { q[icmpAt(v6)+7] ^= 1 },
	"quoted-nonce":       func(v6 bool, q []byte) { flip(q, icmpAt(v6)+8+2) },
	"quoted-index":       func(v6 bool, q []byte) { flip(q, icmpAt(v6)+8+11) },
	"quoted-destination": func(v6 bool, q []byte) { q[icmpAt(v6)-1] ^= 1 },
	"quoted-protocol":    func(v6 bool, q []byte) { setProtocol(v6, q, 17) },
	"quoted-version":     func(_ bool, q []byte) { q[0] ^= 0x30 },
	"quoted-fragment":    func(v6 bool, q []byte) { fragment(v6, q) },
	"quoted-reply":       func(v6 bool, q []byte) { q[icmpAt(v6)] ^= 8 },
}

func icmpAt(v6 bool) int {
	if v6 {
		return 40
	}
	return 20
}

func flip(q []byte, at int) {
	if at < len(q) {
		q[at] ^= 1
	}
}

func setProtocol(v6 bool, q []byte, proto byte) {
	if v6 {
		q[6] = proto
		return
	}
	q[9] = proto
}

// fragment makes the quoted datagram one that is not the first.
func fragment(v6 bool, q []byte) {
	if !v6 {
		binary.BigEndian.PutUint16(q[6:], 3)
		return
	}
	q[6] = 44
	q[40], q[42] = 58, 1
}

// kinds are all that a scenario may say after "forge".
func kinds() []string {
	all := []string{tooBig}
	for kind := range forgeries {
		all = append(all, kind)
	}
	for kind := range lies {
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

// forge sends a false packet about a probe.
func (n *Net) forge(pr *probe, at int64, kind string) {
	v6 := pr.sock.opt.IPv6
	if !isICMP(pr.proto) && kind != tooBig {
		return // what is forged is all of ICMP
	}
	if bend, ok := forgeries[kind]; ok {
		n.sendReply(pr, at, bend)
		return
	}
	if kind == tooBig {
		n.sendTooBig(pr, at, &router{addr: stranger(v6)}, falseNarrow(v6))
	}
	if lie, ok := lies[kind]; ok {
		n.deliverError(pr, at, &router{addr: stranger(v6)}, unreachableType(pr), 1, lie)
	}
}

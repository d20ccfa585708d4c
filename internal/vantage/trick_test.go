// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// trick is one way to forge.
type trick struct {
	name   string
	bend   func(f *forgery)
	passes [2]bool // whether it passes the kernel and its filter, IPv4 and IPv6
	size   int     // payload of the pings; 0: the usual
}

var (
	passes = [2]bool{true, true}
	stops  = [2]bool{}
	only4  = [2]bool{true, false} // because the kernel looks at the checksum of ICMPv6 only
)

// replies are forged out of true ones, of which an attacker knows everything.
// Where a payload holds the nonce it begins at byte 8, the index at 16 and the
// generation at 20.
var replies = []trick{
	{"nonce", func(f *forgery) { f.icmp[8+3] ^= 0x40 }, stops, 0},
	{"identifier", func(f *forgery) { f.icmp[4] ^= otherID }, stops, 0},
	{"sequence", func(f *forgery) { f.icmp[6] ^= 0x40 }, passes, 0},
	{"index", func(f *forgery) { f.icmp[16] ^= 0x80 }, passes, 0},
	{"near index", func(f *forgery) { f.icmp[19] ^= 1 }, passes, 0},
	{"generation", func(f *forgery) { f.icmp[21] ^= 1 }, passes, 0},
	{"source", func(f *forgery) { f.from = f.from.Next() }, passes, 0},
	{"header only", func(f *forgery) { f.icmp = f.icmp[:8] }, passes, 0},
	{"cut in the nonce", func(f *forgery) { f.icmp = f.icmp[:12] }, passes, 0},
	{"cut behind the nonce", func(f *forgery) { f.icmp = f.icmp[:24] }, passes, 0},
	{"shorter", func(f *forgery) { f.icmp = f.icmp[:len(f.icmp)-1] }, passes, 0},
	{"longer", func(f *forgery) { f.icmp = append(f.icmp, 41) }, passes, 0},
	{"oversized", func(f *forgery) { f.icmp, f.fragment = append(f.icmp, make([]byte, 65_515-len(f.icmp))...), 1448 }, passes, 0},
	{"fragmented", func(f *forgery) { f.icmp[6] ^= 0x40; f.fragment = 16 }, passes, 0},
	{"unfinished", func(f *forgery) { f.fragment, f.keep = 32, 1 }, stops, 0},
	{"options", func(f *forgery) { f.icmp[6] ^= 0x40; f.options(recordRoute) }, passes, 0},
	{"options and nonce", func(f *forgery) { f.icmp[8] ^= 1; f.options(recordRoute) }, stops, 0},
	{"length beyond the end", func(f *forgery) { f.damage = func(p []byte) { addLength(p, 8) } }, stops, 0},
	{"version", func(f *forgery) { f.damage = func(p []byte) { p[0] ^= 0x30 } }, stops, 0},
	{"request", func(f *forgery) { f.icmp[0] = f.seen.icmp[0] }, stops, 0},
	// Without room for the nonce, identifier, sequence, address and length must do.
	{"short: sequence", func(f *forgery) { f.icmp[6] ^= 0x40 }, passes, 4},
	{"short: identifier", func(f *forgery) { f.icmp[4] ^= otherID }, stops, 4},
	{"short: source", func(f *forgery) { f.from = f.from.Next() }, passes, 4},
	{"short: longer", func(f *forgery) { f.icmp = append(f.icmp, 4) }, passes, 4},
	{"short: nothing", func(f *forgery) { f.icmp = f.icmp[:8] }, passes, 4},
}

// damaged are true answers, but for their checksum, as a bad line makes them.
var damaged = []trick{
	{"reply", func(f *forgery) { f.spoil = 1 }, only4, 0},
	{"large reply", func(f *forgery) { f.extend(3000); f.spoil, f.fragment = 1, 1448 }, only4, 3000},
	{"short reply", func(f *forgery) { f.spoil = 1 }, only4, 4},
	{"length before the end", func(f *forgery) { f.damage = func(p []byte) { addLength(p, -8) } }, only4, 0},
	{"unreachable", func(f *forgery) { f.quote(false, theTruth); f.spoil = 1 }, only4, 0},
	{"expired", func(f *forgery) { f.quote(true, theTruth); f.spoil = 1 }, only4, 0},
	{"another's reply", func(f *forgery) { f.icmp[4] ^= otherID; f.icmp[8] ^= 1; f.spoil = 1 }, stops, 0},
}

func theTruth(_ bool, q []byte) []byte { return q }

// otherID is what the upper byte of a wrong identifier differs by.
const otherID = 0x80

// lies are what an ICMP error may quote that no router has seen. The quoted
// payload begins with the nonce, as above.
var lies = []struct {
	name   string
	lie    func(v6 bool, q []byte) []byte
	passes [2]bool
	size   int
}{
	{"destination", func(v6 bool, q []byte) []byte { q[icmpIn(v6)-1] ^= 1; return q }, passes, 0},
	{"identifier", func(v6 bool, q []byte) []byte { q[icmpIn(v6)+4] ^= otherID; return q }, stops, 0},
	{"sequence", func(v6 bool, q []byte) []byte { q[icmpIn(v6)+6] ^= 0x40; return q }, passes, 0},
	{"nonce", func(v6 bool, q []byte) []byte { q[icmpIn(v6)+8] ^= 1; return q }, passes, 0},
	{"index", func(v6 bool, q []byte) []byte { q[icmpIn(v6)+19] ^= 1; return q }, passes, 0},
	{"generation", func(v6 bool, q []byte) []byte { q[icmpIn(v6)+21] ^= 1; return q }, passes, 0},
	{"cut in the header", func(v6 bool, q []byte) []byte { return q[:icmpIn(v6)+7] }, passes, 0},
	{"cut before the identifier", func(v6 bool, q []byte) []byte { return q[:icmpIn(v6)+4] }, stops, 0},
	{"nothing", func(_ bool, q []byte) []byte { return q[:0] }, stops, 0},
	{"version", func(_ bool, q []byte) []byte { q[0] = q[0]&0xf | 5<<4; return q }, passes, 0},
	{"fragment", quotedFragment, passes, 0},
	{"protocol", quotedProtocol, stops, 0},
	{"reply", func(v6 bool, q []byte) []byte { q[icmpIn(v6)] = map[bool]byte{false: 0, true: 129}[v6]; return q }, passes, 0},
	{"header length", quotedHeaderLength, stops, 0},
	{"short: destination", func(v6 bool, q []byte) []byte { q[icmpIn(v6)-1] ^= 1; return q }, passes, 4},
	{"short: sequence", func(v6 bool, q []byte) []byte { q[icmpIn(v6)+6] ^= 0x40; return q }, passes, 4},
}

// icmpIn is where the ICMP message begins in a quoted probe.
func icmpIn(v6 bool) int {
	if v6 {
		return 40
	}
	return 20
}

// quotedFragment makes the quoted datagram one that is not the first fragment.
func quotedFragment(v6 bool, q []byte) []byte {
	if !v6 {
		binary.BigEndian.PutUint16(q[6:], 3)
		return q
	}
	next := q[6]
	q[6] = unix.IPPROTO_FRAGMENT
	return slices.Insert(q, 40, next, 0, 0, 8, 0, 0, 0, 1)
}

func quotedProtocol(v6 bool, q []byte) []byte {
	at := 9
	if v6 {
		at = 6
	}
	q[at] = unix.IPPROTO_UDP
	return q
}

// quotedHeaderLength is too small for IPv4; IPv6 has none, so the payload's is.
func quotedHeaderLength(v6 bool, q []byte) []byte {
	if v6 {
		return q[:40]
	}
	q[0] = 4<<4 | 4
	return q
}

// forged are all replies and errors that lie.
func forged() []trick {
	all := slices.Clone(replies)
	for _, expired := range both {
		kind := map[bool]string{false: "unreachable", true: "expired"}[expired]
		for _, l := range lies {
			all = append(all, trick{kind + ": " + l.name, func(f *forgery) { f.quote(expired, l.lie) }, l.passes, l.size})
		}
	}
	return all
}

// recordRoute is an IPv4 option with room for three addresses (RFC 791, 3.1).
var recordRoute = []byte{7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// options puts IPv4 options into the header; IPv6 has destination options of
// padding (RFC 8200, 4.2) in their place.
func (f *forgery) options(four []byte) {
	f.header = four
	if f.v6 {
		f.header, f.next = []byte{0, 0, 1, 4, 0, 0, 0, 0}, unix.IPPROTO_DSTOPTS
	}
}

// extend adds what the attacker did not see of a large probe.
func (f *forgery) extend(size int) {
	for len(f.icmp) < 8+size {
		f.icmp = append(f.icmp, byte(len(f.icmp)-24))
	}
}

// addLength changes the length that the IP header tells.
func addLength(p []byte, by int) {
	if p[0]>>4 == 6 {
		binary.BigEndian.PutUint16(p[4:], uint16(int(binary.BigEndian.Uint16(p[4:]))+by))
		return
	}
	binary.BigEndian.PutUint16(p[2:], uint16(int(binary.BigEndian.Uint16(p[2:]))+by))
	sum4(p[:20])
}

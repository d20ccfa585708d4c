// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// Offsets of the checksum field in bytes.
const (
	icmpChecksumAt = 2
	udpChecksumAt  = 6
)

// BalanceEcho makes want the checksum of the ICMP or ICMPv6 message that b starts with. It writes the checksum field and
// a balancing word at the even offset at in bytes, and leaves all else: routers that take the checksum for ports then
// see one flow, whatever the sequence number and the rest of the payload (Augustin et al., IMC 2006).
//
// Rest is the partial sum of what the checksum covers besides b: payload behind an even number of bytes of it, and for
// ICMPv6 [Pseudo6] over the whole message. Without the latter the checksum that the kernel writes is another than want,
// and still the same for all messages of one length between the same addresses.
//
// No such message has the checksum 0xffff (see [Balance]): 0 is written in its place. At must leave room for the word.
func BalanceEcho(b []byte, at int, rest uint32, want uint16) {
	if want == 0xffff {
		want = 0
	}
	balance(b, icmpChecksumAt, at, rest, want)
}

// BalanceUDP makes want, which tells the probe from others of its flow, the checksum of the UDP datagram that b starts
// with: ports and length stay, so routers see one flow, and they quote the checksum. It writes the checksum field and a
// balancing word at the even offset at in bytes, and leaves all else. The length field must be set.
//
// Rest is the partial sum of what the checksum covers besides b: [Pseudo4] or [Pseudo6] over the whole datagram, and
// payload behind an even number of bytes of it.
//
// Every want from 1 to 0xffff can be had. Zero stands for no checksum in IPv4 and is forbidden in IPv6 (RFC 768,
// RFC 8200 8.1): 0xffff, which is the same number to a receiver, is written in its place, so a caller that numbers
// probes must leave one of the two out. At must leave room for the word.
func BalanceUDP(b []byte, at int, rest uint32, want uint16) {
	if want == 0 {
		want = 0xffff
	}
	balance(b, udpChecksumAt, at, rest, want)
}

func balance(b []byte, checksumAt, at int, rest uint32, want uint16) {
	binary.BigEndian.PutUint16(b[checksumAt:], 0)
	binary.BigEndian.PutUint16(b[at:], 0)
	binary.BigEndian.PutUint16(b[at:], Balance(Sum(b, rest), want))
	binary.BigEndian.PutUint16(b[checksumAt:], want)
}

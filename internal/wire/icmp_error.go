// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"math"
)

// minExtendedQuote is the length in bytes of the quoted datagram that extensions need before them, zero-padded if
// necessary (RFC 4884 4); senders older than the length field put extensions right behind so many (RFC 4884 5).
const minExtendedQuote = 128

// Error is an ICMP or ICMPv6 error message.
type Error struct {
	Type, Code uint8
	// MTU is that of the next hop in bytes, when the message is an ICMP fragmentation needed (0 from a router older than
	// RFC 1191) or an ICMPv6 packet too big; else 0. It is as written: it need not be plausible.
	MTU int
	// Pointer is the offset in the quoted datagram of what a parameter problem is about; else 0.
	Pointer int
	// Quoted is the start of the datagram that caused the error, for [ParseQuoted4] and [ParseQuoted6]. Before
	// extensions it may be padded with zeros.
	Quoted []byte
	// Extensions is the extension structure with its header (RFC 4884 7), for [Extensions]; nil when there is none.
	Extensions []byte
}

// ParseError4 parses an ICMP destination unreachable, source quench, time exceeded or parameter problem, whose ICMP
// header is at the start of b (RFC 792). The first 8 bytes of all of them, with RFC 1191 and RFC 4884 applied:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |     Code      |          Checksum             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Pointer    |    Length     |         Next-Hop MTU          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|      Internet Header + leading octets of original datagram    |
//	|                           //                                  |
//
// Length counts the 32-bit words of the quoted datagram, and extensions follow it. It is zero when there are none or
// when the sender is older than RFC 4884; see [Error] for what is found. Ok is false for other types and when b is
// shorter than 8 bytes.
func ParseError4(b []byte) (Error, bool) {
	if len(b) < icmpHeaderLen {
		return Error{}, false
	}
	e := Error{Type: b[0], Code: b[1]}
	switch e.Type {
	case TypeDestinationUnreachable:
		if e.Code == CodeFragmentationNeeded {
			e.MTU = int(binary.BigEndian.Uint16(b[6:]))
		}
	case TypeTimeExceeded:
	case TypeParameterProblem:
		e.Pointer = int(b[4])
	case TypeSourceQuench:
		e.Quoted = b[icmpHeaderLen:] // RFC 4884 4 does not extend it.
		return e, true
	default:
		return Error{}, false
	}
	e.Quoted, e.Extensions = splitExtensions(b[icmpHeaderLen:], int(b[5])*4)
	return e, true
}

// ParseError6 parses an ICMPv6 destination unreachable, packet too big, time exceeded or parameter problem, whose
// ICMPv6 header is at the start of b (RFC 4443 3):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |     Code      |          Checksum             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Length     |  unused       |     or MTU, or Pointer        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    As much of invoking packet                 |
//	+                as possible without the ICMPv6 packet          +
//	|                exceeding the minimum IPv6 MTU                 |
//
// MTU and pointer take the whole second word. Length counts 64-bit words; destination unreachable and time exceeded
// alone have it and may carry extensions (RFC 4884 4). Ok is false for other types and when b is shorter than 8 bytes.
func ParseError6(b []byte) (Error, bool) {
	if len(b) < icmpHeaderLen {
		return Error{}, false
	}
	e := Error{Type: b[0], Code: b[1], Quoted: b[icmpHeaderLen:]}
	word := int(min(binary.BigEndian.Uint32(b[4:]), math.MaxInt32))
	switch e.Type {
	case Type6DestinationUnreachable, Type6TimeExceeded:
		e.Quoted, e.Extensions = splitExtensions(e.Quoted, int(b[4])*8)
	case Type6PacketTooBig:
		e.MTU = word
	case Type6ParameterProblem:
		e.Pointer = word
	default:
		return Error{}, false
	}
	return e, true
}

// splitExtensions parts body, what follows the ICMP header, into quoted datagram and extension structure. Length is
// what the length field says of the former, in bytes.
//
// A sender older than RFC 4884 leaves the field zero and puts a structure at byte 128 (RFC 4884 5.5), where a router that
// quotes more than 128 bytes has our own payload. A structure is believed there when all is right that can be checked:
// the version, a checksum, which must be there, and objects that fill it to its last byte. Random payload has the first
// two once in a million times, and objects besides once in 2^36. The same goes for a length that cannot be: shorter than
// 128 bytes, or longer than the message.
func splitExtensions(body []byte, length int) (quoted, extensions []byte) {
	if length >= minExtendedQuote && length+extensionHeaderLen <= len(body) {
		return body[:length:length], body[length:]
	}
	if len(body) < minExtendedQuote+extensionHeaderLen {
		return body, nil
	}
	rest := body[minExtendedQuote:]
	if !validExtensions(rest) || binary.BigEndian.Uint16(rest[2:]) == 0 || !filledByObjects(rest) {
		return body, nil
	}
	return body[:minExtendedQuote:minExtendedQuote], rest
}

// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// The types of ICMP messages (RFC 792) that a prober sends or understands.
const (
	TypeEchoReply              uint8 = 0
	TypeDestinationUnreachable uint8 = 3
	TypeSourceQuench           uint8 = 4 // Deprecated by RFC 6633, still met.
	TypeEchoRequest            uint8 = 8
	TypeTimeExceeded           uint8 = 11
	TypeParameterProblem       uint8 = 12
)

// The types of ICMPv6 messages (RFC 4443) that a prober sends or understands.
const (
	Type6DestinationUnreachable uint8 = 1
	Type6PacketTooBig           uint8 = 2
	Type6TimeExceeded           uint8 = 3
	Type6ParameterProblem       uint8 = 4
	Type6EchoRequest            uint8 = 128
	Type6EchoReply              uint8 = 129
)

// icmpHeaderLen is the length in bytes of every ICMP and ICMPv6 header here.
const icmpHeaderLen = 8

// Echo is the header of an ICMP or ICMPv6 echo request or reply.
type Echo struct {
	Type, Code uint8
	Checksum   uint16
	// ID is the identifier, Seq the sequence number.
	ID, Seq uint16
}

// AppendEcho appends the 8 bytes of e to dst, with the checksum as e has it (RFC 792, RFC 4443 4.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |     Code      |          Checksum             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           Identifier          |        Sequence Number        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Data ...
//	+-+-+-+-+-
//
// The checksum of an ICMP message covers the message alone; that of ICMPv6 also [Pseudo6], and Linux fills it in on
// raw ICMPv6 sockets.
func AppendEcho(dst []byte, e Echo) []byte {
	dst = append(dst, e.Type, e.Code)
	dst = binary.BigEndian.AppendUint16(dst, e.Checksum)
	dst = binary.BigEndian.AppendUint16(dst, e.ID)
	return binary.BigEndian.AppendUint16(dst, e.Seq)
}

// ParseEcho parses the 8 bytes at the start of b as an echo header (the layout is at [AppendEcho]); the payload is what
// follows. It takes a message of any type: the caller asks e.Type which family and direction it has. Ok is false when b
// is shorter than 8 bytes.
func ParseEcho(b []byte) (e Echo, payload []byte, ok bool) {
	if len(b) < icmpHeaderLen {
		return Echo{}, nil, false
	}
	e = Echo{
		Type:     b[0],
		Code:     b[1],
		Checksum: binary.BigEndian.Uint16(b[2:]),
		ID:       binary.BigEndian.Uint16(b[4:]),
		Seq:      binary.BigEndian.Uint16(b[6:]),
	}
	return e, b[icmpHeaderLen:], true
}

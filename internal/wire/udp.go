// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

const udpHeaderLen = 8

// UDP is a UDP header.
type UDP struct {
	SrcPort, DstPort uint16
	// Length is that of header and payload in bytes, 8 to 65535, as written: it need not be true.
	Length int
	// Checksum is zero when the sender computed none.
	Checksum uint16
}

// ParseUDP parses the UDP header at the start of b (RFC 768):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Source Port          |       Destination Port        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|            Length             |           Checksum            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Ok is false when b is shorter than 8 bytes or the length is. B may hold less than the length (a quoted datagram is
// cut) or more (padding, which the payload leaves out).
func ParseUDP(b []byte) (u UDP, payload []byte, ok bool) {
	if len(b) < udpHeaderLen {
		return UDP{}, nil, false
	}
	u = UDP{
		SrcPort:  binary.BigEndian.Uint16(b),
		DstPort:  binary.BigEndian.Uint16(b[2:]),
		Length:   int(binary.BigEndian.Uint16(b[4:])),
		Checksum: binary.BigEndian.Uint16(b[6:]),
	}
	if u.Length < udpHeaderLen {
		return UDP{}, nil, false
	}
	return u, b[udpHeaderLen:min(len(b), u.Length)], true
}

// AppendUDP appends the 8 bytes of u to dst, with length and checksum as u has them (the layout is at [ParseUDP]).
func AppendUDP(dst []byte, u UDP) []byte {
	dst = binary.BigEndian.AppendUint16(dst, u.SrcPort)
	dst = binary.BigEndian.AppendUint16(dst, u.DstPort)
	dst = binary.BigEndian.AppendUint16(dst, uint16(u.Length))
	return binary.BigEndian.AppendUint16(dst, u.Checksum)
}

// UDPChecksum4 is the checksum of the UDP datagram b, header and payload, with its checksum field zero (RFC 768). It is
// never 0, which says that there is none: 0xffff is sent in its place. Over a datagram that carries its checksum it is
// 0xffff when the datagram is intact.
func UDPChecksum4(src, dst [4]byte, b []byte) uint16 {
	return udpChecksum(b, Pseudo4(src, dst, ProtoUDP, len(b)))
}

// UDPChecksum6 is [UDPChecksum4] over IPv6 (RFC 8200 8.1), where a datagram must have a checksum.
func UDPChecksum6(src, dst [16]byte, b []byte) uint16 {
	return udpChecksum(b, Pseudo6(src, dst, ProtoUDP, len(b)))
}

func udpChecksum(b []byte, pseudo uint32) uint16 {
	if sum := ^Fold(Sum(b, pseudo)); sum != 0 {
		return sum
	}
	return 0xffff
}

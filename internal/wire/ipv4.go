// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// The protocol numbers of the upper layers that connmonitor speaks, in IPv4's protocol field and IPv6's next header.
const (
	ProtoICMP   uint8 = 1
	ProtoTCP    uint8 = 6
	ProtoUDP    uint8 = 17
	ProtoICMPv6 uint8 = 58
)

const (
	ipv4HeaderLen = 20
	ipv4DF        = 0x4000
	ipv4MF        = 0x2000
	ipv4OffMask   = 0x1fff
)

// IPv4 is an IPv4 header without its options.
type IPv4 struct {
	// HeaderLen is the length in bytes with options, 20 to 60. [AppendIPv4] writes no options and ignores it.
	HeaderLen int
	// TOS is DSCP and ECN (RFC 2474, RFC 3168).
	TOS uint8
	// TotalLen is the length of header and payload in bytes, as written: it need not be true.
	TotalLen int
	ID       uint16
	// DF is Don't Fragment, MF More Fragments.
	DF, MF bool
	// FragOff is the fragment offset in bytes, a multiple of 8, 0 to 65528.
	FragOff       int
	TTL, Protocol uint8
	// Checksum is the header checksum as read. [AppendIPv4] computes its own.
	Checksum uint16
	Src, Dst [4]byte
}

// ParseIPv4 parses the IPv4 header at the start of b (RFC 791 3.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|Version|  IHL  |Type of Service|          Total Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|         Identification        |Flags|      Fragment Offset    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Time to Live |    Protocol   |         Header Checksum       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       Source Address                          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    Destination Address                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    Options                    |    Padding    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Ok is false when b is too short for the header with its options, is not version 4, or has an IHL below 5. B may hold
// less than the total length (a quoted datagram is cut) or more (padding, which the payload leaves out). A total length
// below the header's is no length (0 stands for a datagram that the sender's hardware was to segment): the payload is
// then all that follows the header.
func ParseIPv4(b []byte) (h IPv4, payload []byte, ok bool) {
	if len(b) < ipv4HeaderLen || b[0]>>4 != 4 {
		return IPv4{}, nil, false
	}
	headerLen := int(b[0]&0x0f) * 4
	if headerLen < ipv4HeaderLen || headerLen > len(b) {
		return IPv4{}, nil, false
	}
	flags := binary.BigEndian.Uint16(b[6:])
	h = IPv4{
		HeaderLen: headerLen,
		TOS:       b[1],
		TotalLen:  int(binary.BigEndian.Uint16(b[2:])),
		ID:        binary.BigEndian.Uint16(b[4:]),
		DF:        flags&ipv4DF != 0,
		MF:        flags&ipv4MF != 0,
		FragOff:   int(flags&ipv4OffMask) * 8,
		TTL:       b[8],
		Protocol:  b[9],
		Checksum:  binary.BigEndian.Uint16(b[10:]),
		Src:       [4]byte(b[12:16]),
		Dst:       [4]byte(b[16:20]),
	}
	end := len(b)
	if h.TotalLen >= headerLen {
		end = min(end, h.TotalLen)
	}
	return h, b[headerLen:end], true
}

// AppendIPv4 appends h as 20 bytes without options to dst, with the header checksum computed (the layout is at
// [ParseIPv4]).
func AppendIPv4(dst []byte, h IPv4) []byte {
	flags := uint16(h.FragOff/8) & ipv4OffMask
	if h.DF {
		flags |= ipv4DF
	}
	if h.MF {
		flags |= ipv4MF
	}
	start := len(dst)
	dst = append(dst, 4<<4|ipv4HeaderLen/4, h.TOS)
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.TotalLen))
	dst = binary.BigEndian.AppendUint16(dst, h.ID)
	dst = binary.BigEndian.AppendUint16(dst, flags)
	dst = append(dst, h.TTL, h.Protocol, 0, 0)
	dst = append(dst, h.Src[:]...)
	dst = append(dst, h.Dst[:]...)
	binary.BigEndian.PutUint16(dst[start+10:], Checksum(dst[start:]))
	return dst
}

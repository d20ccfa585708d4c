// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

const (
	ipv6HeaderLen     = 40
	ipv6ExtensionUnit = 8

	// maxIPv6Extensions bounds the walk: RFC 8200 4.1 knows seven headers, each once but destination options twice.
	maxIPv6Extensions = 8
)

// The next-header values of the extension headers that are walked (RFC 8200 4).
const (
	nextHopByHop           uint8 = 0
	nextRouting            uint8 = 43
	nextFragment           uint8 = 44
	nextDestinationOptions uint8 = 60
)

// IPv6 is the fixed IPv6 header.
type IPv6 struct {
	// HeaderLen is the length in bytes with the extension headers that were walked, at least 40. [AppendIPv6] writes the
	// fixed header alone and ignores it.
	HeaderLen int
	// TrafficClass is DSCP and ECN (RFC 2474, RFC 3168).
	TrafficClass uint8
	// FlowLabel has 20 bits (RFC 6437).
	FlowLabel uint32
	// PayloadLen is the length in bytes of what follows the fixed header, as written: it need not be true.
	PayloadLen           int
	NextHeader, HopLimit uint8
	Src, Dst             [16]byte
}

// ParseIPv6 parses the IPv6 header at the start of b (RFC 8200 3) and walks hop-by-hop options, routing, destination
// options and fragment headers to the upper layer, whose protocol is proto and at which payload starts:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|Version| Traffic Class |           Flow Label                  |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|         Payload Length        |  Next Header  |   Hop Limit   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                                                               |
//	+                                                               +
//	|                                                               |
//	+                         Source Address                        +
//	|                                                               |
//	+                                                               +
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                                                               |
//	+                                                               +
//	|                                                               |
//	+                      Destination Address                      +
//	|                                                               |
//	+                                                               +
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Ok is false when b is too short for the headers, is not version 6, chains more than 8 extension headers or has
// hop-by-hop options elsewhere than first, and for every fragment but the first, which has no upper-layer header. B may
// hold less than the payload length or more (padding, which the payload leaves out). Any header that is not walked is
// an upper layer here, ESP, AH and No Next Header included.
func ParseIPv6(b []byte) (h IPv6, proto uint8, payload []byte, ok bool) {
	if len(b) < ipv6HeaderLen || b[0]>>4 != 6 {
		return IPv6{}, 0, nil, false
	}
	first := binary.BigEndian.Uint32(b)
	h = IPv6{
		TrafficClass: uint8(first >> 20),
		FlowLabel:    first & 0xfffff,
		PayloadLen:   int(binary.BigEndian.Uint16(b[4:])),
		NextHeader:   b[6],
		HopLimit:     b[7],
		Src:          [16]byte(b[8:24]),
		Dst:          [16]byte(b[24:40]),
	}
	payload = b[ipv6HeaderLen:]
	// Zero with hop-by-hop options is a jumbogram, whose length is in an option (RFC 2675 3).
	if h.PayloadLen < len(payload) && (h.PayloadLen > 0 || h.NextHeader != nextHopByHop) {
		payload = payload[:h.PayloadLen]
	}
	length := len(payload)
	proto, payload, ok = skipIPv6Extensions(h.NextHeader, payload)
	if !ok {
		return IPv6{}, 0, nil, false
	}
	h.HeaderLen = ipv6HeaderLen + length - len(payload)
	return h, proto, payload, true
}

// skipIPv6Extensions walks the extension headers at the start of b to the upper layer. Options and routing headers
// share their first two bytes (RFC 8200 4.3, 4.4, 4.6); the length leaves out the first 8 bytes:
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Next Header  |  Hdr Ext Len  |                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
//	.                                                               .
//
// The fragment header (RFC 8200 4.5) has a fixed length:
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                         Identification                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
func skipIPv6Extensions(next uint8, b []byte) (proto uint8, payload []byte, ok bool) {
	for i := 0; isIPv6Extension(next); i++ {
		if i == maxIPv6Extensions || len(b) < ipv6ExtensionUnit || next == nextHopByHop && i > 0 {
			return 0, nil, false
		}
		length := ipv6ExtensionUnit
		switch {
		case next != nextFragment:
			length += int(b[1]) * ipv6ExtensionUnit
		case binary.BigEndian.Uint16(b[2:])>>3 != 0:
			return 0, nil, false
		}
		if length > len(b) {
			return 0, nil, false
		}
		next, b = b[0], b[length:]
	}
	return next, b, true
}

func isIPv6Extension(next uint8) bool {
	switch next {
	case nextHopByHop, nextRouting, nextFragment, nextDestinationOptions:
		return true
	default:
		return false
	}
}

// AppendIPv6 appends the 40 bytes of the fixed header h to dst (the layout is at [ParseIPv6]).
func AppendIPv6(dst []byte, h IPv6) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 6<<28|uint32(h.TrafficClass)<<20|h.FlowLabel&0xfffff)
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.PayloadLen))
	dst = append(dst, h.NextHeader, h.HopLimit)
	dst = append(dst, h.Src[:]...)
	return append(dst, h.Dst[:]...)
}

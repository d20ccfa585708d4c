// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"net/netip"
)

// quotedUpperLen is how much of the upper layer a quoted datagram must hold in bytes: RFC 792 promises that much, and a
// probe is not known by less.
const quotedUpperLen = 8

// Quoted is what a quoted datagram says of the probe that caused an ICMP error. Routers on the way may have changed
// TTL, TOS and checksums, address translators addresses, identifier and ports too.
type Quoted struct {
	Src, Dst netip.Addr
	// Protocol is the upper layer's, behind any IPv6 extension headers.
	Protocol uint8
	// TTL is what was left when the router gave up (the hop limit in IPv6), 1 as a rule; TOS is the traffic class in IPv6.
	TTL, TOS uint8
	// IPID and DF are identification and Don't Fragment; zero in IPv6, which has neither.
	IPID uint16
	DF   bool
	// FlowLabel has 20 bits; zero in IPv4, which has none.
	FlowLabel uint32
	// HeaderLen is the length of the IP header in bytes: more than 20 tells of options, in IPv6 more than 40 of extension
	// headers.
	HeaderLen int
	// Length is that of the whole datagram in bytes, as quoted (with the fixed header in IPv6).
	Length int
	// Type, ID and Seq are the type, identifier and sequence of an ICMP or ICMPv6 echo. They are filled for other types
	// of message too; the caller asks Type.
	Type    uint8
	ID, Seq uint16
	// Checksum is that of ICMP, ICMPv6 or UDP. TCP's lies beyond the 8 bytes that are certain.
	Checksum uint16
	// SrcPort and DstPort are those of UDP or TCP.
	SrcPort, DstPort uint16
	// UDPLength is the length field of UDP in bytes.
	UDPLength uint16
	// TCPSeq is the sequence number of TCP.
	TCPSeq uint32
	// Payload follows the first 8 bytes of the upper layer: for TCP that is the rest of its header. It is cut where the
	// router cut it, and may be empty.
	Payload []byte
}

// ParseQuoted4 parses the datagram that an ICMP error quotes. Ok is false when it is cut before the eighth byte of its
// upper layer, is not the first fragment, or is neither ICMP nor UDP nor TCP.
func ParseQuoted4(b []byte) (Quoted, bool) {
	h, payload, ok := ParseIPv4(b)
	if !ok || h.FragOff != 0 {
		return Quoted{}, false
	}
	if len(payload) < quotedUpperLen {
		// Stacks of the BSD family used to quote the total length in host byte order, or without the header, because they
		// had converted it in place. The bytes are there, so go by them.
		payload = b[h.HeaderLen:]
	}
	q := Quoted{
		Src: netip.AddrFrom4(h.Src), Dst: netip.AddrFrom4(h.Dst),
		Protocol: h.Protocol, TTL: h.TTL, TOS: h.TOS, IPID: h.ID, DF: h.DF, HeaderLen: h.HeaderLen, Length: h.TotalLen,
	}
	if q.Protocol == ProtoICMPv6 || !q.parseUpper(payload) {
		return Quoted{}, false
	}
	return q, true
}

// ParseQuoted6 parses the packet that an ICMPv6 error quotes. Ok is false when it is cut before the eighth byte of its
// upper layer, is not the first fragment, or is neither ICMPv6 nor UDP nor TCP.
func ParseQuoted6(b []byte) (Quoted, bool) {
	h, proto, payload, ok := ParseIPv6(b)
	if !ok {
		return Quoted{}, false
	}
	q := Quoted{
		Src: netip.AddrFrom16(h.Src), Dst: netip.AddrFrom16(h.Dst),
		Protocol: proto, TTL: h.HopLimit, TOS: h.TrafficClass, FlowLabel: h.FlowLabel, HeaderLen: h.HeaderLen,
		Length: ipv6HeaderLen + h.PayloadLen,
	}
	if proto == ProtoICMP || !q.parseUpper(payload) {
		return Quoted{}, false
	}
	return q, true
}

// parseUpper reads what the first 8 bytes of the upper layer say. Those of TCP (RFC 9293 3.1) are the ports and the
// sequence number:
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Source Port          |       Destination Port        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Sequence Number                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
func (q *Quoted) parseUpper(b []byte) bool {
	if len(b) < quotedUpperLen {
		return false
	}
	first, second := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	third, fourth := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	switch q.Protocol {
	case ProtoICMP, ProtoICMPv6:
		q.Type, q.Checksum, q.ID, q.Seq = b[0], second, third, fourth
	case ProtoUDP:
		q.SrcPort, q.DstPort, q.UDPLength, q.Checksum = first, second, third, fourth
	case ProtoTCP:
		q.SrcPort, q.DstPort, q.TCPSeq = first, second, uint32(third)<<16|uint32(fourth)
	default:
		return false
	}
	q.Payload = b[quotedUpperLen:]
	return true
}

// UpperLen is how many bytes from the start of the upper layer's header are quoted: 8 by routers that keep to RFC 792,
// more by those that keep to RFC 1812 4.3.2.3 and by all of IPv6.
func (q Quoted) UpperLen() int { return quotedUpperLen + len(q.Payload) }

// WithoutPadding is q less the zeros at the end of its payload. A datagram that was quoted in part may be filled up with
// zeros before extensions (RFC 4884 4), though its length says that payload was there: where an error has extensions,
// those zeros say nothing of the probe. Zeros that the probe did end with are left out too.
func (q Quoted) WithoutPadding() Quoted {
	n := len(q.Payload)
	for n > 0 && q.Payload[n-1] == 0 {
		n--
	}
	q.Payload = q.Payload[:n]
	return q
}

// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// The class of the extension object that holds an MPLS label stack, and its only sub-type: the stack as it came in
// (RFC 4950).
const (
	ClassMPLS          uint8 = 1
	CTypeIncomingStack uint8 = 1
)

const (
	mplsEntryLen = 4

	// maxMPLSEntries is more than routers push: hardware stops at about ten, for segment routing.
	maxMPLSEntries = 16
)

// MPLSEntry is an entry of an MPLS label stack as it is on the wire (RFC 3032 2.1, RFC 5462):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                Label                  | TC  |S|       TTL     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type MPLSEntry uint32

// NewMPLSEntry is the entry with a label of 20 bits and a traffic class of 3; what is above them is left out.
func NewMPLSEntry(label uint32, trafficClass uint8, bottom bool, ttl uint8) MPLSEntry {
	e := MPLSEntry(label<<12) | MPLSEntry(trafficClass&7)<<9 | MPLSEntry(ttl)
	if bottom {
		e |= 1 << 8
	}
	return e
}

// Label has 20 bits. The first 16 labels have meanings of their own (RFC 7274).
func (e MPLSEntry) Label() uint32 { return uint32(e >> 12) }

// TrafficClass has 3 bits; it was called EXP, for experimental, before RFC 5462.
func (e MPLSEntry) TrafficClass() uint8 { return uint8(e>>9) & 7 }

// Bottom tells that the entry is the last of its stack.
func (e MPLSEntry) Bottom() bool { return e>>8&1 != 0 }

// TTL is that of the label, as the router got it.
func (e MPLSEntry) TTL() uint8 { return uint8(e) }

// MPLSStack is a label stack, the top first. It is a value: stacks can be compared, and outlive what they were parsed
// from.
type MPLSStack struct {
	// N is the number of entries, at most 16.
	N       uint8
	Entries [maxMPLSEntries]MPLSEntry
}

// ParseMPLS finds the label stack in an extension structure (RFC 4950), which a router adds to an error about a packet
// that it got with labels. Ok is false when there is no such object before the first that is broken, and when it holds
// no entry or a part of one. Of a stack deeper than 16 the first 16 are kept.
// The bottom bit ends nothing: the length of the object says how many entries there are.
func ParseMPLS(extensions []byte) (s MPLSStack, ok bool) {
	for o := range Extensions(extensions) {
		if o.Class == ClassMPLS && o.CType == CTypeIncomingStack {
			return parseMPLSStack(o.Data)
		}
	}
	return MPLSStack{}, false
}

func parseMPLSStack(b []byte) (s MPLSStack, ok bool) {
	if len(b) == 0 || len(b)%mplsEntryLen != 0 {
		return MPLSStack{}, false
	}
	s.N = uint8(min(len(b)/mplsEntryLen, maxMPLSEntries))
	for i := range s.Entries[:s.N] {
		s.Entries[i] = MPLSEntry(binary.BigEndian.Uint32(b[i*mplsEntryLen:]))
	}
	return s, true
}

// AppendMPLS appends the entries, the top of the stack first, as the data of an [ExtensionObject] to dst.
func AppendMPLS(dst []byte, entries ...MPLSEntry) []byte {
	for _, e := range entries {
		dst = binary.BigEndian.AppendUint32(dst, uint32(e))
	}
	return dst
}

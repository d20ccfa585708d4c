// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"iter"
)

const (
	extensionHeaderLen = 4
	extensionVersion   = 2

	// maxExtensionObjects bounds what one message can make us do. Routers send one to five: an MPLS label stack
	// (RFC 4950), and an interface information object for each role of an interface (RFC 5837).
	maxExtensionObjects = 64
)

// ExtensionObject is an object of an ICMP extension structure.
type ExtensionObject struct {
	// Class says what it is: 1 an MPLS label stack (RFC 4950, for [ParseMPLS]), 2 interface information (RFC 5837).
	Class uint8
	// CType is the sub-type, with a meaning for each class.
	CType uint8
	// Data is what follows the object's header. It may be empty.
	Data []byte
}

// Extensions iterates over the objects of the extension structure at the start of b, which ends where b ends
// (RFC 4884 7, 8). The structure is a header and objects, each with a length in bytes that counts its own header:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|Version|      (Reserved)       |           Checksum            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|             Length            |   Class-Num   |   C-Type      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                   // (Object payload) //                      |
//
// It yields nothing when the version is not 2 or the checksum is wrong (zero stands for none, and is accepted), and ends
// at the first object whose length cannot be, and after 64 objects.
func Extensions(b []byte) iter.Seq[ExtensionObject] {
	// The function is this small so that it is inlined, and its closure with it: a range over it does not allocate.
	return func(yield func(ExtensionObject) bool) { walkExtensions(b, yield) }
}

func walkExtensions(b []byte, yield func(ExtensionObject) bool) {
	if !validExtensions(b) {
		return
	}
	b = b[extensionHeaderLen:]
	for range maxExtensionObjects {
		if len(b) < extensionHeaderLen {
			return
		}
		length := int(binary.BigEndian.Uint16(b))
		if length < extensionHeaderLen || length > len(b) {
			return
		}
		if !yield(ExtensionObject{Class: b[2], CType: b[3], Data: b[extensionHeaderLen:length:length]}) {
			return
		}
		b = b[length:]
	}
}

// filledByObjects says whether the objects of the extension structure b end where it ends. One without objects is such a
// structure.
func filledByObjects(b []byte) bool {
	filled := extensionHeaderLen
	walkExtensions(b, func(o ExtensionObject) bool {
		filled += extensionHeaderLen + len(o.Data)
		return true
	})
	return filled == len(b)
}

// validExtensions says whether an extension structure of version 2 starts at b and ends where b ends.
func validExtensions(b []byte) bool {
	if len(b) < extensionHeaderLen || b[0]>>4 != extensionVersion {
		return false
	}
	return binary.BigEndian.Uint16(b[2:]) == 0 || Checksum(b) == 0
}

// AppendExtensions appends an extension structure with its checksum to dst (the layout is at [Extensions]). The data of
// an object has at most 65531 bytes, and whole 32-bit words of them (RFC 4884 7).
func AppendExtensions(dst []byte, objects ...ExtensionObject) []byte {
	start := len(dst)
	dst = append(dst, extensionVersion<<4, 0, 0, 0)
	for _, o := range objects {
		dst = binary.BigEndian.AppendUint16(dst, uint16(extensionHeaderLen+len(o.Data)))
		dst = append(dst, o.Class, o.CType)
		dst = append(dst, o.Data...)
	}
	binary.BigEndian.PutUint16(dst[start+2:], Checksum(dst[start:]))
	return dst
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

const (
	// mplsExtension is an MPLS label stack with one entry: label 384240, bottom of stack, TTL 1 (RFC 4950).
	mplsExtension = "2000 8026 0008 0101 5dcf 0101"
	// twoObjects adds the index of the incoming interface (RFC 5837: role 0, ifIndex) to it.
	twoObjects = "2000 7e11 0008 0101 5dcf 0101 0008 0208 0000 0005"
)

// withChecksum sets the checksum of an extension structure.
func withChecksum(b []byte) []byte {
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint16(b[2:], Checksum(b))
	return b
}

func TestExtensions(t *testing.T) {
	mpls := ExtensionObject{Class: 1, CType: 1, Data: []byte{0x5d, 0xcf, 1, 1}}
	tests := []struct {
		name string
		b    []byte
		want []ExtensionObject
	}{
		{"nothing", nil, nil},
		{"3 bytes", unhex(t, "2000 00"), nil},
		{"no objects", unhex(t, "2000 dfff"), nil},
		{"MPLS", unhex(t, mplsExtension), []ExtensionObject{mpls}},
		{"two", unhex(t, twoObjects), []ExtensionObject{mpls, {2, 8, []byte{0, 0, 0, 5}}}},
		{"no checksum", unhex(t, "2000 0000 0008 0101 5dcf 0101"), []ExtensionObject{mpls}},
		{"reserved bits", withChecksum(unhex(t, "2abc 0000 0008 0101 5dcf 0101")), []ExtensionObject{mpls}},
		{"empty object", withChecksum(unhex(t, "2000 0000 0004 0701")), []ExtensionObject{{7, 1, []byte{}}}},
		{"wrong checksum", unhex(t, "2000 8027 0008 0101 5dcf 0101"), nil},
		{"version 1", withChecksum(unhex(t, "1000 0000 0008 0101 5dcf 0101")), nil},
		{"length 0", withChecksum(unhex(t, "2000 0000 0000 0101 5dcf 0101")), nil},
		{"length 3", withChecksum(unhex(t, "2000 0000 0003 0101 5dcf 0101")), nil},
		{"length too long", withChecksum(unhex(t, "2000 0000 0009 0101 5dcf 0101")), nil},
		{
			"second object broken", withChecksum(unhex(t, "2000 0000 0008 0101 5dcf 0101 ffff 0101")),
			[]ExtensionObject{mpls},
		},
		{
			"second object's header cut", withChecksum(unhex(t, "2000 0000 0008 0101 5dcf 0101 0008 01")),
			[]ExtensionObject{mpls},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []ExtensionObject
			for o := range Extensions(test.b) {
				got = append(got, o)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("Extensions = %v, want %v", got, test.want)
			}
		})
	}
}

func TestExtensionsStopsWhenAsked(t *testing.T) {
	seen := 0
	for range Extensions(unhex(t, twoObjects)) {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d objects, want 1", seen)
	}
}

func TestExtensionsIsBounded(t *testing.T) {
	b := withChecksum(unhex(t, "2000 0000"+strings.Repeat("0004 0101", 1000)))
	seen := 0
	for range Extensions(b) {
		seen++
	}
	if seen != 64 {
		t.Errorf("%d objects, want 64", seen)
	}
}

func FuzzExtensions(f *testing.F) {
	for _, digits := range []string{mplsExtension, twoObjects, "2000 0000 0004 0701", "2000 0000 0000 0000"} {
		f.Add(unhex(f, digits))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		total := 4
		for o := range Extensions(b) {
			checkWithin(t, "data", b, o.Data)
			total += 4 + len(o.Data)
		}
		checkUntouched(t, was, b)
		if len(b) >= 4 && total > len(b) {
			t.Fatalf("objects of %d bytes in %d", total, len(b))
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

func TestMPLSEntry(t *testing.T) {
	tests := []struct {
		name         string
		wire         uint32
		label        uint32
		trafficClass uint8
		bottom       bool
		ttl          uint8
	}{
		{"of a last hop", 0x5dcf0101, 384240, 0, true, 1},
		{"zero, explicit null", 0, 0, 0, false, 0},
		{"all ones", 0xffffffff, 0xfffff, 7, true, 255},
		{"label alone", 0xfffff000, 0xfffff, 0, false, 0},
		{"traffic class alone", 0x00000e00, 0, 7, false, 0},
		{"bottom alone", 0x00000100, 0, 0, true, 0},
		{"TTL alone", 0x000000ff, 0, 0, false, 255},
		{"traffic class 5 of label 16", 0x00010a40, 16, 5, false, 64},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := MPLSEntry(test.wire)
			if e.Label() != test.label || e.TrafficClass() != test.trafficClass || e.Bottom() != test.bottom || e.TTL() != test.ttl {
				t.Errorf("label %d, traffic class %d, bottom %v, TTL %d", e.Label(), e.TrafficClass(), e.Bottom(), e.TTL())
			}
			if got := NewMPLSEntry(test.label, test.trafficClass, test.bottom, test.ttl); got != e {
				t.Errorf("NewMPLSEntry = %#08x, want %#08x", uint32(got), test.wire)
			}
		})
	}
}

func TestNewMPLSEntryKeepsToItsFields(t *testing.T) {
	if got := NewMPLSEntry(0xfff00000, 0xf8, false, 0); got != 0 {
		t.Errorf("NewMPLSEntry = %#08x, want what is too large left out", uint32(got))
	}
}

func TestParseMPLS(t *testing.T) {
	one := []MPLSEntry{0x5dcf0101}
	three := []MPLSEntry{0x00010a40, 0x000640ff, 0x5dcf0101}
	mpls := func(data ...MPLSEntry) ExtensionObject {
		return ExtensionObject{ClassMPLS, CTypeIncomingStack, AppendMPLS(nil, data...)}
	}
	other := ExtensionObject{2, 8, []byte{0, 0, 0, 5}}
	tests := []struct {
		name string
		b    []byte
		want []MPLSEntry
	}{
		{"nothing", nil, nil},
		{"no objects", AppendExtensions(nil), nil},
		{"as captured", unhex(t, mplsExtension), one},
		{"one", AppendExtensions(nil, mpls(one...)), one},
		{"three", AppendExtensions(nil, mpls(three...)), three},
		{"behind another object", AppendExtensions(nil, other, mpls(three...)), three},
		{"the first of two", AppendExtensions(nil, mpls(one...), mpls(three...)), one},
		{"bottom before the end", AppendExtensions(nil, mpls(0x101, 0x202)), []MPLSEntry{0x101, 0x202}},
		{"empty", AppendExtensions(nil, mpls()), nil},
		{"another class", AppendExtensions(nil, other), nil},
		{"another sub-type", AppendExtensions(nil, ExtensionObject{1, 2, []byte{0x5d, 0xcf, 1, 1}}), nil},
		{"half an entry", AppendExtensions(nil, ExtensionObject{1, 1, []byte{0x5d, 0xcf}}), nil},
		{"an entry and a half", AppendExtensions(nil, ExtensionObject{1, 1, []byte{0x5d, 0xcf, 1, 1, 0, 0}}), nil},
		{"wrong checksum", unhex(t, "2000 8027 0008 0101 5dcf 0101"), nil},
		{"too deep", AppendExtensions(nil, mpls(make([]MPLSEntry, 17)...)), make([]MPLSEntry, 16)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, ok := ParseMPLS(test.b)
			if ok != (test.want != nil) || !slices.Equal(s.Entries[:s.N], test.want) {
				t.Errorf("ParseMPLS = %x, %v, want %x", s.Entries[:s.N], ok, test.want)
			}
			if !ok && s != (MPLSStack{}) {
				t.Errorf("refused, but filled: %x", s)
			}
		})
	}
}

// TestParseMPLSOfErrors takes the stack out of whole messages: of routers that fill the length field, and of older ones
// that do not.
func TestParseMPLSOfErrors(t *testing.T) {
	want := MPLSStack{N: 2, Entries: [16]MPLSEntry{0x00010a40, 0x5dcf0101}}
	structure := AppendExtensions(nil, ExtensionObject{ClassMPLS, CTypeIncomingStack, AppendMPLS(nil, want.Entries[:2]...)})
	tests := []struct {
		name  string
		parse func([]byte) (Error, bool)
		kind  uint8
		word  string
	}{
		{"ICMP", ParseError4, TypeTimeExceeded, "0020 0000"},
		{"ICMP, legacy", ParseError4, TypeTimeExceeded, "0000 0000"},
		{"ICMPv6", ParseError6, Type6TimeExceeded, "1000 0000"},
		{"ICMPv6, legacy", ParseError6, Type6TimeExceeded, "0000 0000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, ok := test.parse(append(errorMessage(t, test.kind, test.word, 128, ""), structure...))
			if !ok || len(e.Quoted) != 128 {
				t.Fatalf("parsed as %+v, %v, want 128 bytes quoted", e, ok)
			}
			if s, ok := ParseMPLS(e.Extensions); !ok || s != want {
				t.Errorf("ParseMPLS = %x, %v, want %x", s, ok, want)
			}
		})
	}
}

func FuzzParseMPLS(f *testing.F) {
	f.Add(unhex(f, mplsExtension))
	f.Add(unhex(f, twoObjects))
	f.Add(AppendExtensions(nil, ExtensionObject{1, 1, make([]byte, 400)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		s, ok := ParseMPLS(b)
		checkUntouched(t, was, b)
		if ok != (s.N > 0) || s.N > 16 {
			t.Fatalf("%d entries, %v", s.N, ok)
		}
		if data := AppendMPLS(nil, s.Entries[:s.N]...); !bytes.Contains(b, data) {
			t.Fatalf("%x is not in %x", data, b)
		}
		for _, e := range s.Entries[:s.N] {
			if NewMPLSEntry(e.Label(), e.TrafficClass(), e.Bottom(), e.TTL()) != e {
				t.Fatalf("entry %#08x does not come out of its parts", uint32(e))
			}
		}
	})
}

// FuzzAppendExtensions parses what was appended, alone and behind a quoted datagram of 128 bytes of an old router.
func FuzzAppendExtensions(f *testing.F) {
	f.Add(uint8(1), uint8(1), []byte{0x5d, 0xcf, 1, 1}, []byte{})
	f.Add(uint8(2), uint8(8), []byte{}, []byte{0, 0, 0, 5})
	f.Fuzz(func(t *testing.T, class, ctype uint8, first, second []byte) {
		first, second = first[:min(len(first), 1000)&^3], second[:min(len(second), 1000)&^3]
		want := []ExtensionObject{{class, ctype, first}, {ctype, class, second}}
		structure := AppendExtensions([]byte("kept"), want...)[4:]
		var got []ExtensionObject
		for o := range Extensions(structure) {
			got = append(got, o)
		}
		same := func(a, b ExtensionObject) bool {
			return a.Class == b.Class && a.CType == b.CType && bytes.Equal(a.Data, b.Data)
		}
		if !slices.EqualFunc(got, want, same) {
			t.Fatalf("got %v, want %v", got, want)
		}
		body := append(make([]byte, 128), structure...)
		_, extensions := splitExtensions(body, 0)
		// A computed checksum is zero, which stands for none, only when the words add up to 0xffff.
		if none := binary.BigEndian.Uint16(structure[2:]) == 0; none == (extensions != nil) {
			t.Fatalf("behind 128 bytes: %x, want %x", extensions, structure)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"testing"
)

// header4 is a UDP datagram's, 28 bytes in all, without options.
const header4 = "4500 001c 8b72 0000 0211 4127 c000 0202 c633 6402"

func TestParseIPv4(t *testing.T) {
	got, payload, ok := ParseIPv4(capture(t, "ipv4_time_exceeded_echo"))
	want := IPv4{
		HeaderLen: 20, TOS: 0xc0, TotalLen: 72, ID: 0x4af8, TTL: 64, Protocol: ProtoICMP, Checksum: 0xaaf9,
		Src: [4]byte{192, 0, 2, 1}, Dst: [4]byte{192, 0, 2, 2},
	}
	if !ok || got != want {
		t.Errorf("ParseIPv4 = %+v, %v, want %+v", got, ok, want)
	}
	if len(payload) != 52 || payload[0] != TypeTimeExceeded {
		t.Errorf("payload = %x, want 52 bytes of time exceeded", payload)
	}
}

func TestParseIPv4Flags(t *testing.T) {
	tests := []struct {
		field   string
		df, mf  bool
		fragOff int
	}{
		{"0000", false, false, 0},
		{"4000", true, false, 0},
		{"2000", false, true, 0},
		{"2001", false, true, 8},
		{"1fff", false, false, 65528},
		{"8000", false, false, 0}, // The reserved bit is ignored (RFC 3514 is a joke).
	}
	for _, test := range tests {
		t.Run(test.field, func(t *testing.T) {
			h, _, ok := ParseIPv4(unhex(t, "4500 0014 0000 "+test.field+" 0211 0000 c000 0202 c633 6402"))
			if !ok || h.DF != test.df || h.MF != test.mf || h.FragOff != test.fragOff {
				t.Errorf("got %+v, %v", h, ok)
			}
		})
	}
}

// TestDefect10IPv4HeaderWithOptions finds the message behind a header of more than 20 bytes.
func TestDefect10IPv4HeaderWithOptions(t *testing.T) {
	routerAlert := "4600 0020 0000 0000 4001 0000 c000 0201 c000 0202 9404 0000"
	h, payload, ok := ParseIPv4(unhex(t, routerAlert+"0000 ffff 1234 0001"))
	if !ok || h.HeaderLen != 24 {
		t.Fatalf("ParseIPv4 = %+v, %v, want a header of 24 bytes", h, ok)
	}
	if e, _, ok := ParseEcho(payload); !ok || e.ID != 0x1234 {
		t.Errorf("payload = %x, want that behind the options", payload)
	}
}

func TestParseIPv4Payload(t *testing.T) {
	tests := []struct {
		name, header, rest, payload string
	}{
		{"whole", header4, "c102 829b 0008 ec5d", "c102 829b 0008 ec5d"},
		{"cut", header4, "c102", "c102"},
		{"header alone", header4, "", ""},
		{"padding", header4, "c102 829b 0008 ec5d 0000", "c102 829b 0008 ec5d"},
		{"total length 0", "4500 0000" + header4[9:], "c102 829b", "c102 829b"},
		{"total length below the header", "4500 0013" + header4[9:], "c102 829b", "c102 829b"},
		{"total length is the header", "4500 0014" + header4[9:], "c102 829b", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, payload, ok := ParseIPv4(unhex(t, test.header+test.rest))
			if want := unhex(t, test.payload); !ok || !bytes.Equal(payload, want) {
				t.Errorf("payload = %x, %v, want %x", payload, ok, want)
			}
		})
	}
}

func TestParseIPv4Refuses(t *testing.T) {
	tests := map[string]string{
		"nothing":                "",
		"19 bytes":               header4[:len(header4)-2],
		"version 6":              "65" + header4[2:],
		"version 0":              "05" + header4[2:],
		"IHL 4":                  "44" + header4[2:],
		"IHL 0":                  "40" + header4[2:],
		"options cut off":        "46" + header4[2:],
		"60 bytes of IHL, cut":   "4f" + header4[2:] + "0000 0000",
		"IHL 6 with half of one": "46" + header4[2:] + "0000",
	}
	for name, bytes := range tests {
		t.Run(name, func(t *testing.T) {
			if h, payload, ok := ParseIPv4(unhex(t, bytes)); ok || payload != nil || h != (IPv4{}) {
				t.Errorf("ParseIPv4 = %+v, %x, %v, want it refused", h, payload, ok)
			}
		})
	}
}

func TestAppendIPv4(t *testing.T) {
	got := AppendIPv4(nil, IPv4{
		TotalLen: 28, ID: 0x8b72, TTL: 2, Protocol: ProtoUDP, HeaderLen: 60, Checksum: 0xdead,
		Src: [4]byte{192, 0, 2, 2}, Dst: [4]byte{198, 51, 100, 2},
	})
	if want := unhex(t, header4); !bytes.Equal(got, want) {
		t.Errorf("AppendIPv4 = %x, want %x", got, want)
	}
}

func FuzzParseIPv4(f *testing.F) {
	for _, b := range captures(f) {
		f.Add(b)
	}
	f.Add(unhex(f, "4600 0020 0000 2001 4001 0000 c000 0201 c000 0202 9404 0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		h, payload, ok := ParseIPv4(b)
		checkUntouched(t, was, b)
		if !ok {
			return
		}
		checkWithin(t, "payload", b, payload)
		if h.HeaderLen < 20 || h.HeaderLen > 60 || h.HeaderLen+len(payload) > len(b) || h.FragOff%8 != 0 {
			t.Fatalf("ParseIPv4 = %+v with %d bytes of %d", h, len(payload), len(b))
		}
		out := AppendIPv4(nil, h)
		again, _, ok := ParseIPv4(out)
		h.HeaderLen, h.Checksum = 20, again.Checksum
		if !ok || again != h || Checksum(out) != 0 {
			t.Fatalf("round trip: %+v, want %+v", again, h)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"strings"
	"testing"
)

// The fixed header of a packet from 2001:db8:1::2 to 2001:db8:2::2, but for payload length and next header.
const (
	header6Start = "6002 1868"
	header6Rest  = "40 2001 0db8 0001 0000 0000 0000 0000 0002 2001 0db8 0002 0000 0000 0000 0000 0002"
)

// packet6 is an IPv6 packet with the payload length and next header given, in hexadecimal.
func packet6(tb testing.TB, payloadLen, next, rest string) []byte {
	tb.Helper()
	return unhex(tb, header6Start+payloadLen+next+header6Rest+rest)
}

func TestParseIPv6(t *testing.T) {
	got, proto, payload, ok := ParseIPv6(capture(t, "ipv6_echo_request"))
	want := IPv6{
		HeaderLen: 40, FlowLabel: 0x21868, PayloadLen: 24, NextHeader: ProtoICMPv6, HopLimit: 64,
		Src: [16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, 15: 2}, Dst: [16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 2, 15: 2},
	}
	if !ok || got != want || proto != ProtoICMPv6 {
		t.Errorf("ParseIPv6 = %+v, %d, %v, want %+v", got, proto, ok, want)
	}
	if len(payload) != 24 || payload[0] != Type6EchoRequest {
		t.Errorf("payload = %x, want 24 bytes of echo request", payload)
	}
}

func TestParseIPv6TrafficClass(t *testing.T) {
	h, _, _, ok := ParseIPv6(append(unhex(t, "6b8f ffff"), capture(t, "ipv6_echo_request")[4:]...))
	if !ok || h.TrafficClass != 0xb8 || h.FlowLabel != 0xfffff {
		t.Errorf("ParseIPv6 = %+v, %v, want traffic class 0xb8 and flow label 0xfffff", h, ok)
	}
}

func TestParseIPv6WalksToTheUpperLayer(t *testing.T) {
	const udp = "c102 829b 0008 ec5d"
	tests := []struct {
		name, payloadLen, next, extensions string
		proto                              uint8
	}{
		{"none", "0008", "11", "", ProtoUDP},
		{"hop-by-hop", "0010", "00", "1100 0104 0000 0000", ProtoUDP},
		{"routing of 24 bytes", "0020", "2b", "3a02 0401" + strings.Repeat("00", 20), ProtoICMPv6},
		{"destination options", "0010", "3c", "0600 0104 0000 0000", ProtoTCP},
		{"first fragment", "0010", "2c", "1100 0001 dead beef", ProtoUDP},
		{"atomic fragment", "0010", "2c", "1155 0000 dead beef", ProtoUDP},
		{
			"all that RFC 8200 orders", "0030", "00",
			"3c00 0104 0000 0000 2b00 0104 0000 0000 2c00 0000 0000 0000 3c00 0001 dead beef 1100 0104 0000 0000",
			ProtoUDP,
		},
		{"no next header", "0008", "3b", "", 59},
		{"ESP", "0008", "32", "", 50},
		{"jumbogram", "0000", "00", "1100 c204 0001 0000", ProtoUDP},
		{"padding left out", "0008", "11", "", ProtoUDP},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rest := test.extensions + udp
			if test.name == "padding left out" {
				rest += "0000"
			}
			h, proto, payload, ok := ParseIPv6(packet6(t, test.payloadLen, test.next, rest))
			if want := unhex(t, udp); !ok || proto != test.proto || !bytes.Equal(payload, want) {
				t.Errorf("ParseIPv6 = %d, %x, %v, want %d, %x", proto, payload, ok, test.proto, want)
			}
			if want := 40 + len(unhex(t, test.extensions)); h.HeaderLen != want {
				t.Errorf("header of %d bytes, want %d", h.HeaderLen, want)
			}
		})
	}
}

func TestParseIPv6Refuses(t *testing.T) {
	valid := packet6(t, "0008", "11", "c102 829b 0008 ec5d")
	const option = "3c00 0104 0000 0000"
	tests := map[string][]byte{
		"nothing":                  nil,
		"39 bytes":                 valid[:39],
		"version 4":                append([]byte{0x40}, valid[1:]...),
		"no extension header":      packet6(t, "0000", "3c", ""),
		"7 bytes of extension":     packet6(t, "0007", "3c", "1100 0104 0000 00"),
		"extension ends too late":  packet6(t, "0010", "3c", "1102 0104 0000 0000 0000 0000 0000 0000"),
		"extension beyond payload": packet6(t, "0008", "3c", "1101 0104 0000 0000 0000 0000 0000 0000"),
		"second fragment":          packet6(t, "0010", "2c", "1100 0008 dead beef c102 829b 0008 ec5d"),
		"last fragment":            packet6(t, "0010", "2c", "1100 fff8 dead beef c102 829b 0008 ec5d"),
		"hop-by-hop not first":     packet6(t, "0010", "3c", "0000 0104 0000 0000 1100 0104 0000 0000"),
		"nine options":             packet6(t, "0048", "3c", strings.Repeat(option, 8)+"1100 0104 0000 0000"),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			if h, proto, payload, ok := ParseIPv6(b); ok || payload != nil || proto != 0 || h != (IPv6{}) {
				t.Errorf("ParseIPv6 = %+v, %d, %x, %v, want it refused", h, proto, payload, ok)
			}
		})
	}
	eight := packet6(t, "0040", "3c", strings.Repeat(option, 7)+"1100 0104 0000 0000")
	if _, proto, _, ok := ParseIPv6(eight); !ok || proto != ProtoUDP {
		t.Errorf("ParseIPv6 with eight extension headers = %d, %v, want UDP", proto, ok)
	}
}

func TestAppendIPv6KeepsToItsFields(t *testing.T) {
	b := AppendIPv6(nil, IPv6{TrafficClass: 0xff, FlowLabel: 0xffffffff})
	if want := unhex(t, "6fff ffff"); len(b) != 40 || !bytes.Equal(b[:4], want) {
		t.Errorf("AppendIPv6 = %x, want 40 bytes that start with %x", b, want)
	}
}

func FuzzParseIPv6(f *testing.F) {
	for _, b := range captures(f) {
		f.Add(b)
	}
	f.Add(packet6(f, "0020", "00", "2c00 0104 0000 0000 3c00 0001 dead beef 1100 0104 0000 0000 c102 829b 0008 ec5d"))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		h, proto, payload, ok := ParseIPv6(b)
		checkUntouched(t, was, b)
		if !ok {
			return
		}
		checkWithin(t, "payload", b, payload)
		if h.HeaderLen < 40 || h.HeaderLen+len(payload) > len(b) {
			t.Fatalf("header of %d bytes and payload of %d in %d", h.HeaderLen, len(payload), len(b))
		}
		if isIPv6Extension(proto) {
			t.Fatalf("ParseIPv6 stopped at extension header %d", proto)
		}
		if out := AppendIPv6(nil, h); !bytes.Equal(out, b[:40]) {
			t.Fatalf("round trip: %x, want %x", out, b[:40])
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestParseUDP(t *testing.T) {
	got, payload, ok := ParseUDP(payload4(t, "ipv4_udp"))
	if want := (UDP{SrcPort: 56988, DstPort: 33434, Length: 20, Checksum: 0xec5d}); !ok || got != want {
		t.Errorf("ParseUDP = %+v, %v, want %+v", got, ok, want)
	}
	if string(payload) != "@ABCDEFGHIJK" {
		t.Errorf("payload = %q, want @ABCDEFGHIJK", payload)
	}
}

func TestParseUDPLength(t *testing.T) {
	tests := []struct {
		name, bytes string
		payload     int
		ok          bool
	}{
		{"nothing", "", 0, false},
		{"7 bytes", "0001 0002 0008 00", 0, false},
		{"length 0", "0001 0002 0000 0000", 0, false},
		{"length 7", "0001 0002 0007 0000", 0, false},
		{"empty", "0001 0002 0008 0000", 0, true},
		{"padding", "0001 0002 0009 0000 4041", 1, true},
		{"cut", "0001 0002 ffff 0000 4041", 2, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, payload, ok := ParseUDP(unhex(t, test.bytes))
			if ok != test.ok || len(payload) != test.payload {
				t.Errorf("ParseUDP = %d bytes, %v, want %d, %v", len(payload), ok, test.payload, test.ok)
			}
		})
	}
}

func TestUDPChecksum4(t *testing.T) {
	src, dst := [4]byte{192, 0, 2, 2}, [4]byte{198, 51, 100, 2}
	b := append(AppendUDP(nil, UDP{SrcPort: 56988, DstPort: 33434, Length: 11}), "odd"...)
	sum := UDPChecksum4(src, dst, b)
	// By hand: the pseudo header, c000+0202+c633+6402+0011+000b, and the datagram, de9c+829a+000b+6f64+6400, are 420f8.
	if want := ^uint16(0x20f8 + 4); sum != want {
		t.Errorf("UDPChecksum4 = %#04x, want %#04x", sum, want)
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	if got := UDPChecksum4(src, dst, b); got != 0xffff {
		t.Errorf("UDPChecksum4 with its checksum in place = %#04x, want 0xffff", got)
	}
}

func TestUDPChecksum6(t *testing.T) {
	src, dst := [16]byte{0x20, 1, 15: 2}, [16]byte{0x20, 1, 15: 3}
	b := AppendUDP(nil, UDP{SrcPort: 1, DstPort: 2, Length: 8})
	// By hand: 2001+0002+2001+0003+0008+0011 and 0001+0002+0008 are 402b.
	if got := UDPChecksum6(src, dst, b); got != ^uint16(0x402b) {
		t.Errorf("UDPChecksum6 = %#04x, want %#04x", got, ^uint16(0x402b))
	}
}

// TestUDPChecksumIsNeverZero lets a port bring the sum to each value: zero would say that there is no checksum.
func TestUDPChecksumIsNeverZero(t *testing.T) {
	var addr4 [4]byte
	var addr16 [16]byte
	for port := range 0x10000 {
		b := AppendUDP(make([]byte, 0, 8), UDP{SrcPort: uint16(port), Length: 8})
		if UDPChecksum4(addr4, addr4, b) == 0 || UDPChecksum6(addr16, addr16, b) == 0 {
			t.Fatalf("source port %d: checksum 0", port)
		}
	}
}

func FuzzParseUDP(f *testing.F) {
	f.Add(payload4(f, "ipv4_udp"))
	f.Add(payload6(f, "ipv6_udp"))
	f.Add(unhex(f, "0001 0002 0007 0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		u, payload, ok := ParseUDP(b)
		checkUntouched(t, was, b)
		if !ok {
			return
		}
		checkWithin(t, "payload", b, payload)
		if len(payload) > u.Length-8 {
			t.Fatalf("%d bytes of payload, length %d", len(payload), u.Length)
		}
		if out := append(AppendUDP(nil, u), payload...); !bytes.Equal(out, b[:len(out)]) {
			t.Fatalf("round trip: %x, want %x", out, b)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
)

// errorMessage is an ICMP error with the second word of its header given, quoting n bytes of an echo request to which
// the extension structure is appended.
func errorMessage(tb testing.TB, kind uint8, word string, n int, extension string) []byte {
	tb.Helper()
	quoted := AppendIPv4(nil, IPv4{TotalLen: 200, TTL: 1, Protocol: ProtoICMP})
	quoted = AppendEcho(quoted, Echo{Type: TypeEchoRequest, ID: 7, Seq: 8})
	quoted = append(quoted, make([]byte, 1000)...)
	return slices.Concat([]byte{kind, 0, 0, 0}, unhex(tb, word), quoted[:n], unhex(tb, extension))
}

func TestParseError4Captures(t *testing.T) {
	tests := []struct {
		capture    string
		kind, code uint8
		mtu        int
	}{
		{"ipv4_time_exceeded_echo", TypeTimeExceeded, 0, 0},
		{"ipv4_time_exceeded_udp", TypeTimeExceeded, 0, 0},
		{"ipv4_time_exceeded_tcp", TypeTimeExceeded, 0, 0},
		{"ipv4_port_unreachable", TypeDestinationUnreachable, 3, 0},
		{"ipv4_fragmentation_needed", TypeDestinationUnreachable, CodeFragmentationNeeded, 1280},
	}
	for _, test := range tests {
		t.Run(test.capture, func(t *testing.T) {
			message := payload4(t, test.capture)
			e, ok := ParseError4(message)
			if !ok || e.Type != test.kind || e.Code != test.code || e.MTU != test.mtu || e.Pointer != 0 {
				t.Errorf("ParseError4 = %+v, %v", e, ok)
			}
			if !bytes.Equal(e.Quoted, message[8:]) || e.Extensions != nil {
				t.Errorf("quoted %x, extensions %x, want all quoted", e.Quoted, e.Extensions)
			}
		})
	}
}

func TestParseError6Captures(t *testing.T) {
	tests := []struct {
		capture    string
		kind, code uint8
		mtu        int
	}{
		{"ipv6_time_exceeded_echo", Type6TimeExceeded, 0, 0},
		{"ipv6_time_exceeded_udp", Type6TimeExceeded, 0, 0},
		{"ipv6_port_unreachable", Type6DestinationUnreachable, 4, 0},
		{"ipv6_packet_too_big", Type6PacketTooBig, 0, 1280},
	}
	for _, test := range tests {
		t.Run(test.capture, func(t *testing.T) {
			message := payload6(t, test.capture)
			e, ok := ParseError6(message)
			if !ok || e.Type != test.kind || e.Code != test.code || e.MTU != test.mtu || e.Pointer != 0 {
				t.Errorf("ParseError6 = %+v, %v", e, ok)
			}
			if !bytes.Equal(e.Quoted, message[8:]) || e.Extensions != nil {
				t.Errorf("quoted %x, extensions %x, want all quoted", e.Quoted, e.Extensions)
			}
		})
	}
}

// TestParseError4Extensions covers RFC 4884 4 and 5: who fills the length field, who does not, and who lies.
func TestParseError4Extensions(t *testing.T) {
	const (
		valid       = mplsExtension
		noChecksum  = "2000 0000 0008 0101 5dcf 0101"
		badChecksum = "2000 8027 0008 0101 5dcf 0101"
		version1    = "1000 9026 0008 0101 5dcf 0101"
	)
	checksummed := func(digits string) string { return hex.EncodeToString(withChecksum(unhex(t, digits))) }
	notFilled := checksummed("2000 0000 0004 0101 5dcf 0101")
	tooLong := checksummed("2000 0000 0009 0101 5dcf 0101")
	cut := checksummed("2000 0000 0008 0101 5dcf 0101 0008 0101 5dcf")
	tests := []struct {
		name, word         string
		quoted             int
		extension          string
		wantQuoted, wantEx int
	}{
		{"length 128", "0020 0000", 128, valid, 128, 12},
		{"length 160", "0028 0000", 160, valid, 160, 12},
		{"length 128, no checksum", "0020 0000", 128, noChecksum, 128, 12},
		{"length 128, objects left out", "0020 0000", 128, "2000 dfff", 128, 4},
		{"length 160, objects left out", "0028 0000", 160, "2000 dfff", 160, 4},
		{"legacy, objects left out", "0000 0000", 128, "2000 dfff", 128, 4},
		{"length 128, bad checksum is for Extensions to refuse", "0020 0000", 128, badChecksum, 128, 12},
		{"length 128, nothing behind", "0020 0000", 128, "", 128, 0},
		{"length 128, half a header behind", "0020 0000", 128, "2000", 130, 0},
		{"legacy", "0000 0000", 128, valid, 128, 12},
		{"legacy without checksum is payload", "0000 0000", 128, noChecksum, 140, 0},
		{"legacy with wrong checksum is payload", "0000 0000", 128, badChecksum, 140, 0},
		{"legacy with version 1 is payload", "0000 0000", 128, version1, 140, 0},
		{"legacy that its object does not fill is payload", "0000 0000", 128, notFilled, 140, 0},
		{"legacy with an object that is too long is payload", "0000 0000", 128, tooLong, 140, 0},
		{"legacy with a second object that is cut is payload", "0000 0000", 128, cut, 146, 0},
		{"legacy with two objects", "0000 0000", 128, twoObjects, 128, 20},
		{"length 0, 128 bytes", "0000 0000", 128, "", 128, 0},
		{"length 0, long quote", "0000 0000", 548, "", 548, 0},
		{"length 0, extension elsewhere", "0000 0000", 132, valid, 144, 0},
		{"length 64, less than extensions allow", "0010 0000", 64, valid, 76, 0},
		{"length 64, but legacy", "0010 0000", 128, valid, 128, 12},
		{"length beyond the message", "00ff 0000", 200, "", 200, 0},
		{"length beyond the message, but legacy", "00ff 0000", 128, valid, 128, 12},
		{"nothing quoted", "0000 0000", 0, "", 0, 0},
	}
	for _, test := range tests {
		for _, kind := range []uint8{TypeDestinationUnreachable, TypeTimeExceeded, TypeParameterProblem} {
			t.Run(test.name, func(t *testing.T) {
				message := errorMessage(t, kind, test.word, test.quoted, test.extension)
				e, ok := ParseError4(message)
				if !ok || len(e.Quoted) != test.wantQuoted || len(e.Extensions) != test.wantEx {
					t.Fatalf("type %d: %d bytes quoted, %d of extensions, %v, want %d and %d",
						kind, len(e.Quoted), len(e.Extensions), ok, test.wantQuoted, test.wantEx)
				}
				if (e.Extensions == nil) != (test.wantEx == 0) {
					t.Errorf("extensions = %v, want nil for none", e.Extensions)
				}
				if !bytes.Equal(append(e.Quoted, e.Extensions...), message[8:]) {
					t.Error("quoted datagram and extensions are not the message")
				}
			})
		}
	}
}

// TestOwnPayloadIsNoExtension quotes probes of every length whole, as Linux does up to 576 bytes and IPv6 up to 1280:
// what lies at byte 128 is our own payload, the bytes in turn behind a nonce, and not a router's.
func TestOwnPayloadIsNoExtension(t *testing.T) {
	random := randomBytes(64)
	for size := range 1500 {
		for shift := range 4 {
			body := append(bytes.Clone(random[shift:shift+20+8+4*shift]), make([]byte, size)...)
			for i := range size {
				body[len(body)-size+i] = byte(i)
			}
			if quoted, extensions := splitExtensions(body, 0); extensions != nil || len(quoted) != len(body) {
				t.Fatalf("%d bytes of payload behind %d: extensions %x", size, len(body)-size, extensions)
			}
		}
	}
}

// TestRandomPayloadIsNoExtension gives random payload all but what it cannot have: objects that fill it. One in 65,000
// has that too, by chance.
func TestRandomPayloadIsNoExtension(t *testing.T) {
	random := rand.New(rand.NewPCG(4884, 4950))
	taken, rounds := 0, 20000
	for range rounds {
		body := make([]byte, 128+12+random.IntN(400)&^1)
		for i := range body {
			body[i] = byte(random.Uint32())
		}
		body[128] = 0x20
		withChecksum(body[128:])
		if _, extensions := splitExtensions(body, 0); extensions != nil {
			taken++
		}
	}
	if taken > 5 {
		t.Errorf("%d of %d random payloads with version and checksum right were taken for extensions", taken, rounds)
	}
}

func TestParseError6Extensions(t *testing.T) {
	tests := []struct {
		name               string
		kind               uint8
		word               string
		wantQuoted, wantEx int
	}{
		{"length 128", Type6TimeExceeded, "1000 0000", 128, 12},
		{"length 128", Type6DestinationUnreachable, "1000 0000", 128, 12},
		{"legacy", Type6TimeExceeded, "0000 0000", 128, 12},
		{"length in 32-bit words is beyond the message", Type6TimeExceeded, "2000 0000", 128, 12},
		{"packet too big has none", Type6PacketTooBig, "1000 0000", 140, 0},
		{"parameter problem has none", Type6ParameterProblem, "0000 0000", 140, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, ok := ParseError6(errorMessage(t, test.kind, test.word, 128, mplsExtension))
			if !ok || len(e.Quoted) != test.wantQuoted || len(e.Extensions) != test.wantEx {
				t.Errorf("%d bytes quoted, %d of extensions, %v, want %d and %d",
					len(e.Quoted), len(e.Extensions), ok, test.wantQuoted, test.wantEx)
			}
		})
	}
}

// TestParseErrorSecondWord reads what depends on the type: MTU, pointer, or nothing.
func TestParseErrorSecondWord(t *testing.T) {
	tests := []struct {
		name         string
		parse        func([]byte) (Error, bool)
		bytes        string
		mtu, pointer int
	}{
		{"ICMP fragmentation needed", ParseError4, "0304 0000 0000 05dc", 1500, 0},
		{"ICMP fragmentation needed before RFC 1191", ParseError4, "0304 0000 0000 0000", 0, 0},
		{"ICMP port unreachable has no MTU", ParseError4, "0303 0000 0000 05dc", 0, 0},
		{"ICMP parameter problem", ParseError4, "0c00 0000 1400 0000", 0, 20},
		{"ICMP time exceeded", ParseError4, "0b00 0000 1400 05dc", 0, 0},
		{"ICMP source quench", ParseError4, "0400 0000 14ff 05dc", 0, 0},
		{"ICMPv6 packet too big", ParseError6, "0200 0000 0000 2328", 9000, 0},
		{"ICMPv6 packet too big, absurd", ParseError6, "0200 0000 ffff ffff", 1<<31 - 1, 0},
		{"ICMPv6 parameter problem", ParseError6, "0401 0000 0000 0028", 0, 40},
		{"ICMPv6 time exceeded", ParseError6, "0300 0000 0000 05dc", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, ok := test.parse(unhex(t, test.bytes))
			if !ok || e.MTU != test.mtu || e.Pointer != test.pointer {
				t.Errorf("MTU %d, pointer %d, %v, want %d and %d", e.MTU, e.Pointer, ok, test.mtu, test.pointer)
			}
		})
	}
}

func TestParseErrorRefuses(t *testing.T) {
	errors4 := []int{3, 4, 11, 12}
	errors6 := []int{1, 2, 3, 4}
	for kind := range 256 {
		b := []byte{byte(kind), 0, 0, 0, 0, 0, 0, 0}
		if _, ok := ParseError4(b); ok != slices.Contains(errors4, kind) {
			t.Errorf("ParseError4 of type %d = %v", kind, ok)
		}
		if _, ok := ParseError6(b); ok != slices.Contains(errors6, kind) {
			t.Errorf("ParseError6 of type %d = %v", kind, ok)
		}
		_, ok4 := ParseError4(b[:7])
		_, ok6 := ParseError6(b[:7])
		if ok4 || ok6 {
			t.Errorf("type %d of 7 bytes: %v, %v, want it refused", kind, ok4, ok6)
		}
	}
}

func FuzzParseError4(f *testing.F) {
	fuzzParseError(f, ParseError4)
}

func FuzzParseError6(f *testing.F) {
	fuzzParseError(f, ParseError6)
}

func fuzzParseError(f *testing.F, parse func([]byte) (Error, bool)) {
	f.Helper()
	for _, b := range captures(f) {
		f.Add(b[20:])
		f.Add(b[min(40, len(b)):])
	}
	for _, word := range []string{"0000 0000", "0020 0000", "1000 0000", "ffff ffff"} {
		f.Add(errorMessage(f, 11, word, 128, mplsExtension))
		f.Add(errorMessage(f, 3, word, 128, twoObjects))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		e, ok := parse(b)
		checkUntouched(t, was, b)
		if !ok {
			return
		}
		checkWithin(t, "quoted", b, e.Quoted)
		checkWithin(t, "extensions", b, e.Extensions)
		if !bytes.Equal(slices.Concat(e.Quoted, e.Extensions), b[8:]) {
			t.Fatal("quoted datagram and extensions are not the message")
		}
		if e.Type != b[0] || e.Code != b[1] || e.MTU < 0 || e.Pointer < 0 {
			t.Fatalf("parsed as %+v", e)
		}
		if e.Extensions != nil && (len(e.Quoted) < 128 || len(e.Extensions) < 4) {
			t.Fatalf("extensions of %d bytes behind %d", len(e.Extensions), len(e.Quoted))
		}
	})
}

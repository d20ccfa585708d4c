// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

// capture reads a datagram, from its IP header, that tcpdump took between Linux hosts: testdata/NAME.hex, whose first
// line says what tcpdump took it for.
func capture(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		tb.Fatal(err)
	}
	_, digits, _ := strings.Cut(string(text), "\n")
	return unhex(tb, digits)
}

// captures reads all of them.
func captures(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no captures in testdata: %v", err)
	}
	all := make(map[string][]byte, len(files))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hex")
		all[name] = capture(tb, name)
	}
	return all
}

// payload4 is what follows the IPv4 header of a capture.
func payload4(tb testing.TB, name string) []byte {
	tb.Helper()
	_, payload, ok := ParseIPv4(capture(tb, name))
	if !ok {
		tb.Fatalf("capture %s is not IPv4", name)
	}
	return payload
}

// payload6 is what follows the IPv6 header of a capture.
func payload6(tb testing.TB, name string) []byte {
	tb.Helper()
	_, _, payload, ok := ParseIPv6(capture(tb, name))
	if !ok {
		tb.Fatalf("capture %s is not IPv6", name)
	}
	return payload
}

// unhex decodes hexadecimal digits, with blanks for the eye.
func unhex(tb testing.TB, digits string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// checkWithin fails the test unless part lies in whole.
func checkWithin(t *testing.T, what string, whole, part []byte) {
	t.Helper()
	if len(part) == 0 {
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if at < start || at+uintptr(len(part)) > start+uintptr(len(whole)) {
		t.Fatalf("%s: %d bytes outside the input of %d", what, len(part), len(whole))
	}
}

// checkUntouched fails the test unless b still is what it was.
func checkUntouched(t *testing.T, was, b []byte) {
	t.Helper()
	if !bytes.Equal(was, b) {
		t.Fatalf("the parser changed its input %x to %x", was, b)
	}
}

func TestParsersDoNotAllocate(t *testing.T) {
	ip4, ip6 := capture(t, "ipv4_time_exceeded_echo"), capture(t, "ipv6_time_exceeded_echo")
	icmp4, icmp6 := payload4(t, "ipv4_time_exceeded_echo"), payload6(t, "ipv6_time_exceeded_echo")
	udp, tcp, extensions := payload4(t, "ipv4_udp"), payload4(t, "ipv4_tcp_syn_ack"), unhex(t, mplsExtension)
	legacy := errorMessage(t, TypeTimeExceeded, "0000 0000", 128, mplsExtension)
	tests := map[string]func() bool{
		"ParseIPv4": func() bool { _, _, ok := ParseIPv4(ip4); return ok },
		"ParseIPv6": func() bool { _, _, _, ok := ParseIPv6(ip6); return ok },
		"ParseEcho": func() bool { _, _, ok := ParseEcho(icmp4); return ok },
		"ParseUDP":  func() bool { _, _, ok := ParseUDP(udp); return ok },
		"ParseTCP": func() bool {
			h, _, _ := ParseTCP(tcp)
			_, ok := h.AnsweredSYN()
			return ok
		},
		"ParseMPLS":    func() bool { _, ok := ParseMPLS(extensions); return ok },
		"legacy":       func() bool { e, _ := ParseError4(legacy); return e.Extensions != nil },
		"ParseError4":  func() bool { _, ok := ParseError4(icmp4); return ok },
		"ParseError6":  func() bool { _, ok := ParseError6(icmp6); return ok },
		"ParseQuoted4": func() bool { _, ok := ParseQuoted4(icmp4[8:]); return ok },
		"ParseQuoted6": func() bool { _, ok := ParseQuoted6(icmp6[8:]); return ok },
		"Extensions": func() bool {
			labels := 0
			for o := range Extensions(extensions) {
				labels += len(o.Data) / 4
			}
			return labels == 1
		},
	}
	for name, parse := range tests {
		t.Run(name, func(t *testing.T) {
			allocations := testing.AllocsPerRun(100, func() {
				if !parse() {
					t.Error("not parsed")
				}
			})
			if allocations != 0 {
				t.Errorf("%v allocations, want 0", allocations)
			}
		})
	}
}

func TestAppendersDoNotAllocateInARoomyBuffer(t *testing.T) {
	buf := make([]byte, 0, 128)
	var addr4 [4]byte
	var addr16 [16]byte
	segment := TCP{Ack: 1}
	object := ExtensionObject{Class: ClassMPLS, CType: CTypeIncomingStack, Data: []byte{0, 0, 1, 1}}
	tests := map[string]func() int{
		"AppendIPv4":   func() int { return len(AppendIPv4(buf, IPv4{TTL: 1})) },
		"AppendIPv6":   func() int { return len(AppendIPv6(buf, IPv6{HopLimit: 1})) },
		"AppendEcho":   func() int { return len(AppendEcho(buf, Echo{Type: TypeEchoRequest})) },
		"AppendUDP":    func() int { return len(AppendUDP(buf, UDP{Length: 8})) },
		"UDPChecksum4": func() int { return int(UDPChecksum4(addr4, addr4, buf[:8])) },
		"UDPChecksum6": func() int { return int(UDPChecksum6(addr16, addr16, buf[:8])) },
		"AppendTCP":    func() int { return len(AppendTCP(buf, segment)) },
		"AppendSYN":    func() int { return len(AppendSYN(buf, 1, 2, 3, 1460)) },
		"AppendRST":    func() int { return len(AppendRST(buf, segment)) },
		"TCPChecksum4": func() int { return int(TCPChecksum4(addr4, addr4, buf[:20])) },
		"TCPChecksum6": func() int { return int(TCPChecksum6(addr16, addr16, buf[:20])) },
		"AppendMPLS":   func() int { return len(AppendMPLS(buf, 1, 2)) },
		"AppendExtensions": func() int {
			return len(AppendExtensions(buf, object))
		},
		"BalanceEcho": func() int { BalanceEcho(buf[:16], 8, 0, 7); return int(buf[:4][3]) },
		"BalanceUDP":  func() int { BalanceUDP(buf[:16], 8, 0, 7); return int(buf[:8][7]) },
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			allocations := testing.AllocsPerRun(100, func() {
				if run() == 0 {
					t.Error("nothing appended")
				}
			})
			if allocations != 0 {
				t.Errorf("%v allocations, want 0", allocations)
			}
		})
	}
}

// appendHeader appends the header that a capture starts with, and its payload's, out of their parsed forms.
func appendHeader(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out, upper []byte
	var proto uint8
	if b[0]>>4 == 4 {
		h, payload, _ := ParseIPv4(b)
		out, proto, upper = AppendIPv4(nil, h), h.Protocol, payload
	} else {
		h, next, payload, _ := ParseIPv6(b)
		out, proto, upper = AppendIPv6(nil, h), next, payload
	}
	switch proto {
	case ProtoICMP, ProtoICMPv6:
		e, _, _ := ParseEcho(upper)
		out = AppendEcho(out, e)
	case ProtoUDP:
		u, _, _ := ParseUDP(upper)
		out = AppendUDP(out, u)
	}
	return out
}

func TestCapturesComeOutOfAppendAsTheyWere(t *testing.T) {
	for name, b := range captures(t) {
		t.Run(name, func(t *testing.T) {
			got := appendHeader(t, b)
			if !bytes.Equal(got, b[:len(got)]) {
				t.Errorf("headers\n got %x\nwant %x", got, b[:len(got)])
			}
		})
	}
}

// TestAppendKeepsWhatIsInTheBuffer holds every appender to append's own habit; AppendIPv4's checksum must cover its
// header alone.
func TestAppendKeepsWhatIsInTheBuffer(t *testing.T) {
	h4, h6 := IPv4{TotalLen: 28, TTL: 3, Protocol: ProtoUDP}, IPv6{FlowLabel: 0xabcde, HopLimit: 3}
	tests := map[string]func([]byte) []byte{
		"AppendIPv4": func(b []byte) []byte { return AppendIPv4(b, h4) },
		"AppendIPv6": func(b []byte) []byte { return AppendIPv6(b, h6) },
		"AppendEcho": func(b []byte) []byte { return AppendEcho(b, Echo{Type: 8, ID: 1, Seq: 2}) },
		"AppendUDP":  func(b []byte) []byte { return AppendUDP(b, UDP{SrcPort: 1, DstPort: 2, Length: 8}) },
		"AppendTCP":  func(b []byte) []byte { return AppendTCP(b, TCP{SrcPort: 1, DstPort: 2, Seq: 3}) },
		"AppendSYN":  func(b []byte) []byte { return AppendSYN(b, 1, 2, 3, 1460) },
		"AppendRST":  func(b []byte) []byte { return AppendRST(b, TCP{SrcPort: 1, DstPort: 2, Ack: 3}) },
		"AppendMPLS": func(b []byte) []byte { return AppendMPLS(b, 1, 2) },
		"AppendExtensions": func(b []byte) []byte {
			return AppendExtensions(b, ExtensionObject{1, 1, []byte{0, 0, 1, 1}})
		},
	}
	for name, appendTo := range tests {
		t.Run(name, func(t *testing.T) {
			prefix := binary.BigEndian.AppendUint64(nil, 0x0123456789abcdef)
			want := append(bytes.Clone(prefix), appendTo(nil)...)
			if got := appendTo(prefix); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
}

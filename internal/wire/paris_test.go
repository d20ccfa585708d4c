// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// The addresses of the probes that are balanced here.
var (
	src4, dst4 = source4.As4(), target4.As4()
	src6, dst6 = source6.As16(), target6.As16()
)

// balancedEcho is an echo request whose sequence and tail vary, balanced to want at byte 20.
func balancedEcho(typ uint8, seq uint16, tail []byte, rest func(length int) uint32, want uint16) []byte {
	b := AppendEcho(nil, Echo{Type: typ, Checksum: 0x5a5a, ID: 0x34e2, Seq: seq})
	b = append(append(b, "connmonitor?\xa5\xa5"...), tail...)
	BalanceEcho(b, 20, rest(len(b)), want)
	return b
}

func noRest(int) uint32 { return 0 }

func pseudoICMPv6(length int) uint32 { return Pseudo6(src6, dst6, ProtoICMPv6, length) }

// checkEcho holds the checksum and says whether the message is intact.
func checkEcho(t *testing.T, b []byte, rest, want uint16) {
	t.Helper()
	if want == 0xffff {
		want = 0
	}
	if got := binary.BigEndian.Uint16(b[2:]); got != want {
		t.Fatalf("checksum %#04x, want %#04x", got, want)
	}
	if got := Fold(Sum(b, uint32(rest))); got != 0xffff {
		t.Fatalf("message sums to %#04x, want 0xffff", got)
	}
}

// TestPain13BalanceEcho holds the checksum of all sequence numbers, and of all checksums of one, for both families.
func TestPain13BalanceEcho(t *testing.T) {
	for n := range 0x10000 {
		varied := uint16(n)
		checkEcho(t, balancedEcho(TypeEchoRequest, varied, nil, noRest, 0xbeef), 0, 0xbeef)
		checkEcho(t, balancedEcho(TypeEchoRequest, 7, []byte{1}, noRest, varied), 0, varied)
		b := balancedEcho(Type6EchoRequest, varied, nil, pseudoICMPv6, 0xbeef)
		checkEcho(t, b, Fold(pseudoICMPv6(len(b))), 0xbeef)
		b = balancedEcho(Type6EchoRequest, 7, []byte{1}, pseudoICMPv6, varied)
		checkEcho(t, b, Fold(pseudoICMPv6(len(b))), varied)
	}
}

// TestBalanceEchoLeavesTheRest changes checksum and balancing word, nothing else.
func TestBalanceEchoLeavesTheRest(t *testing.T) {
	b := balancedEcho(TypeEchoRequest, 9, []byte("tail"), noRest, 0xbeef)
	want := append(AppendEcho(nil, Echo{Type: TypeEchoRequest, Checksum: 0xbeef, ID: 0x34e2, Seq: 9}), "connmonitor?"...)
	want = append(append(want, b[20:22]...), "tail"...)
	if !bytes.Equal(b, want) {
		t.Errorf("got %x, want %x", b, want)
	}
}

// TestBalanceEchoOfAPart balances the head of a message whose payload goes on elsewhere, as in a batch that shares it.
func TestBalanceEchoOfAPart(t *testing.T) {
	filler := randomBytes(301)
	whole := balancedEcho(TypeEchoRequest, 9, filler, noRest, 0xbeef)
	head := balancedEcho(TypeEchoRequest, 9, nil, func(int) uint32 { return Sum(filler, 0) }, 0xbeef)
	if !bytes.Equal(whole, append(head, filler...)) {
		t.Errorf("head %x, want %x", head, whole[:len(head)])
	}
}

// TestBalanceEcho6WithoutPseudoHeader is a socket on which the kernel writes the checksum, over addresses that it alone
// knows: it comes out the same for every sequence number.
func TestBalanceEcho6WithoutPseudoHeader(t *testing.T) {
	var first uint16
	for n := range 0x10000 {
		b := balancedEcho(Type6EchoRequest, uint16(n), nil, noRest, 0xbeef)
		binary.BigEndian.PutUint16(b[2:], 0)
		kernels := ^Fold(Sum(b, pseudoICMPv6(len(b))))
		if n == 0 {
			first = kernels
		}
		if kernels != first {
			t.Fatalf("sequence %d: the kernel's checksum is %#04x, want %#04x", n, kernels, first)
		}
	}
}

// balancedUDP4 and balancedUDP6 are datagrams of fixed ports with the payload and a balancing word before it.
func balancedUDP4(payload []byte, want uint16) []byte {
	b := unbalancedUDP(payload)
	BalanceUDP(b, 8, Pseudo4(src4, dst4, ProtoUDP, len(b)), want)
	return b
}

func balancedUDP6(payload []byte, want uint16) []byte {
	b := unbalancedUDP(payload)
	BalanceUDP(b, 8, Pseudo6(src6, dst6, ProtoUDP, len(b)), want)
	return b
}

func unbalancedUDP(payload []byte) []byte {
	b := AppendUDP(nil, UDP{SrcPort: 49152, DstPort: 33434, Length: 10 + len(payload), Checksum: 0x5a5a})
	return append(append(b, 0xa5, 0xa5), payload...)
}

// checkUDP holds the checksum, that a receiver takes the datagram for intact, and that the flow is as it was.
func checkUDP(t *testing.T, b, payload []byte, want uint16, checksum func([]byte) uint16) {
	t.Helper()
	if want == 0 {
		want = 0xffff
	}
	u, got, ok := ParseUDP(b)
	if !ok || u != (UDP{49152, 33434, 10 + len(payload), want}) || !bytes.Equal(got[2:], payload) {
		t.Fatalf("datagram %+v with %x, %v, want checksum %#04x and %x", u, got, ok, want, payload)
	}
	if sum := checksum(b); sum != 0xffff {
		t.Fatalf("checksum %#04x does not hold: %#04x over the datagram", want, sum)
	}
	binary.BigEndian.PutUint16(b[6:], 0)
	if sum := checksum(b); sum != want {
		t.Fatalf("checksum %#04x, want %#04x", sum, want)
	}
}

func udpChecksumOf4(b []byte) uint16 { return UDPChecksum4(src4, dst4, b) }
func udpChecksumOf6(b []byte) uint16 { return UDPChecksum6(src6, dst6, b) }

// TestBalanceUDP carries every identity of a probe in the checksum, over both families. It is never zero.
func TestBalanceUDP(t *testing.T) {
	payload := []byte("odd")
	for n := range 0x10000 {
		want := uint16(n)
		checkUDP(t, balancedUDP4(payload, want), payload, want, udpChecksumOf4)
		checkUDP(t, balancedUDP6(payload, want), payload, want, udpChecksumOf6)
		payload[2] = byte(n)
	}
}

// TestBalanceAtAnyWord puts the balancing word elsewhere than right behind the header.
func TestBalanceAtAnyWord(t *testing.T) {
	for at := 8; at <= 28; at += 2 {
		b := append(AppendUDP(nil, UDP{SrcPort: 1, DstPort: 2, Length: 31}), randomBytes(23)...)
		BalanceUDP(b, at, Pseudo4(src4, dst4, ProtoUDP, len(b)), 0xcafe)
		if got := udpChecksumOf4(b); got != 0xffff || binary.BigEndian.Uint16(b[6:]) != 0xcafe {
			t.Errorf("word at %d: checksum %x does not hold", at, b[6:8])
		}
	}
}

func FuzzBalance(f *testing.F) {
	f.Add(uint16(0), uint16(0), []byte{})
	f.Add(uint16(0xffff), uint16(0xffff), []byte{0xff, 0xff, 0})
	f.Add(uint16(1), uint16(0xbeef), randomBytes(85))
	f.Fuzz(func(t *testing.T, seq, want uint16, tail []byte) {
		tail = tail[:min(len(tail), 65000)]
		checkEcho(t, balancedEcho(TypeEchoRequest, seq, tail, noRest, want), 0, want)
		b := balancedEcho(Type6EchoRequest, seq, tail, pseudoICMPv6, want)
		checkEcho(t, b, Fold(pseudoICMPv6(len(b))), want)
		checkUDP(t, balancedUDP4(tail, want), tail, want, udpChecksumOf4)
		checkUDP(t, balancedUDP6(tail, want), tail, want, udpChecksumOf6)
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// naiveChecksum is RFC 1071 word by word.
func naiveChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
		if sum > 0xffff {
			sum -= 0xffff
		}
	}
	return ^uint16(sum)
}

// randomBytes are the same n bytes on every run.
func randomBytes(n int) []byte {
	random := rand.New(rand.NewPCG(1071, 792))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func TestChecksumIsThatOfTheNaiveReference(t *testing.T) {
	random := randomBytes(300)
	for n := range len(random) + 1 {
		for offset := range min(8, n+1) {
			b := random[offset:n]
			if got, want := Checksum(b), naiveChecksum(b); got != want {
				t.Fatalf("Checksum of %d bytes at %d = %#04x, want %#04x", len(b), offset, got, want)
			}
		}
	}
}

func TestChecksum(t *testing.T) {
	tests := []struct {
		name, bytes string
		want        uint16
	}{
		{"nothing", "", 0xffff},
		{"zeros", "0000 0000", 0xffff},
		{"ones, the other zero", "ffff ffff", 0},
		{"example of RFC 1071 3", "0001 f203 f4f5 f6f7", ^uint16(0xddf2)},
		{"odd length is padded behind", "0001 f2", ^uint16(0xf201)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Checksum(unhex(t, test.bytes)); got != test.want {
				t.Errorf("Checksum = %#04x, want %#04x", got, test.want)
			}
		})
	}
}

func TestSumCarriesDoNotOverflow(t *testing.T) {
	ones := make([]byte, 65535)
	for i := range ones {
		ones[i] = 0xff
	}
	if got, want := Checksum(ones), naiveChecksum(ones); got != want {
		t.Errorf("Checksum of 65535 bytes 0xff = %#04x, want %#04x", got, want)
	}
	if got := Fold(Sum(ones[:64], 0xffffffff)); got != 0xffff {
		t.Errorf("Sum with the largest initial value folds to %#04x, want 0xffff", got)
	}
	if got := Fold(0xffffffff); got != 0xffff {
		t.Errorf("Fold(0xffffffff) = %#04x, want 0xffff", got)
	}
}

func TestSumOfPiecesIsSumOfTheWhole(t *testing.T) {
	b := randomBytes(201)
	for cut := 0; cut <= len(b); cut += 2 {
		chained := Fold(Sum(b[cut:], Sum(b[:cut], 0)))
		added := Fold(Sum(b[:cut], 0) + Sum(b[cut:], 0))
		if want := ^Checksum(b); chained != want || added != want {
			t.Fatalf("cut at %d: chained %#04x, added %#04x, want %#04x", cut, chained, added, want)
		}
	}
}

// TestCapturedChecksumsAreRight takes every checksum that a Linux host or router put on the wire. UDP and TCP probes
// left their sender with the checksum to be done by hardware, so theirs are not there to check.
func TestCapturedChecksumsAreRight(t *testing.T) {
	for name, b := range captures(t) {
		t.Run(name, func(t *testing.T) {
			if h, payload, ok := ParseIPv4(b); ok {
				if got := Checksum(b[:h.HeaderLen]); got != 0 {
					t.Errorf("IPv4 header's Checksum = %#04x, want 0", got)
				}
				if got := Checksum(payload); h.Protocol == ProtoICMP && got != 0 {
					t.Errorf("ICMP message's Checksum = %#04x, want 0", got)
				}
			}
			// Defect 9: the ICMPv6 checksum covers the addresses that the packet has, not those of some interface.
			if h, proto, payload, ok := ParseIPv6(b); ok && proto == ProtoICMPv6 {
				if got := Fold(Sum(payload, Pseudo6(h.Src, h.Dst, proto, len(payload)))); got != 0xffff {
					t.Errorf("ICMPv6 message with pseudo header sums to %#04x, want 0xffff", got)
				}
			}
		})
	}
}

func TestPseudoHeadersAreTheSumsOfTheirBytes(t *testing.T) {
	src4, dst4 := [4]byte{192, 0, 2, 255}, [4]byte{198, 51, 100, 2}
	b := append(append([]byte{}, src4[:]...), dst4[:]...)
	b = append(b, 0, ProtoUDP, 0xfe, 0xdc)
	if got, want := Fold(Pseudo4(src4, dst4, ProtoUDP, 0xfedc)), Fold(Sum(b, 0)); got != want {
		t.Errorf("Pseudo4 = %#04x, want %#04x", got, want)
	}

	src6, dst6 := [16]byte(randomBytes(16)), [16]byte(randomBytes(32)[16:])
	b = append(append([]byte{}, src6[:]...), dst6[:]...)
	b = binary.BigEndian.AppendUint32(b, 0x12345)
	b = append(b, 0, 0, 0, ProtoICMPv6)
	if got, want := Fold(Pseudo6(src6, dst6, ProtoICMPv6, 0x12345)), Fold(Sum(b, 0)); got != want {
		t.Errorf("Pseudo6 = %#04x, want %#04x", got, want)
	}
}

// TestPain13ChecksumIsConstantOverSequences holds a Paris trace's ICMP checksum, by which routers choose among equal
// paths, the same for every sequence number.
func TestPain13ChecksumIsConstantOverSequences(t *testing.T) {
	const want = 0xbeef
	for seq := range 0x10000 {
		b := AppendEcho(make([]byte, 0, 24), Echo{Type: TypeEchoRequest, ID: 0x34e2, Seq: uint16(seq)})
		b = append(b, "connmonitor\x00\x00\x00"...)
		binary.BigEndian.PutUint16(b[20:], Balance(Sum(b, 0), want))
		if got := Checksum(b); got != want {
			t.Fatalf("sequence %d: checksum %#04x, want %#04x", seq, got, want)
		}
	}
}

func TestBalanceAtTheTwoZeros(t *testing.T) {
	for _, sum := range []uint32{1, 0x8000, 0xfffe, 0xffff, 0x10000, 0xffffffff} {
		for _, want := range []uint16{0, 1, 0x7fff, 0x8000, 0xfffe} {
			if got := ^Fold(uint32(Fold(sum)) + uint32(Balance(sum, want))); got != want {
				t.Errorf("sum %#x balanced to %#04x, want %#04x", sum, got, want)
			}
		}
		if got := ^Fold(uint32(Fold(sum)) + uint32(Balance(sum, 0xffff))); got != 0 {
			t.Errorf("sum %#x balanced to %#04x, want 0 in place of 0xffff, which cannot be", sum, got)
		}
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte{}, uint16(0))
	f.Add([]byte{0xff, 0xff, 0}, uint16(0xffff))
	f.Add(randomBytes(85), uint16(0xbeef))
	f.Fuzz(func(t *testing.T, b []byte, want uint16) {
		if got, naive := Checksum(b), naiveChecksum(b); got != naive {
			t.Fatalf("Checksum = %#04x, want %#04x", got, naive)
		}
		b = append(b[:len(b)&^1:len(b)&^1], 0, 0)
		sum := Sum(b, 0)
		if sum == 0 || want == 0xffff {
			return
		}
		binary.BigEndian.PutUint16(b[len(b)-2:], Balance(sum, want))
		if got := Checksum(b); got != want {
			t.Fatalf("balanced to %#04x, want %#04x", got, want)
		}
	})
}

func BenchmarkSum(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64", 64}, {"1500", 1500}, {"65507", 65507}} {
		b.Run(size.name, func(b *testing.B) {
			message := randomBytes(size.bytes)
			b.SetBytes(int64(len(message)))
			var sum uint32
			for b.Loop() {
				sum = Sum(message, sum)
			}
		})
	}
}

// TestAdjust: what a translator makes of a checksum is the checksum of what it
// makes of the datagram.
func TestAdjust(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		var src, dst, other [4]byte
		for _, a := range []*[4]byte{&src, &dst, &other} {
			binary.BigEndian.PutUint32(a[:], rng.Uint32())
		}
		b := AppendUDP(nil, UDP{SrcPort: uint16(rng.Uint32()), DstPort: 33434, Length: 8})
		was, want := UDPChecksum4(src, dst, b), UDPChecksum4(src, other, b)
		got := Adjust(was, Sum(dst[:], 0), Sum(other[:], 0))
		if got == 0 {
			got = 0xffff
		}
		if got != want {
			t.Fatalf("%v to %v: %#04x becomes %#04x, want %#04x", dst, other, was, got, want)
		}
	}
}

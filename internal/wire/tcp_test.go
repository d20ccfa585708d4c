// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// What a Linux server answered to a SYN, at an open and at a closed port.
var (
	synAck4 = TCP{80, 52650, 2453405891, 2589975170, 40, FlagSYN | FlagACK, 65160, 0x92ee}
	synAck6 = TCP{80, 34328, 1421677628, 1995164224, 40, FlagSYN | FlagACK, 64260, 0xb392}
	rst4    = TCP{81, 57614, 0, 3933597201, 20, FlagRST | FlagACK, 0, 0x09b1}
	rst6    = TCP{81, 43348, 0, 1669910445, 20, FlagRST | FlagACK, 0, 0x777c}
)

func TestParseTCP(t *testing.T) {
	tests := []struct {
		name    string
		segment []byte
		want    TCP
	}{
		{"SYN", payload4(t, "ipv4_tcp_syn"), TCP{
			SrcPort: 54587, DstPort: 80, Seq: 3952391679, HeaderLen: 40, Flags: FlagSYN, Window: 5840, Checksum: 0xaea2,
		}},
		{"SYN-ACK", payload4(t, "ipv4_tcp_syn_ack"), synAck4},
		{"RST with ACK", payload4(t, "ipv4_tcp_rst"), rst4},
		{"SYN-ACK over IPv6", payload6(t, "ipv6_tcp_syn_ack"), synAck6},
		{"RST over IPv6", payload6(t, "ipv6_tcp_rst"), rst6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, payload, ok := ParseTCP(test.segment)
			if !ok || got != test.want || len(payload) != 0 {
				t.Errorf("ParseTCP = %+v, %x, %v, want %+v", got, payload, ok, test.want)
			}
		})
	}
}

func TestParseTCPDataOffset(t *testing.T) {
	const start, rest = "0001 0002 0000 0003 0000 0004", "12 0005 0006 0000"
	tests := []struct {
		name, bytes        string
		headerLen, payload int
		ok                 bool
	}{
		{"nothing", "", 0, 0, false},
		{"19 bytes", start + "50 12 0005 0006 00", 0, 0, false},
		{"data offset 0", start + "00" + rest, 0, 0, false},
		{"data offset 4", start + "40" + rest, 0, 0, false},
		{"no options", start + "50" + rest, 20, 0, true},
		{"payload", start + "50" + rest + "4041", 20, 2, true},
		{"options", start + "60" + rest + "0101 0101 40", 24, 1, true},
		{"options cut", start + "60" + rest + "0101 01", 0, 0, false},
		{"reserved bits", start + "5f" + rest, 20, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, payload, ok := ParseTCP(unhex(t, test.bytes))
			if ok != test.ok || h.HeaderLen != test.headerLen || len(payload) != test.payload {
				t.Errorf("ParseTCP = %+v, %x, %v", h, payload, ok)
			}
		})
	}
}

func TestAnsweredSYN(t *testing.T) {
	tests := []struct {
		name  string
		flags uint8
		ack   uint32
		want  uint32
		ok    bool
	}{
		{"SYN-ACK", FlagSYN | FlagACK, 8, 7, true},
		{"RST", FlagRST | FlagACK, 8, 7, true},
		{"SYN-ACK with ECN", FlagSYN | FlagACK | 0x40, 8, 7, true},
		{"of the last sequence number", FlagSYN | FlagACK, 0, 0xffffffff, true},
		{"RST that acknowledges nothing", FlagRST, 8, 0, false},
		{"ACK of a connection half open", FlagACK, 8, 0, false},
		{"SYN", FlagSYN, 8, 0, false},
		{"FIN", FlagFIN | FlagACK, 8, 0, false},
		{"data", FlagPSH | FlagACK, 8, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seq, ok := TCP{Flags: test.flags, Ack: test.ack}.AnsweredSYN()
			if ok != test.ok || seq != test.want {
				t.Errorf("AnsweredSYN = %d, %v, want %d, %v", seq, ok, test.want, test.ok)
			}
		})
	}
}

func TestAppendSYN(t *testing.T) {
	got := AppendSYN(nil, 49152, 443, 0xdeadbeef, 1460)
	want := unhex(t, "c000 01bb deadbeef 00000000 80 02 faf0 0000 0000"+"0204 05b4 01 030308 01 01 0402")
	if !bytes.Equal(got, want) {
		t.Errorf("AppendSYN = %x, want %x", got, want)
	}
	h, payload, ok := ParseTCP(got)
	if want := (TCP{49152, 443, 0xdeadbeef, 0, 32, FlagSYN, 64240, 0}); !ok || h != want || len(payload) != 0 {
		t.Errorf("ParseTCP = %+v, %x, %v, want %+v", h, payload, ok, want)
	}
}

// TestAppendRST closes what a server's SYN-ACK half opened: RFC 9293 3.5.2, <SEQ=SEG.ACK><CTL=RST>.
func TestAppendRST(t *testing.T) {
	got := AppendRST(nil, synAck4)
	h, payload, ok := ParseTCP(got)
	want := TCP{
		SrcPort: synAck4.DstPort, DstPort: synAck4.SrcPort, Seq: synAck4.Ack, HeaderLen: 20, Flags: FlagRST,
	}
	if !ok || h != want || len(payload) != 0 || len(got) != 20 {
		t.Errorf("AppendRST = %+v, %x, %v, want %+v", h, payload, ok, want)
	}
}

// TestTCPChecksumOfCaptures takes what Linux put on the wire.
func TestTCPChecksumOfCaptures(t *testing.T) {
	for _, name := range []string{"ipv4_tcp_syn_ack", "ipv4_tcp_rst"} {
		h, segment, _ := ParseIPv4(capture(t, name))
		checkTCPChecksum(t, name, segment, func(b []byte) uint16 { return TCPChecksum4(h.Src, h.Dst, b) })
	}
	for _, name := range []string{"ipv6_tcp_syn_ack", "ipv6_tcp_rst"} {
		h, _, segment, _ := ParseIPv6(capture(t, name))
		checkTCPChecksum(t, name, segment, func(b []byte) uint16 { return TCPChecksum6(h.Src, h.Dst, b) })
	}
}

func checkTCPChecksum(t *testing.T, name string, segment []byte, checksum func([]byte) uint16) {
	t.Helper()
	if got := checksum(segment); got != 0 {
		t.Errorf("%s: %#04x over the whole segment, want 0", name, got)
	}
	was := binary.BigEndian.Uint16(segment[16:])
	binary.BigEndian.PutUint16(segment[16:], 0)
	if got := checksum(segment); got != was {
		t.Errorf("%s: checksum %#04x, want %#04x", name, got, was)
	}
}

func FuzzParseTCP(f *testing.F) {
	f.Add(payload4(f, "ipv4_tcp_syn"))
	f.Add(payload4(f, "ipv4_tcp_syn_ack"))
	f.Add(payload6(f, "ipv6_tcp_rst"))
	f.Add(AppendSYN(nil, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		h, payload, ok := ParseTCP(b)
		checkUntouched(t, was, b)
		if !ok {
			if h != (TCP{}) || payload != nil {
				t.Fatalf("refused, but filled: %+v, %x", h, payload)
			}
			return
		}
		checkWithin(t, "payload", b, payload)
		if h.HeaderLen+len(payload) != len(b) {
			t.Fatalf("header of %d bytes and payload of %d in %d", h.HeaderLen, len(payload), len(b))
		}
		out := AppendTCP(nil, h)
		want := append(bytes.Clone(b[:18]), 0, 0) // The urgent pointer is not kept, and neither are reserved bits.
		want[12] = 5 << 4
		if !bytes.Equal(out, want) {
			t.Fatalf("round trip: %x, want %x", out, want)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

var (
	source4, target4 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.2")
	source6, target6 = netip.MustParseAddr("2001:db8:1::2"), netip.MustParseAddr("2001:db8:2::2")
)

// TestDefect12QuotedDatagramNamesItsProbe finds in each captured error all that tells one probe from another; pain 2 is
// the same of mtr.
func TestDefect12QuotedDatagramNamesItsProbe(t *testing.T) {
	echo := Quoted{
		Src: source4, Dst: target4, Protocol: ProtoICMP, TTL: 1, IPID: 41877, DF: true, HeaderLen: 20, Length: 44,
		Type: TypeEchoRequest, ID: 13540, Seq: 1, Checksum: 0xac60,
	}
	big := echo
	big.TTL, big.IPID, big.Length, big.ID, big.Checksum = 64, 0, 1428, 13545, 0x5ed5
	tests := []struct {
		capture string
		want    Quoted
		payload int
	}{
		{"ipv4_time_exceeded_echo", echo, 16},
		{"ipv4_fragmentation_needed", big, 520},
		{"ipv4_time_exceeded_udp", Quoted{
			Src: source4, Dst: target4, Protocol: ProtoUDP, TTL: 1, IPID: 14388, HeaderLen: 20, Length: 40,
			SrcPort: 56988, DstPort: 33434, UDPLength: 20, Checksum: 0xec5d,
		}, 12},
		{"ipv4_port_unreachable", Quoted{
			Src: source4, Dst: target4, Protocol: ProtoUDP, TTL: 1, IPID: 35698, HeaderLen: 20, Length: 40,
			SrcPort: 49410, DstPort: 33435, UDPLength: 20, Checksum: 0xec5d,
		}, 12},
		{"ipv4_time_exceeded_tcp", Quoted{
			Src: source4, Dst: target4, Protocol: ProtoTCP, TTL: 1, IPID: 35205, HeaderLen: 20, Length: 60,
			SrcPort: 54587, DstPort: 80, TCPSeq: 3952391679,
		}, 32},
	}
	for _, test := range tests {
		t.Run(test.capture, func(t *testing.T) {
			e, _ := ParseError4(payload4(t, test.capture))
			got, ok := ParseQuoted4(e.Quoted)
			checkQuoted(t, got, ok, test.want, e.Quoted[28:28+test.payload])
		})
	}
}

// TestDefect17TracesOverIPv6 does the same for ICMPv6 errors.
func TestDefect17TracesOverIPv6(t *testing.T) {
	tests := []struct {
		capture string
		want    Quoted
		payload int
	}{
		{"ipv6_time_exceeded_echo", Quoted{
			Src: source6, Dst: target6, Protocol: ProtoICMPv6, TTL: 1, FlowLabel: 0x21868, HeaderLen: 40, Length: 64,
			Type: Type6EchoRequest, ID: 13541, Seq: 1, Checksum: 0x5b7d,
		}, 16},
		{"ipv6_packet_too_big", Quoted{
			Src: source6, Dst: target6, Protocol: ProtoICMPv6, TTL: 64, FlowLabel: 0x21868, HeaderLen: 40, Length: 1448,
			Type: Type6EchoRequest, ID: 13546, Seq: 1, Checksum: 0x2a8b,
		}, 1184},
		{"ipv6_time_exceeded_udp", Quoted{
			Src: source6, Dst: target6, Protocol: ProtoUDP, TTL: 1, FlowLabel: 0xa25dd, HeaderLen: 40, Length: 60,
			SrcPort: 37038, DstPort: 33434, UDPLength: 20, Checksum: 0x5b9e,
		}, 12},
		{"ipv6_port_unreachable", Quoted{
			Src: source6, Dst: target6, Protocol: ProtoUDP, TTL: 1, FlowLabel: 0x592d0, HeaderLen: 40, Length: 60,
			SrcPort: 44138, DstPort: 33435, UDPLength: 20, Checksum: 0x5b9e,
		}, 12},
	}
	for _, test := range tests {
		t.Run(test.capture, func(t *testing.T) {
			e, _ := ParseError6(payload6(t, test.capture))
			got, ok := ParseQuoted6(e.Quoted)
			checkQuoted(t, got, ok, test.want, e.Quoted[48:48+test.payload])
		})
	}
}

// checkQuoted compares all fields, the payload by its bytes.
func checkQuoted(t *testing.T, got Quoted, ok bool, want Quoted, payload []byte) {
	t.Helper()
	if !bytes.Equal(got.Payload, payload) {
		t.Errorf("payload = %x, want %x", got.Payload, payload)
	}
	got.Payload = nil
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("quoted = %+v, %v\nwant %+v", got, ok, want)
	}
}

func TestParseQuoted4TrafficClass(t *testing.T) {
	q, ok := ParseQuoted4(unhex(t, "45b8 001c 0000 4000 0111 0000 c000 0202 c633 6402 c102 829b 0008 ec5d"))
	if !ok || q.TOS != 0xb8 || q.Payload == nil || len(q.Payload) != 0 {
		t.Errorf("ParseQuoted4 = %+v, %v, want TOS 0xb8 and an empty payload", q, ok)
	}
}

// TestParseQuoted4BehindOptions is Defect 10 in the quoted header.
func TestParseQuoted4BehindOptions(t *testing.T) {
	q, ok := ParseQuoted4(unhex(t, "4600 0020 0000 0000 0111 0000 c000 0202 c633 6402 9404 0000 c102 829b 0008 ec5d"))
	if !ok || q.SrcPort != 49410 || q.DstPort != 33435 || q.HeaderLen != 24 {
		t.Errorf("ParseQuoted4 = %+v, %v, want ports 49410 and 33435 behind 24 bytes", q, ok)
	}
}

// TestParseQuoted6BehindExtensions finds the probe behind hop-by-hop options and an atomic fragment header.
func TestParseQuoted6BehindExtensions(t *testing.T) {
	q, ok := ParseQuoted6(packet6(t, "0018", "00", "2c00 0104 0000 0000 1100 0000 dead beef c102 829b 0008 ec5d"))
	if !ok || q.Protocol != ProtoUDP || q.SrcPort != 49410 || q.DstPort != 33435 || q.HeaderLen != 56 {
		t.Errorf("ParseQuoted6 = %+v, %v, want ports 49410 and 33435 behind 56 bytes", q, ok)
	}
}

// TestParseQuoted4OfEightBytes is a router that quotes no more than RFC 792 asks for: 28 bytes in all.
func TestParseQuoted4OfEightBytes(t *testing.T) {
	tests := []struct {
		capture string
		want    Quoted
	}{
		{"ipv4_time_exceeded_echo", Quoted{Protocol: ProtoICMP, Length: 44, Type: TypeEchoRequest, ID: 13540, Seq: 1}},
		{"ipv4_time_exceeded_udp", Quoted{Protocol: ProtoUDP, Length: 40, SrcPort: 56988, DstPort: 33434, UDPLength: 20}},
		{"ipv4_time_exceeded_tcp", Quoted{Protocol: ProtoTCP, Length: 60, SrcPort: 54587, DstPort: 80, TCPSeq: 3952391679}},
	}
	for _, test := range tests {
		t.Run(test.capture, func(t *testing.T) {
			whole, _ := ParseError4(payload4(t, test.capture))
			q, ok := ParseQuoted4(whole.Quoted[:28])
			if !ok || q.UpperLen() != 8 || len(q.Payload) != 0 {
				t.Fatalf("ParseQuoted4 = %+v, %v, want 8 bytes of the upper layer", q, ok)
			}
			want := test.want
			want.Src, want.Dst, want.TTL, want.HeaderLen = source4, target4, 1, 20
			want.IPID, want.DF, want.Checksum = q.IPID, q.DF, q.Checksum // They are held to their values above.
			checkQuoted(t, q, ok, want, nil)
		})
	}
}

// TestParseQuoted4BehindNAT shows what an address translator left in the quoted header: the caller sees the addresses
// and ports that the router saw.
func TestParseQuoted4BehindNAT(t *testing.T) {
	e, _ := ParseError4(payload4(t, "ipv4_time_exceeded_udp"))
	rewritten := bytes.Clone(e.Quoted)
	copy(rewritten[12:], []byte{203, 0, 113, 9, 10, 0, 0, 1})
	copy(rewritten[20:], []byte{0x04, 0x00, 0x00, 0x35})
	q, ok := ParseQuoted4(rewritten)
	if !ok || q.Src != netip.MustParseAddr("203.0.113.9") || q.Dst != netip.MustParseAddr("10.0.0.1") ||
		q.SrcPort != 1024 || q.DstPort != 53 {
		t.Errorf("ParseQuoted4 = %+v, %v, want the rewritten addresses and ports", q, ok)
	}
}

// TestWithoutPadding is a router that quotes 28 bytes and fills them up to 128 for its extensions, though the probe's
// length says that there was payload.
func TestWithoutPadding(t *testing.T) {
	probe, _ := ParseError4(payload4(t, "ipv4_time_exceeded_echo"))
	message := slices.Concat([]byte{TypeTimeExceeded, 0, 0, 0, 0, 32, 0, 0}, probe.Quoted[:28], make([]byte, 100),
		unhex(t, mplsExtension))
	e, _ := ParseError4(message)
	q, ok := ParseQuoted4(e.Quoted)
	if !ok || e.Extensions == nil || q.UpperLen() != 24 {
		t.Fatalf("ParseQuoted4 = %+v, %v, want 24 bytes with the padding", q, ok)
	}
	if got := q.WithoutPadding(); got.UpperLen() != 8 || got.ID != q.ID || got.Seq != q.Seq {
		t.Errorf("WithoutPadding = %+v, want the first 8 bytes", got)
	}
	q.Payload = []byte{0, 1, 0, 2, 0, 0}
	if got := q.WithoutPadding(); !bytes.Equal(got.Payload, []byte{0, 1, 0, 2}) {
		t.Errorf("WithoutPadding left %x, want 00010002", got.Payload)
	}
}

func TestParseQuoted4MangledTotalLength(t *testing.T) {
	tests := map[string]string{
		"host byte order":    "1c00",
		"without the header": "0008",
		"20 in place of 40":  "0014",
		"zero":               "0000",
	}
	for name, length := range tests {
		t.Run(name, func(t *testing.T) {
			q, ok := ParseQuoted4(unhex(t, "4500"+length+"0000 0000 0111 0000 c000 0202 c633 6402 c102 829b 0008 ec5d"))
			if !ok || q.SrcPort != 49410 || q.UDPLength != 8 {
				t.Errorf("ParseQuoted4 = %+v, %v, want the UDP header that is there", q, ok)
			}
		})
	}
}

// TestParseQuoted4Padding leaves out the zeros that fill a quoted datagram up to 128 bytes (RFC 4884 4).
func TestParseQuoted4Padding(t *testing.T) {
	e, _ := ParseError4(payload4(t, "ipv4_time_exceeded_udp"))
	padded := append(bytes.Clone(e.Quoted), make([]byte, 88)...)
	if q, ok := ParseQuoted4(padded); !ok || string(q.Payload) != "@ABCDEFGHIJK" {
		t.Errorf("ParseQuoted4 = %q, %v, want @ABCDEFGHIJK", q.Payload, ok)
	}
}

func TestParseQuotedRefuses(t *testing.T) {
	const rest4 = "c000 0202 c633 6402 c102 829b 0008 ec5d"
	tests := map[string][]byte{
		"nothing":              nil,
		"IPv4 header alone":    unhex(t, header4),
		"IPv4, 7 bytes":        unhex(t, header4+"c102 829b 0008 ec"),
		"IPv4 second fragment": unhex(t, "4500 001c 0000 0001 0111 0000"+rest4),
		"IPv4 GRE":             unhex(t, "4500 001c 0000 0000 012f 0000"+rest4),
		"IPv4 ICMPv6":          unhex(t, "4500 001c 0000 0000 013a 0000"+rest4),
		"IPv6 header alone":    packet6(t, "0008", "11", ""),
		"IPv6, 7 bytes":        packet6(t, "0008", "11", "c102 829b 0008 ec"),
		"IPv6 second fragment": packet6(t, "0010", "2c", "1100 0008 dead beef c102 829b 0008 ec5d"),
		"IPv6 GRE":             packet6(t, "0008", "2f", "c102 829b 0008 ec5d"),
		"IPv6 ICMP":            packet6(t, "0008", "01", "c102 829b 0008 ec5d"),
		"IPv6 no next header":  packet6(t, "0008", "3b", "c102 829b 0008 ec5d"),
		"IPv6 says 7 bytes":    packet6(t, "0007", "11", "c102 829b 0008 ec5d"),
		"version 5":            unhex(t, "5500 001c 0000 0000 0111 0000"+rest4),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			q4, ok4 := ParseQuoted4(b)
			q6, ok6 := ParseQuoted6(b)
			if ok4 || ok6 {
				t.Errorf("ParseQuoted4 = %v, ParseQuoted6 = %v, want it refused", ok4, ok6)
			}
			if !reflect.DeepEqual(q4, Quoted{}) || !reflect.DeepEqual(q6, Quoted{}) {
				t.Errorf("refused, but filled: %+v, %+v", q4, q6)
			}
		})
	}
}

func FuzzParseQuoted4(f *testing.F) {
	fuzzParseQuoted(f, ParseQuoted4, 20)
}

func FuzzParseQuoted6(f *testing.F) {
	fuzzParseQuoted(f, ParseQuoted6, 40)
}

func fuzzParseQuoted(f *testing.F, parse func([]byte) (Quoted, bool), header int) {
	f.Helper()
	for _, b := range captures(f) {
		f.Add(b)
		f.Add(b[:min(header+8, len(b))])
	}
	f.Add(packet6(f, "0018", "00", "2c00 0104 0000 0000 1100 0001 dead beef c102 829b 0008 ec5d"))
	f.Add(unhex(f, "4600 0020 0000 0000 0111 0000 c000 0202 c633 6402 9404 0000 c102 829b 0008 ec5d"))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		q, ok := parse(b)
		checkUntouched(t, was, b)
		if !ok {
			return
		}
		checkWithin(t, "payload", b, q.Payload)
		if q.HeaderLen < header || len(b) < q.HeaderLen+q.UpperLen() {
			t.Fatalf("%d bytes of upper layer behind %d in %d", q.UpperLen(), q.HeaderLen, len(b))
		}
		if !bytes.HasPrefix(b[q.HeaderLen+8:], q.Payload) {
			t.Fatalf("payload %x is not behind the header of %d bytes", q.Payload, q.HeaderLen)
		}
		checkUpper(t, q, b)
	})
}

// checkUpper appends the upper layer's 8 bytes out of q and looks for them where the payload says that they were.
func checkUpper(t *testing.T, q Quoted, b []byte) {
	t.Helper()
	var out []byte
	switch q.Protocol {
	case ProtoICMP, ProtoICMPv6:
		out = AppendEcho(nil, Echo{Type: q.Type, Checksum: q.Checksum, ID: q.ID, Seq: q.Seq})
		out = append(out[:1], out[2:]...) // The code is not kept.
	case ProtoUDP:
		out = AppendUDP(nil, UDP{q.SrcPort, q.DstPort, int(q.UDPLength), q.Checksum})
	case ProtoTCP:
		out = AppendUDP(nil, UDP{q.SrcPort, q.DstPort, int(q.TCPSeq >> 16), uint16(q.TCPSeq)})
	default:
		t.Fatalf("protocol %d", q.Protocol)
	}
	if !bytes.Contains(b, out[1:]) {
		t.Fatalf("%x is not in the datagram %x", out, b)
	}
}

func BenchmarkParseQuoted4(b *testing.B) {
	e, _ := ParseError4(payload4(b, "ipv4_time_exceeded_echo"))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseQuoted4(e.Quoted); !ok {
			b.Fatal("not parsed")
		}
	}
}

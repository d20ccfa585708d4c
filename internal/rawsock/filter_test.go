// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/wire"
)

// foreign is one packet that some other host sends us, by its ICMP message.
type foreign struct {
	name string
	icmp []byte
	pass bool
	opts bool // with IPv4 options
}

// quote is an ICMP error that quotes an echo request of ours to 192.0.2.1 or
// 2001:db8::1, or what change makes of that datagram.
func quote(v6 bool, typ, code uint8, id uint16, change func(datagram []byte) []byte) []byte {
	request := echo(v6, true, id, 1, append(slices.Clone(nonce[:]), make([]byte, 8)...))
	var datagram []byte
	if v6 {
		datagram = []byte{0x60, 0, 0, 0, 0, byte(len(request)), wire.ProtoICMPv6, 1}
		datagram = append(datagram, netip.MustParseAddr("fd64::1").AsSlice()...)
		datagram = append(datagram, netip.MustParseAddr("2001:db8::1").AsSlice()...)
	} else {
		datagram = wire.AppendIPv4(nil, wire.IPv4{
			TotalLen: 20 + len(request), TTL: 1, Protocol: wire.ProtoICMP, Src: [4]byte{10, 64, 0, 1}, Dst: [4]byte{192, 0, 2, 1},
		})
	}
	datagram = append(datagram, request...)
	if change != nil {
		datagram = change(datagram)
	}
	b := append([]byte{typ, code, 0, 0, 0, 0, 0, 0}, datagram...)
	binary.BigEndian.PutUint16(b[2:], wire.Checksum(b))
	return b
}

// withOptions puts 8 bytes of options (no operation) into a quoted header.
func withOptions(d []byte) []byte {
	r := slices.Concat(d[:20], []byte{1, 1, 1, 1, 1, 1, 1, 0}, d[20:])
	r[0] = 0x47
	return r
}

// withFragmentHeader puts a first fragment's header before a quoted ICMPv6
// message, as our kernel does with a large payload.
func withFragmentHeader(d []byte) []byte {
	r := slices.Concat(d[:40], []byte{wire.ProtoICMPv6, 0, 0, 1, 0, 0, 0, 7}, d[40:])
	r[6] = unix.IPPROTO_FRAGMENT
	return r
}

func withProtocol(at int, proto byte) func(d []byte) []byte {
	return func(d []byte) []byte {
		d[at] = proto
		return d
	}
}

func cutTo(n int) func(d []byte) []byte { return func(d []byte) []byte { return d[:n] } }

func foreigners4() []foreign {
	const u, x, p = wire.TypeDestinationUnreachable, wire.TypeTimeExceeded, wire.TypeParameterProblem
	return []foreign{
		{"quotes ours", quote(false, x, 0, ourID, nil), true, false},
		{"quotes ours, unreachable", quote(false, u, 1, ourID, nil), true, false},
		{"quotes ours, parameter problem", quote(false, p, 0, ourID, nil), true, false},
		{"quotes 8 bytes of ours", quote(false, x, 0, ourID, cutTo(28)), true, false},
		{"quotes ours with options", quote(false, x, 0, ourID, withOptions), true, false},
		{"with options, quotes ours", quote(false, x, 0, ourID, nil), true, true},
		{"with options, quotes ours with options", quote(false, x, 0, ourID, withOptions), true, true},
		{"quotes another's", quote(false, x, 0, ourID+1, nil), false, false},
		{"quotes another's, unreachable", quote(false, u, 1, ourID+1, nil), false, false},
		{"with options, quotes another's", quote(false, x, 0, ourID+1, withOptions), false, true},
		{"quotes UDP", quote(false, x, 0, ourID, withProtocol(9, wire.ProtoUDP)), false, false},
		{"quotes too little", quote(false, x, 0, ourID, cutTo(24)), false, false},
		{"source quench", quote(false, wire.TypeSourceQuench, 0, ourID, nil), false, false},
		{"redirect", quote(false, 5, 1, ourID, nil), false, false},
	}
}

func foreigners6() []foreign {
	const u, x = wire.Type6DestinationUnreachable, wire.Type6TimeExceeded
	return []foreign{
		{"quotes ours", quote(true, x, 0, ourID, nil), true, false},
		{"quotes ours, unreachable", quote(true, u, 0, ourID, nil), true, false},
		{"quotes ours, too big", quote(true, wire.Type6PacketTooBig, 0, ourID, nil), true, false},
		{"quotes ours, parameter problem", quote(true, wire.Type6ParameterProblem, 0, ourID, nil), true, false},
		{"quotes our fragment", quote(true, x, 0, ourID, withFragmentHeader), true, false},
		{"quotes 8 bytes of ours", quote(true, x, 0, ourID, cutTo(48)), true, false},
		{"quotes another's", quote(true, x, 0, ourID+1, nil), false, false},
		{"quotes another's fragment", quote(true, x, 0, ourID+1, withFragmentHeader), false, false},
		{"quotes UDP", quote(true, x, 0, ourID, withProtocol(6, wire.ProtoUDP)), false, false},
		{"quotes too little", quote(true, x, 0, ourID, cutTo(44)), false, false},
		{"router advertisement", []byte{134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false, false},
	}
}

func echoes(v6 bool) []foreign {
	ours, room := nonce[:], make([]byte, 60)
	return []foreign{
		{"reply to us", echo(v6, false, ourID, 1, append(slices.Clone(ours), room...)), true, false},
		{"reply to us, as short as can be", echo(v6, false, ourID, 2, append(slices.Clone(ours), room[:8]...)), true, false},
		{"reply to us, too short for a nonce", echo(v6, false, ourID, 3, append(slices.Clone(ours), room[:7]...)), true, false},
		{"reply to us without payload", echo(v6, false, ourID, 4, nil), true, false},
		{"reply to us with options", echo(v6, false, ourID, 5, append(slices.Clone(ours), room...)), true, true},
		{"reply with another id", echo(v6, false, ourID+1, 1, append(slices.Clone(ours), room...)), false, false},
		{"reply with another nonce", echo(v6, false, ourID, 1, append(slices.Repeat([]byte("x"), 8), room...)), false, false},
		{"reply with half our nonce", echo(v6, false, ourID, 1, append(slices.Clone(ours[:4]), room...)), false, false},
		{"reply with another id and options", echo(v6, false, ourID+1, 1, append(slices.Clone(ours), room...)), false, true},
		{"request with our id and nonce", echo(v6, true, ourID, 1, append(slices.Clone(ours), room...)), false, false},
		{"nothing", echo(v6, false, 0, 0, nil), false, false},
	}
}

// TestPain01FilterPassesOnlyOurs: whatever other processes' pings and traces
// bring to this host, the socket gets what is ours and nothing else, whole.
func TestPain01FilterPassesOnlyOurs(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	link := top.Links[0]
	for _, v6 := range both {
		all, to := append(echoes(false), foreigners4()...), link.A.Addr4
		if v6 {
			all, to = append(echoes(true), foreigners6()...), link.A.Addr6
		}
		s := open(t, top.Client, Options{IPv6: v6})
		df := open(t, top.Client, Options{IPv6: v6, DontFragment: true})
		from, c := rawSocket(t, top.Server, v6), collect(t, s)
		for _, f := range all {
			forge(t, from, to, f)
		}
		// What was sent first has come first.
		forge(t, from, to, foreign{icmp: echo(v6, false, ourID, 0xffff, nil)})
		c.until("the last one", func() bool { return slices.Contains(c.seqs(), 0xffff) })
		want := slices.DeleteFunc(slices.Clone(all), func(f foreign) bool { return !f.pass })
		for i, m := range c.messages[:len(c.messages)-1] {
			if got := c.icmp(m); i >= len(want) || string(withoutChecksum(got)) != string(withoutChecksum(want[i].icmp)) {
				t.Errorf("IPv6 %v: message %d is %x, not %q", v6, i, got, nameOf(want, i))
			}
		}
		if len(c.messages)-1 != len(want) {
			t.Errorf("IPv6 %v: %d messages, want %d", v6, len(c.messages)-1, len(want))
		}
		never := collect(t, df)
		if never.read(); len(never.messages) > 0 {
			t.Errorf("IPv6 %v: %d messages came to the socket that only sends", v6, len(never.messages))
		}
	}
}

func withoutChecksum(b []byte) []byte { return slices.Concat(b[:2], b[4:]) }

func nameOf(fs []foreign, i int) string {
	if i < len(fs) {
		return fs[i].name
	}
	return "nothing"
}

// forge sends an ICMP message by a plain raw socket.
func forge(t *testing.T, fd int, to netip.Addr, f foreign) {
	t.Helper()
	var name unix.Sockaddr = &unix.SockaddrInet6{Addr: to.As16()}
	if to.Is4() {
		var options string
		if f.opts {
			options = "\x01\x01\x01\x00"
		}
		if err := unix.SetsockoptString(fd, unix.SOL_IP, unix.IP_OPTIONS, options); err != nil {
			t.Fatal(err)
		}
		name = &unix.SockaddrInet4{Addr: to.As4()}
	}
	if err := unix.Sendto(fd, f.icmp, 0, name); err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
}

// TestDefect10HeaderIsNotAlways20Bytes: a reply behind IP options carries them
// to us, and its TTL and payload are where the header says.
func TestDefect10HeaderIsNotAlways20Bytes(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	s := open(t, top.Client, Options{})
	forge(t, rawSocket(t, top.Server, false), top.Links[0].A.Addr4, echoes(false)[4])
	m := collect(t, s).received(1)[0]
	h, b, ok := wire.ParseIPv4(m.Data)
	if !ok || h.HeaderLen != 24 || m.Len != 24+8+8+60 || string(b[8:16]) != string(nonce[:]) {
		t.Errorf("%+v, %x", h, m.Data)
	}
}

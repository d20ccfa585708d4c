// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"bytes"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"connmonitor/internal/netlab"
	"connmonitor/internal/wire"
)

// largest is the filler of the longest packet that goes with a header of ours.
const largest = 576 - ipv4Header - HeadRoom

// TestOwnHeaderIsWhole: what leaves with an IPv4 header of our own is what the
// kernel would send, numbered by the sequence, and is answered and stamped.
func TestOwnHeaderIsWhole(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.Sysctl("net.ipv4.ip_default_ttl=99")
	w := listen(t, top.Links[0].B)
	s := open(t, top.Client, Options{Header: true})
	if !s.Info().Header {
		t.Fatalf("info %+v", s.Info())
	}
	c := collect(t, s)
	for i, fill := range []int{0, 1, 32, inlineFill, inlineFill + 1, largest} {
		seq := uint16(i + 1)
		p := probe(t, s, top.Host4(i), seq, fill)
		want := wire.IPv4{
			HeaderLen: 20, TotalLen: 20 + HeadRoom + fill, ID: seq, TTL: 99, Protocol: wire.ProtoICMP,
			Src: top.Links[0].A.Addr4.As4(), Dst: top.Host4(i).As4(),
		}
		if i%2 == 1 {
			p.TTL, want.TTL = 7, 7
		}
		if !p.WithHeader() {
			t.Fatalf("cannot send %d bytes of filler", fill)
		}
		send(t, s, p)
		b := w.next(isEcho(false))
		h, icmp, _ := wire.ParseIPv4(b)
		if wire.Checksum(b[:20]) != 0 || wire.Checksum(icmp) != 0 {
			t.Errorf("checksums of %x", b)
		}
		if h.Checksum = 0; h != want {
			t.Errorf("%+v, want %+v", h, want)
		}
		if !bytes.Equal(icmp[HeadRoom:], s.send.fill[:fill]) {
			t.Errorf("filler %x", icmp[HeadRoom:])
		}
		m, r := c.received(i + 1)[i], c.reported(OriginTransmit, i+1)[i]
		if e, payload, _ := wire.ParseEcho(c.icmp(m)); e.Seq != seq || len(payload) != NonceRoom+fill {
			t.Errorf("reply %+v with %d bytes", e, len(payload))
		}
		if r.ID != 1000+uint32(seq) || r.Stamp == 0 || m.Stamp < r.Stamp {
			t.Errorf("sent %+v, received at %d", r, m.Stamp)
		}
	}
}

// TestWithHeader: what only the kernel's own header can do is left to it.
func TestWithHeader(t *testing.T) {
	t.Parallel()
	plain := Packet{Len: HeadRoom, Fill: 25, TTL: 3}
	for name, test := range map[string]struct {
		change func(p *Packet)
		want   bool
	}{
		"ordinary":     {func(*Packet) {}, true},
		"576 bytes":    {func(p *Packet) { p.Fill = largest }, true},
		"577 bytes":    {func(p *Packet) { p.Fill = largest + 1 }, false},
		"65,535 bytes": {func(p *Packet) { p.Fill = maxFill - NonceRoom }, false},
		"class":        {func(p *Packet) { p.TOS = 1 }, false},
		"source":       {func(p *Packet) { p.From.IP[0] = 127 }, false},
		"interface":    {func(p *Packet) { p.Iface = 1 }, false},
	} {
		p := plain
		test.change(&p)
		if got := p.WithHeader(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestOwnHeaderIsForRawIPv4Only: the option means nothing elsewhere.
func TestOwnHeaderIsForRawIPv4Only(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	allowPings(top.Client)
	for _, o := range []Options{{IPv6: true}, {Kind: Datagram}, {Kind: UDP}, {IPv6: true, Kind: UDP}} {
		o.Header = true
		s := open(t, top.Client, o)
		to := top.Host4(1)
		if o.IPv6 {
			to = top.Host6(1)
		}
		send(t, s, probe(t, s, to, 1, 41))
		if s.Info().Header {
			t.Errorf("info %+v", s.Info())
		}
		if o.Kind != UDP {
			collect(t, s).received(1)
		}
	}
}

// TestOwnHeaderMakesNoFragments: a link that carries less than 576 bytes says
// so at once, and the kernel's own header gets the same packet through.
func TestOwnHeaderMakesNoFragments(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	client, server := lab.Node("client"), lab.Node("server")
	lab.Veth(client, server, netlab.MTU(296), netlab.IPv4Only()) // RFC 1144's
	server.Local("10.98.0.0/16")
	lab.Converge()
	main := open(t, client, Options{Header: true})
	plain := open(t, client, Options{SendOnly: true})
	p := probe(t, main, netip.MustParseAddr("10.98.0.1"), 1, largest)
	if n, err := main.Send([]Packet{p}); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("sent %d, %v", n, err)
	}
	send(t, plain, p)
	c, never := collect(t, main), collect(t, plain)
	if m := c.received(1)[0]; m.Len != 576 {
		t.Errorf("%d bytes", m.Len)
	}
	if never.read(); len(never.messages) != 0 {
		t.Errorf("%d messages came to the socket that only sends", len(never.messages))
	}
}

// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"connmonitor/internal/netlab"
)

// TestPain05ErrorOfOneHostDoesNotBreakAnother: an ICMP error that one host
// elicited waits on the socket. It may fail one call, which is made again, and
// nothing of another host is lost.
func TestPain05ErrorOfOneHostDoesNotBreakAnother(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	allowPings(top.Client)
	// Not by a route: the kernel limits the errors that those cause.
	top.Routers[0].NFT(`table inet refuse {
	chain forward {
		type filter hook forward priority 0;
		ip daddr 10.98.9.9 reject with icmp type host-unreachable
		ip6 daddr fd98::99 reject with icmpv6 type no-route
	}
}`)
	dead := []netip.Addr{netip.MustParseAddr("10.98.9.9"), netip.MustParseAddr("fd98::99")}
	for _, kind := range []Kind{Raw, Datagram, UDP} {
		families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
			s := open(t, top.Client, Options{IPv6: v6, Kind: kind, Buffer: 1 << 20})
			c := collect(t, s)
			for seq := uint16(0); seq < 20; seq += 2 {
				// The error is on the socket before the next probe is sent.
				retry(t, s, probe(t, s, dead[index(v6)], seq, 0))
				wait(s.fd, hang)
				retry(t, s, probe(t, s, to, seq+1, 0))
			}
			c.until("every stamp", func() bool { return len(c.of(OriginTransmit)) >= 20 })
			switch kind {
			case UDP:
				c.reported(OriginICMP, 20) // of ten unreachable hosts and ten closed ports
			case Datagram:
				c.reported(OriginICMP, 10)
				c.received(10)
			default:
				c.received(20) // the errors' packets themselves
			}
			if kind == Datagram && !slices.Equal(c.seqs(), []uint16{1, 3, 5, 7, 9, 11, 13, 15, 17, 19}) {
				t.Errorf("replies %v", c.seqs())
			}
		})
	}
}

// retry sends as prober does: a packet is not believed to be refused before it
// was refused three times.
func retry(t *testing.T, s *Socket, p Packet) {
	t.Helper()
	var err error
	for range 3 {
		var n int
		if n, err = s.Send([]Packet{p}); n == 1 {
			return
		}
	}
	t.Fatalf("to %s: %v", p.To.Netip(s.opt.IPv6), err)
}

// TestDefect06RefusedPacketsLeaveTheOthersAlone: a packet without a route, or
// one that a firewall refuses, is named, and what stands behind it can leave.
func TestDefect06RefusedPacketsLeaveTheOthersAlone(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
		s := open(t, top.Client, Options{IPv6: v6})
		lost := netip.MustParseAddr("203.0.113.1")
		if v6 {
			lost = netip.MustParseAddr("2001:db8::1")
		}
		ps := []Packet{probe(t, s, to, 1, 0), probe(t, s, lost, 2, 0), probe(t, s, to, 3, 0)}
		if n, err := s.Send(ps); n != 1 {
			t.Fatalf("sent %d: %v", n, err)
		}
		if n, err := s.Send(ps[1:]); n != 0 || !errors.Is(err, syscall.ENETUNREACH) || Transient(err) || Denied(err) {
			t.Fatalf("sent %d: %v", n, err)
		}
		send(t, s, ps[2])
		c := collect(t, s)
		c.received(2)
		if got := c.seqs(); !slices.Equal(got, []uint16{1, 3}) {
			t.Errorf("replies %v", got)
		}
	})
}

// TestPain06DropsAreCounted: what a full receive buffer cost is known to the
// packet.
func TestPain06DropsAreCounted(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
		s := open(t, top.Client, Options{IPv6: v6, Buffer: 1})
		if i := s.Info(); i.Buffer < 1 || i.Buffer > 10000 || i.Replies != i.Buffer/replyCost {
			t.Errorf("granted buffer %+v", i)
		}
		const sent = 50
		var ps []Packet
		for seq := range uint16(sent) {
			ps = append(ps, probe(t, s, to, seq, 0))
		}
		if n, err := s.Drops(); n != 0 || err != nil {
			t.Fatalf("%d drops, %v", n, err)
		}
		send(t, s, ps...)
		c := collect(t, s)
		var drops uint32
		c.until("the rest", func() bool {
			var err error
			if drops, err = s.Drops(); err != nil {
				t.Fatal(err)
			}
			return len(c.messages)+int(drops) == sent
		})
		if drops == 0 || len(c.messages) == 0 {
			t.Errorf("%d came, %d dropped", len(c.messages), drops)
		}
	})
}

func TestOpenSaysWhichPrivilegeIsMissing(t *testing.T) {
	t.Parallel()
	node := netlab.New(t).Node("client")
	for _, v6 := range both {
		node.Do(func() {
			// net.ipv4.ping_group_range is "1 0" in a new namespace: nobody.
			s, err := Open(Options{IPv6: v6, Kind: Datagram})
			if s != nil || !Denied(err) {
				t.Errorf("IPv6 %v: %v", v6, err)
			}
		})
	}
}

func TestNothingToReadIsNoError(t *testing.T) {
	t.Parallel()
	node := netlab.New(t).Node("client")
	allowPings(node)
	for _, kind := range []Kind{Raw, Datagram, UDP} {
		for _, v6 := range both {
			s := open(t, node, Options{IPv6: v6, Kind: kind})
			if n, err := s.Receive(make([]Message, Batch)); n != 0 || err != nil {
				t.Errorf("received %d, %v", n, err)
			}
			if n, err := s.Reports(make([]Report, Batch)); n != 0 || err != nil {
				t.Errorf("%d reports, %v", n, err)
			}
			if n, err := s.Send(nil); n != 0 || err != nil {
				t.Errorf("sent %d, %v", n, err)
			}
		}
	}
}

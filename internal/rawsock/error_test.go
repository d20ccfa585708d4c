// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

// TestPain05ErrorOfOneHostDoesNotBreakAnother: an ICMP error that one host
// elicited waits on the socket. It may fail one call, which is made again, and
// nothing of another host is lost.
func TestPain05ErrorOfOneHostDoesNotBreakAnother(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	top.Client.AllowPings()
	// Not by a route: the kernel limits the errors that those cause.
	top.Routers[0].Reject("10.98.9.9", "icmp type host-unreachable")
	top.Routers[0].Reject("fd98::99", "icmpv6 type no-route")
	dead := []netip.Addr{netip.MustParseAddr("10.98.9.9"), netip.MustParseAddr("fd98::99")}
	for _, kind := range []Kind{Raw, Datagram, UDP} {
		families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
			s := open(t, top.Client, Options{IPv6: v6, Kind: kind, Buffer: 1 << 20})
			c := collect(t, s)
			for seq := uint16(0); seq < 20; seq += 2 {
				// The error is on the socket before the next probe is sent.
				retry(t, s, probe(t, s, dead[index(v6)], seq, 0))
				wait(hang, s.fd)
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
		if n, err := s.Drops(); n != (Drops{}) || err != nil {
			t.Fatalf("%+v, %v", n, err)
		}
		send(t, s, ps...)
		c := collect(t, s)
		var drops Drops
		c.until("the rest", func() bool {
			var err error
			if drops, err = s.Drops(); err != nil {
				t.Fatal(err)
			}
			return len(c.messages)+int(drops.Full) == sent
		})
		if drops.Full == 0 || drops.Damaged != 0 || len(c.messages) == 0 {
			t.Errorf("%d came, %+v", len(c.messages), drops)
		}
	})
}

// TestDamagedIsNoDrop: packets whose checksum is wrong are counted apart from
// those that found no room, however many, and do not come.
func TestDamagedIsNoDrop(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	link := top.Links[0]
	s := open(t, top.Client, Options{IPv6: true, Buffer: 1 << 20})
	const sent = 20
	damaged := append(header6(link.B.Addr6, link.A.Addr6, 8), echo(true, false, ourID, 1, nil)...)
	damaged[40+3]++
	fd := headerSocket6(t, top.Server)
	for range sent {
		if err := unix.Sendto(fd, damaged, 0, &unix.SockaddrInet6{Addr: link.A.Addr6.As16()}); err != nil {
			t.Fatal(err)
		}
	}
	// What was sent first has come first.
	forge(t, rawSocket(t, top.Server, true), link.A.Addr6, foreign{icmp: echo(true, false, ourID, 1, nil)})
	collect(t, s).received(1)
	if d, err := s.Drops(); err != nil || d != (Drops{Damaged: sent}) {
		t.Errorf("%+v, %v", d, err)
	}
}

// header6 is an IPv6 header of an ICMPv6 message (RFC 8200, 3).
func header6(from, to netip.Addr, length int) []byte {
	b := make([]byte, 40)
	b[0], b[6], b[7] = 6<<4, unix.IPPROTO_ICMPV6, 64
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	return b
}

// headerSocket6 sends packets with headers of the test's own, and so leaves
// checksums as they are.
func headerSocket6(t *testing.T, n *netlab.Node) (fd int) {
	t.Helper()
	var err error
	n.Do(func() { fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
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
	node.AllowPings()
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

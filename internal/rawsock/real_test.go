// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/wire"
)

// both are the families, by Options.IPv6.
var both = []bool{false, true}

func TestEveryKindSendsAndReceivesWithStamps(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	top.Client.AllowPings()
	for _, kind := range []Kind{Raw, Datagram} {
		families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
			s := open(t, top.Client, Options{IPv6: v6, Kind: kind, Buffer: 1 << 20})
			if i := s.Info(); i.Kind != kind || i.IPv6 != v6 || !i.Stamps || i.ID == 0 || i.Filter != (kind == Raw) ||
				i.Buffer < 1<<20 || i.Replies < 1000 || kind == Raw && i.ID != ourID {
				t.Fatalf("info %+v", i)
			}
			send(t, s, probe(t, s, to, 7, 41))
			c := collect(t, s)
			m, r := c.received(1)[0], c.reported(OriginTransmit, 1)[0]
			if r.ID != 1007 || r.Stamp == 0 || m.Stamp < r.Stamp {
				t.Errorf("sent %+v, received at %d", r, m.Stamp)
			}
			if m.From != addr(t, to) {
				t.Errorf("from %s, want %s", m.From.Netip(v6), to)
			}
			wantTTL(t, s, m, 63)
			b := c.icmp(m)
			e, payload, _ := wire.ParseEcho(b)
			if e.ID != s.info.ID || e.Seq != 7 || !bytes.HasPrefix(payload, nonce[:]) || len(payload) != NonceRoom+41 || m.Len != len(m.Data) {
				t.Errorf("reply %+v with %d bytes, length %d of %d", e, len(payload), m.Len, len(m.Data))
			}
			if v6 && m.To != addr(t, top.Links[0].A.Addr6) {
				t.Errorf("to %s", m.To.Netip(true))
			}
		})
	}
}

// wantTTL checks the TTL that came with a message, or with its header.
func wantTTL(t *testing.T, s *Socket, m Message, want uint8) {
	t.Helper()
	ttl := m.TTL
	if s.info.Kind == Raw && !s.opt.IPv6 {
		h, _, _ := wire.ParseIPv4(m.Data)
		ttl = h.TTL
	}
	if ttl != want {
		t.Errorf("TTL %d, want %d", ttl, want)
	}
}

// TestTimeExceededIsHeard: each kind hears of the router that a probe did not
// get beyond; Raw by its packet, the others by the error queue.
func TestTimeExceededIsHeard(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	top.Client.AllowPings()
	for _, kind := range []Kind{Raw, Datagram, UDP} {
		families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
			s := open(t, top.Client, Options{IPv6: v6, Kind: kind, Buffer: 1 << 20})
			p := probe(t, s, to, 9, 0)
			p.TTL = 1
			send(t, s, p)
			c := collect(t, s)
			router, expired, quoted := top.Links[0].B.Addr4, wire.TypeTimeExceeded, []byte(nil)
			if v6 {
				router, expired = top.Links[0].B.Addr6, wire.Type6TimeExceeded
			}
			if kind == Raw {
				m := c.received(1)[0]
				if b := c.icmp(m); b[0] != expired || m.From != addr(t, router) || m.Stamp == 0 {
					t.Errorf("%x from %s at %d", b, m.From.Netip(v6), m.Stamp)
				}
				return
			}
			r, sent := c.reported(OriginICMP, 1)[0], c.reported(OriginTransmit, 1)[0]
			ours := addr(t, top.Links[0].A.Addr4)
			if v6 {
				ours = addr(t, top.Links[0].A.Addr6)
			}
			if r.Type != expired || r.Code != 0 || r.From != addr(t, router) || r.At != ours || r.To != addr(t, to) || r.Errno != syscall.EHOSTUNREACH {
				t.Errorf("report %+v", r)
			}
			if sent.ID != p.Stamp || sent.Stamp == 0 || r.Stamp < sent.Stamp {
				t.Errorf("sent %+v, error at %d", sent, r.Stamp)
			}
			quoted = r.Data
			if kind == Datagram {
				e, rest, ok := wire.ParseEcho(r.Data)
				if !ok || e.ID != s.info.ID || e.Seq != 9 {
					t.Errorf("quoted %+v", e)
				}
				quoted = rest
			}
			if !bytes.HasPrefix(quoted, nonce[:]) {
				t.Errorf("quoted %x", quoted)
			}
		})
	}
}

// TestWhatSendsHearsOfNothing: what raw sockets elicit comes to the main one, once,
// and fails no call.
func TestWhatSendsHearsOfNothing(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
		c := collect(t, open(t, top.Client, Options{IPv6: v6, Buffer: 1 << 20}))
		alone := collect(t, open(t, top.Client, Options{IPv6: v6, Buffer: 1 << 20, DontFragment: true}))
		for i := range 10 {
			sender := []*collector{c, alone}[i%2]
			p := probe(t, sender.s, to, uint16(i), 0)
			p.TTL = 1
			send(t, sender.s, p)
			if m := c.received(i + 1)[i]; c.icmp(m)[0] != wire.TypeTimeExceeded && c.icmp(m)[0] != wire.Type6TimeExceeded {
				t.Errorf("%x", m.Data)
			}
			sender.reported(OriginTransmit, i/2+1)
		}
		if n := len(c.of(OriginICMP)) + len(alone.of(OriginICMP)) + len(alone.messages); n > 0 {
			t.Errorf("%d errors more than once", n)
		}
	})
}

func TestUDPHearsOfTheClosedPort(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	for _, v6 := range both {
		to := top.Links[0].B.Addr4
		if v6 {
			to = top.Links[0].B.Addr6 // errors come from an address of a device, not of AnyIP
		}
		s := open(t, top.Client, Options{IPv6: v6, Kind: UDP})
		send(t, s, probe(t, s, to, 1, 0))
		r := collect(t, s).reported(OriginICMP, 1)[0]
		typ, code := wire.TypeDestinationUnreachable, uint8(3)
		if v6 {
			typ, code = wire.Type6DestinationUnreachable, 4
		}
		if r.Type != typ || r.Code != code || r.From != addr(t, to) || r.To != addr(t, to) || r.Port != 33434 || r.Errno != syscall.ECONNREFUSED {
			t.Errorf("report %+v", r)
		}
	}
}

func TestHeaderFieldsAreOnTheWire(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings()
	w := listen(t, top.Links[0].B)
	from4, from6 := netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("fd77::1")
	top.Client.IP("addr", "add", "10.77.0.1/32", "dev", "lo")
	top.Client.Address("fd77::1/128", "lo")
	for _, kind := range []Kind{Raw, Datagram, UDP} {
		families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
			s := open(t, top.Client, Options{IPv6: v6, Kind: kind})
			a, b := probe(t, s, to, 1, 0), probe(t, s, to, 2, 0)
			a.TTL, a.TOS, a.From = 7, 46<<2, addr(t, from4)
			if v6 {
				a.From = addr(t, from6)
			}
			send(t, s, a, b) // and the second has nothing of the first
			got := fieldsOf(w.next(isProbe(kind, v6)), v6)
			want := fields{ttl: 7, tos: 46 << 2, from: a.From.Netip(v6), to: to}
			if v6 && kind == Datagram {
				// Linux takes no source address from a message there (measured
				// on 6.18); vantage refuses such a source.
				want.from = top.Links[0].A.Addr6
			}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			got, want = fieldsOf(w.next(isProbe(kind, v6)), v6), fields{ttl: 64, from: top.Links[0].A.Addr4, to: to}
			if v6 {
				want.from = top.Links[0].A.Addr6
			}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func isProbe(kind Kind, v6 bool) func(p []byte) bool {
	if kind != UDP {
		return isEcho(v6)
	}
	return func(p []byte) bool {
		if !v6 {
			h, _, ok := wire.ParseIPv4(p)
			return ok && h.Protocol == wire.ProtoUDP
		}
		_, proto, _, ok := wire.ParseIPv6(p)
		return ok && proto == wire.ProtoUDP
	}
}

// fields are those of an IP header that a Packet chooses.
type fields struct {
	ttl, tos uint8
	from, to netip.Addr
}

func fieldsOf(p []byte, v6 bool) fields {
	if !v6 {
		h, _, _ := wire.ParseIPv4(p)
		return fields{h.TTL, h.TOS, netip.AddrFrom4(h.Src), netip.AddrFrom4(h.Dst)}
	}
	h, _, _, _ := wire.ParseIPv6(p)
	return fields{h.HopLimit, h.TrafficClass, netip.AddrFrom16(h.Src), netip.AddrFrom16(h.Dst)}
}

// TestIfaceChoosesTheWay: the packet leaves by the interface that was asked
// for, although the route leads over the other.
func TestIfaceChoosesTheWay(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	client, server := lab.Node("client"), lab.Node("server")
	lab.Veth(client, server)
	second := lab.Veth(client, server)
	server.Local("10.98.0.0/16")
	server.Local("fd98::/64")
	lab.Converge()
	first := lab.Veth(client, server) // an interface without a route
	client.Route("10.98.0.0/16", second.B.Addr4)
	client.Route("fd98::/64", second.B.Addr6)
	// A route that only whoever is bound to the interface takes.
	client.IP("route", "add", "10.98.0.0/16", "via", first.B.Addr4.String(), "metric", "500")
	client.IP("route", "add", "fd98::/64", "via", first.B.Addr6.String(), "metric", "5000")
	w := listen(t, first.B)
	client.AllowPings()
	for _, v6 := range both {
		for _, kind := range []Kind{Raw, Datagram, UDP} {
			s := open(t, client, Options{IPv6: v6, Kind: kind})
			to := netip.MustParseAddr("10.98.0.1")
			if v6 {
				to = netip.MustParseAddr("fd98::1")
			}
			p := probe(t, s, to, 1, 0)
			p.Iface = int32(first.A.Index())
			send(t, s, p)
			if got := fieldsOf(w.next(isProbe(kind, v6)), v6); got.to != to {
				t.Errorf("%+v, want to %s", got, to)
			}
		}
	}
}

// TestDefect05PayloadIsReallySent: what is sent in one piece, and in two, goes out
// whole, the largest payload there is in fragments, and comes back whole.
func TestDefect05PayloadIsReallySent(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings()
	for _, kind := range []Kind{Raw, Datagram} {
		families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
			at := reassembled(t, top.Server, v6)
			s := open(t, top.Client, Options{IPv6: v6, Kind: kind, Buffer: 16 << 20})
			c := collect(t, s)
			for i, payload := range []int{NonceRoom + joined, NonceRoom + joined + 1, 65507, NonceRoom + 1} {
				send(t, s, probe(t, s, to, uint16(i), payload-NonceRoom))
				got := at(payload)
				if !bytes.HasPrefix(got, nonce[:]) || !bytes.Equal(got[NonceRoom:], s.send.fill[:payload-NonceRoom]) {
					t.Errorf("the server got %d other bytes", len(got))
				}
				m := c.received(i + 1)[i]
				want := 8 + payload
				if kind == Raw && !v6 {
					want += 20
				}
				if m.Len != want || len(m.Data) != min(want, s.recv.room) || m.Stamp == 0 {
					t.Errorf("length %d with %d bytes at %d, want %d", m.Len, len(m.Data), m.Stamp, want)
				}
			}
		})
	}
}

// reassembled returns a function that waits for an echo request of a node and
// returns its payload, whole.
func reassembled(t *testing.T, n *netlab.Node, v6 bool) func(size int) []byte {
	t.Helper()
	fd := rawSocket(t, n, v6)
	return func(size int) []byte {
		t.Helper()
		b := make([]byte, 1<<17)
		for {
			k, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
				if r, err := unix.Poll(fds, int(hang.Milliseconds())); r == 0 {
					t.Fatalf("no request of %d bytes came: %v", size, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			icmp := b[:k]
			if !v6 {
				_, icmp, _ = wire.ParseIPv4(icmp)
			}
			if len(icmp) == 8+size && (icmp[0] == wire.TypeEchoRequest || icmp[0] == wire.Type6EchoRequest) {
				return slices.Clone(icmp[8:])
			}
		}
	}
}

// rawSocket is a plain raw ICMP socket, with a large buffer.
func rawSocket(t *testing.T, n *netlab.Node, v6 bool) (fd int) {
	t.Helper()
	var err error
	n.Do(func() {
		if v6 {
			fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
		} else {
			fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	}
	return fd
}

func TestOnlyTheOtherSocketSetsDontFragment(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	w := listen(t, top.Links[0].B)
	families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
		main := open(t, top.Client, Options{IPv6: v6})
		df := open(t, top.Client, Options{IPv6: v6, DontFragment: true})
		c, never := collect(t, main), collect(t, df)
		for i, s := range []*Socket{main, df} {
			send(t, s, probe(t, s, to, uint16(i), 0))
			if h, _, _ := wire.ParseIPv4(w.next(isEcho(v6))); !v6 && h.DF != (s == df) {
				t.Errorf("Don't Fragment is %v on the socket with %+v", h.DF, s.opt)
			}
		}
		big := probe(t, main, to, 2, 2000)
		send(t, main, big)
		if n, err := df.Send([]Packet{big}); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("2000 bytes with Don't Fragment: sent %d, %v", n, err)
		}
		// What the other socket elicits comes to the main one, and nothing to it.
		c.received(3)
		if got := c.seqs(); !slices.Equal(got, []uint16{0, 1, 2}) {
			t.Errorf("replies %v", got)
		}
		never.read()
		if r := never.of(OriginTransmit); len(never.messages) != 0 || len(r) != 1 || r[0].ID != 1001 || r[0].Stamp == 0 {
			t.Errorf("came to the socket that only sends: %+v %+v", never.messages, never.reports)
		}
	})
}

// TestDontFragmentFindsTheMTU: a router with a narrow link behind it tells its
// MTU, and the cached MTU does not keep later probes at home.
func TestDontFragmentFindsTheMTU(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	client, router, server := lab.Node("client"), lab.Node("router"), lab.Node("server")
	lab.Veth(client, router)
	lab.Veth(router, server, netlab.MTU(1280))
	server.Local("10.98.0.0/16")
	server.Local("fd98::/64")
	lab.Converge()
	for _, v6 := range both {
		to, typ := netip.MustParseAddr("10.98.0.1"), wire.TypeDestinationUnreachable
		if v6 {
			to, typ = netip.MustParseAddr("fd98::1"), wire.Type6PacketTooBig
		}
		main := open(t, client, Options{IPv6: v6})
		df := open(t, client, Options{IPv6: v6, DontFragment: true})
		c := collect(t, main)
		for i := range 3 {
			send(t, df, probe(t, df, to, uint16(i), 1300))
			m := c.received(i + 1)[i]
			b := c.icmp(m)
			if mtu := binary.BigEndian.Uint16(b[6:]); b[0] != typ || mtu != 1280 {
				t.Errorf("type %d, MTU %d", b[0], mtu)
			}
		}
		// The main socket fragments, by the MTU that was learnt or on the way.
		send(t, main, probe(t, main, to, 3, 1300))
		c.until("the reply", func() bool { return slices.Contains(c.seqs(), 3) })
	}
}

func TestZoneOfLinkLocalAddress(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Server.Address("fe80::99/64", top.Links[0].B.Device)
	top.Client.IP("neigh", "replace", "fe80::99", "lladdr", top.Links[0].B.MAC, "dev", top.Links[0].A.Device, "nud", "permanent")
	top.Client.Address("fe80::98/64", top.Links[0].A.Device)
	top.Server.IP("neigh", "replace", "fe80::98", "lladdr", top.Links[0].A.MAC, "dev", top.Links[0].B.Device, "nud", "permanent")
	s := open(t, top.Client, Options{IPv6: true})
	var to Addr
	var err error
	top.Client.Do(func() { to, err = AddrFrom(netip.MustParseAddr("fe80::99%" + top.Links[0].A.Device)) })
	if err != nil || to.Zone != uint32(top.Links[0].A.Index()) {
		t.Fatalf("%+v, %v", to, err)
	}
	p := probe(t, s, netip.MustParseAddr("fe80::99"), 1, 0)
	p.To, p.From = to, addr(t, netip.MustParseAddr("fe80::98"))
	send(t, s, p)
	if m := collect(t, s).received(1)[0]; m.From != to || !m.From.Same(Addr{IP: to.IP}) {
		t.Errorf("from %+v, want %+v", m.From, to)
	}
}

// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/wire"
)

// attacker sits on the way: it sees every probe that comes to its node and puts
// onto the link what no kernel would send.
type attacker struct {
	file  *os.File // a packet socket; closing it ends what reads from it
	index int
	to    [8]byte // the Ethernet address of the other end
}

// attack puts an attacker at one end of a link.
func attack(t *testing.T, e, victim *netlab.Endpoint) *attacker {
	t.Helper()
	mac, err := net.ParseMAC(victim.MAC)
	if err != nil {
		t.Fatal(err)
	}
	a := &attacker{index: e.Index(), file: os.NewFile(uintptr(e.PacketSocket()), "packet socket")}
	copy(a.to[:], mac)
	t.Cleanup(func() { _ = a.file.Close() })
	return a
}

// name is where a frame with a packet of a family goes.
func (a *attacker) name(v6 bool) *unix.SockaddrLinklayer {
	proto := uint16(unix.ETH_P_IP)
	if v6 {
		proto = unix.ETH_P_IPV6
	}
	return &unix.SockaddrLinklayer{Protocol: netlab.NetworkOrder(proto), Ifindex: a.index, Halen: 6, Addr: a.to}
}

// watch hands every echo request that comes to the node to f, until the
// attacker is closed.
func (a *attacker) watch(f func(s *seen)) error {
	return a.read(func(packet []byte) {
		if s, ok := see(packet); ok {
			f(s)
		}
	})
}

// read hands every packet that comes to the node to f, which must not keep it,
// until the attacker is closed.
func (a *attacker) read(f func(packet []byte)) error {
	raw, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		closed := raw.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), b, 0)
			return !errors.Is(failed, unix.EAGAIN)
		})
		if closed != nil {
			return nil //nolint:nilerr // The end of the test has closed it.
		}
		if failed != nil {
			return failed
		}
		if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype == unix.PACKET_HOST {
			f(b[:n])
		}
	}
}

// inject sends packets to the victim.
func (a *attacker) inject(v6 bool, packets ...[]byte) error {
	raw, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	for _, p := range packets {
		if err := raw.Control(func(fd uintptr) { failed = unix.Sendto(int(fd), p, 0, a.name(v6)) }); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// seen is a probe as the attacker sees it.
type seen struct {
	v6       bool
	src, dst netip.Addr
	packet   []byte // from the IP header on; of a large one, the first fragment
	icmp     []byte
}

// see takes a copy of an echo request, or of the first fragment of one.
func see(b []byte) (*seen, bool) {
	b = slices.Clone(b)
	if h, icmp, ok := wire.ParseIPv4(b); ok {
		s := &seen{src: netip.AddrFrom4(h.Src), dst: netip.AddrFrom4(h.Dst), packet: b, icmp: icmp}
		return s, h.FragOff == 0 && h.Protocol == wire.ProtoICMP && len(icmp) >= 8 && icmp[0] == wire.TypeEchoRequest
	}
	h, proto, icmp, ok := wire.ParseIPv6(b)
	if !ok {
		return nil, false
	}
	s := &seen{v6: true, src: netip.AddrFrom16(h.Src), dst: netip.AddrFrom16(h.Dst), packet: b, icmp: icmp}
	return s, proto == wire.ProtoICMPv6 && len(icmp) >= 8 && icmp[0] == wire.Type6EchoRequest
}

// forgery is a packet that the attacker makes of a probe: at first the true
// reply, which a trick then bends.
type forgery struct {
	*seen
	from     netip.Addr
	icmp     []byte // its checksum is put in when the packets are made
	spoil    uint16 // what the checksum is wrong by
	header   []byte // IPv4 options, or an IPv6 extension header whose number is next
	next     uint8
	fragment int                 // most bytes of payload in a fragment, a multiple of 8; 0: whole
	damage   func(packet []byte) // is done to every packet in the end
	keep     int                 // only so many of the packets are sent; 0: all
}

// reply is the true reply to a probe.
func (s *seen) reply() *forgery {
	f := &forgery{seen: s, from: s.dst, icmp: slices.Clone(s.icmp)}
	if f.icmp[0] = wire.TypeEchoReply; s.v6 {
		f.icmp[0] = wire.Type6EchoReply
	}
	return f
}

// packets are what goes over the link, from the IP header on.
func (f *forgery) packets() [][]byte {
	binary.BigEndian.PutUint16(f.icmp[2:], 0)
	sum := uint32(0)
	if f.v6 {
		sum = wire.Pseudo6(f.from.As16(), f.src.As16(), wire.ProtoICMPv6, len(f.icmp))
	}
	binary.BigEndian.PutUint16(f.icmp[2:], ^wire.Fold(wire.Sum(f.icmp, sum))^f.spoil)
	pack := f.pack4
	if f.v6 {
		pack = f.pack6
	}
	room := f.fragment
	if room == 0 {
		room = len(f.icmp)
	}
	var all [][]byte
	for at := 0; at < len(f.icmp); at += room {
		p := pack(f.icmp[at:min(at+room, len(f.icmp))], at)
		if f.damage != nil {
			f.damage(p)
		}
		all = append(all, p)
	}
	if f.keep > 0 {
		all = all[:f.keep]
	}
	return all
}

func (f *forgery) pack4(payload []byte, at int) []byte {
	size := 20 + len(f.header)
	p := wire.AppendIPv4(nil, wire.IPv4{
		TotalLen: size + len(payload), ID: f.number(), FragOff: at, MF: at+len(payload) < len(f.icmp), TTL: 60,
		Protocol: wire.ProtoICMP, Src: f.from.As4(), Dst: f.src.As4(),
	})
	p = append(p, f.header...)
	p[0] = 4<<4 | uint8(size/4)
	sum4(p[:size])
	return append(p, payload...)
}

// sum4 puts the checksum into an IPv4 header.
func sum4(header []byte) {
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], wire.Checksum(header))
}

func (f *forgery) pack6(payload []byte, at int) []byte {
	h := wire.IPv6{NextHeader: wire.ProtoICMPv6, HopLimit: 60, Src: f.from.As16(), Dst: f.src.As16()}
	var extension []byte
	if f.fragment > 0 {
		part := uint16(at)
		if at+len(payload) < len(f.icmp) {
			part |= 1
		}
		extension = binary.BigEndian.AppendUint16([]byte{h.NextHeader, 0}, part)
		extension = binary.BigEndian.AppendUint32(extension, uint32(f.number()))
		h.NextHeader = unix.IPPROTO_FRAGMENT
	}
	if len(f.header) > 0 {
		extension = slices.Concat([]byte{h.NextHeader}, f.header[1:], extension)
		h.NextHeader = f.next
	}
	h.PayloadLen = len(extension) + len(payload)
	return slices.Concat(wire.AppendIPv6(nil, h), extension, payload)
}

// number is the identification of the datagram, by which its fragments are
// gathered: that of the probe, from which other hosts' replies differ by address.
func (f *forgery) number() uint16 { return binary.BigEndian.Uint16(f.seen.icmp[6:]) }

// quote makes the forgery an ICMP error that quotes the probe; lie may change
// what it quotes.
func (f *forgery) quote(expired bool, lie func(v6 bool, quoted []byte) []byte) {
	typ, code := wire.TypeDestinationUnreachable, uint8(1)
	switch {
	case f.v6 && expired:
		typ, code = wire.Type6TimeExceeded, 0
	case f.v6:
		typ, code = wire.Type6DestinationUnreachable, 3
	case expired:
		typ, code = wire.TypeTimeExceeded, 0
	}
	quoted := slices.Clone(f.packet)
	f.icmp = append([]byte{typ, code, 0, 0, 0, 0, 0, 0}, lie(f.v6, quoted)...)
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

// maxQuote is what a router quotes of a datagram: Linux fills 576 bytes.
const maxQuote = 576 - 20 - 8 - 20

// probe is a packet of ours, as the network sees it.
type probe struct {
	sock  *socket
	to    netip.Addr
	host  *host
	ttl   int
	flow  uint32
	size  int        // of the ICMP message, or the UDP payload
	known int        // bytes of it in data
	data  [room]byte // from the ICMP header, or the UDP payload
	// tellMTU is the next hop's that an error about it tells; else 0.
	tellMTU uint32
}

// transmit sends one packet: the transmit stamp, and whatever answers.
func (n *Net) transmit(s *socket, p *rawsock.Packet, now int64) {
	pr := &n.probe // used again, so that a test can count the loop's allocations
	n.read(pr, s, p)
	if n.watch != nil {
		n.watch(Sent{At: now, To: pr.to, TTL: p.TTL, TOS: p.TOS, DF: s.opt.DontFragment, Data: pr.data[:pr.known]})
	}
	if !n.kernel.noTX {
		t := n.queue.take()
		t.isReport = true
		t.report.Origin, t.report.ID = rawsock.OriginTransmit, p.Stamp
		n.queue.push(event{at: now, to: s, packet: t})
	}
	if pr.host != nil {
		n.forward(pr, now)
	}
}

// read takes the bytes of a packet together as the kernel does, and fills in
// what the kernel fills in.
func (n *Net) read(pr *probe, s *socket, p *rawsock.Packet) {
	pr.sock, pr.to = s, p.To.Netip(s.opt.IPv6).WithZone("")
	pr.host = n.hosts[pr.to]
	pr.size = int(p.Len) + int(p.Fill)
	pr.known = min(pr.size, room)
	copy(pr.data[:], p.Head[:p.Len])
	for i := int(p.Len); i < pr.known; i++ {
		pr.data[i] = byte(i - int(p.Len))
	}
	pr.ttl = int(p.TTL)
	if pr.ttl == 0 {
		pr.ttl = 64
	}
	if s.opt.Kind == rawsock.UDP {
		pr.flow = uint32(p.Port)
		if p.Port == 0 {
			n.failure("a UDP probe to %s has no port", pr.to)
		}
		return
	}
	n.readEcho(pr, s)
}

func (n *Net) readEcho(pr *probe, s *socket) {
	echo, _, ok := wire.ParseEcho(pr.data[:pr.known])
	want := wire.TypeEchoRequest
	if s.opt.IPv6 {
		want = wire.Type6EchoRequest
	}
	if !ok || echo.Type != want || echo.Code != 0 {
		n.failure("no echo request to %s: % x", pr.to, pr.data[:8])
	}
	byKernel := s.opt.IPv6 || s.opt.Kind == rawsock.Datagram
	if s.opt.Kind == rawsock.Datagram {
		binary.BigEndian.PutUint16(pr.data[4:], s.info.ID)
	}
	if pr.size <= room && byKernel {
		binary.BigEndian.PutUint16(pr.data[2:], 0)
		binary.BigEndian.PutUint16(pr.data[2:], checksum(pr.data[:pr.size], s.opt.IPv6, self6, pr.to))
	}
	if pr.size <= room && checksum(pr.data[:pr.size], s.opt.IPv6, self6, pr.to) != 0 {
		n.failure("a wrong checksum in a probe to %s: % x", pr.to, pr.data[:pr.size])
	}
	pr.flow = uint32(binary.BigEndian.Uint16(pr.data[2:]))
}

func checksum(b []byte, v6 bool, src, dst netip.Addr) uint16 {
	if !v6 {
		return wire.Checksum(b)
	}
	return ^wire.Fold(wire.Sum(b, wire.Pseudo6(src.As16(), dst.As16(), wire.ProtoICMPv6, len(b))))
}

// forward moves a probe along its path until somebody answers or drops it.
func (n *Net) forward(pr *probe, now int64) {
	h := pr.host
	if h.local > 0 {
		n.sendError(pr, now+h.local, self(pr.sock.opt.IPv6), unreachableType(pr), codeOf(pr, 1, 3), 0)
		return
	}
	for i := range h.path {
		r := n.pick(&h.path[i], pr.flow, i)
		at := now + h.path[i].rtt
		if i+1 == pr.ttl {
			if r != nil && r.answers(n, now) {
				n.sendError(pr, at+r.delay, r.addr, expiredType(pr), 0, r.quote)
			}
			return
		}
		if r == nil {
			if h.narrows[i+1].drops(pr) {
				return
			}
			continue
		}
		if r.unreachable >= 0 {
			if r.answers(n, now) {
				n.sendError(pr, at+r.delay, r.addr, unreachableType(pr), uint8(r.unreachable), r.quote)
			}
			return
		}
		if r.drop {
			return
		}
		if link := h.narrows[i+1]; link.drops(pr) {
			if !link.hole && r.answers(n, now) {
				n.sendTooBig(pr, at+r.delay, r.addr, link, r.quote)
			}
			return
		}
	}
	n.reach(pr, now)
}

// reach lets the destination answer.
func (n *Net) reach(pr *probe, now int64) {
	h := pr.host
	at := now + h.rtt
	if h.jitter > 0 {
		at += n.rng.Int64N(h.jitter)
	}
	for _, f := range h.forgeries {
		if n.rng.Float64() < f.part {
			n.forge(pr, at-1000, f.kind)
		}
	}
	if h.dead || h.loss > 0 && n.rng.Float64() < h.loss {
		return
	}
	switch {
	case h.unreachable >= 0:
		n.sendError(pr, at, h.addr, unreachableType(pr), uint8(h.unreachable), 0)
	case pr.sock.opt.Kind == rawsock.UDP:
		n.sendError(pr, at, h.addr, unreachableType(pr), codeOf(pr, 3, 4), 0)
	default:
		n.sendReply(pr, at, nil)
		if h.duplicate > 0 && n.rng.Float64() < h.duplicate {
			n.sendReply(pr, at+n.rng.Int64N(int64(1e6))+1, nil)
		}
	}
}

func self(v6 bool) netip.Addr {
	if v6 {
		return self6
	}
	return self4
}

func expiredType(pr *probe) uint8 {
	if pr.sock.opt.IPv6 {
		return wire.Type6TimeExceeded
	}
	return wire.TypeTimeExceeded
}

func unreachableType(pr *probe) uint8 {
	if pr.sock.opt.IPv6 {
		return wire.Type6DestinationUnreachable
	}
	return wire.TypeDestinationUnreachable
}

func codeOf(pr *probe, v4, v6 uint8) uint8 {
	if pr.sock.opt.IPv6 {
		return v6
	}
	return v4
}

// addr is netip's address as the sockets' one.
func addr(a netip.Addr) rawsock.Addr {
	var r rawsock.Addr
	if a.Is4() {
		b := a.As4()
		copy(r.IP[:], b[:])
		return r
	}
	r.IP = a.As16()
	return r
}

// sendReply sends the echo reply to a probe; bend, if there is one, makes it a
// false one.
func (n *Net) sendReply(pr *probe, at int64, bend func(*probe, *reply)) {
	r := &n.answer // used again, as probe is
	r.from, r.size, r.n, r.raw, r.bare = pr.to, pr.size, pr.known, false, 0
	copy(r.icmp[:], pr.data[:pr.known])
	r.icmp[0] = wire.TypeEchoReply
	if pr.sock.opt.IPv6 {
		r.icmp[0] = wire.Type6EchoReply
	}
	if bend != nil {
		bend(pr, r)
	}
	if r.n == r.size {
		binary.BigEndian.PutUint16(r.icmp[2:], 0)
		binary.BigEndian.PutUint16(r.icmp[2:], checksum(r.icmp[:r.n], pr.sock.opt.IPv6, r.from, self6))
	}
	n.deliver(pr.sock, at, r)
}

// reply is an ICMP message on its way to us.
type reply struct {
	from netip.Addr
	size int // of the message
	n    int // bytes of it in icmp
	icmp [room]byte
	raw  bool // a Raw socket gets it only
	bare int  // bytes after which the whole packet is cut; 0: it is whole
}

// deliver hands an ICMP message to the sockets that get it: every Raw one of
// the family gets a clone of everything, a Datagram one what is its own.
func (n *Net) deliver(own *socket, at int64, r *reply) {
	for _, s := range n.sockets {
		if s.closed || s.opt.IPv6 != own.opt.IPv6 {
			continue
		}
		if s.opt.Kind == rawsock.Raw && !s.opt.DontFragment || s.opt.Kind == rawsock.Datagram && s == own && !r.raw {
			n.queue.push(event{at: at, to: s, packet: n.message(s, r)})
		}
	}
}

// message wraps an ICMP message as a socket hands it over: a Raw IPv4 socket
// with the IPv4 header in front.
func (n *Net) message(s *socket, r *reply) *packet {
	p := n.queue.take()
	m := &p.message
	m.From, m.Len = addr(r.from), r.size
	if s.opt.Kind == rawsock.Raw && !s.opt.IPv6 {
		m.Len += 20
		b := wire.AppendIPv4(p.data[:0], wire.IPv4{
			TotalLen: m.Len, TTL: 57, Protocol: wire.ProtoICMP, Src: r.from.As4(), Dst: self4.As4(),
		})
		p.n = 20 + copy(p.data[len(b):], r.icmp[:r.n])
	} else {
		m.TTL = 57
		if s.opt.Kind == rawsock.Raw {
			m.To = addr(self6)
		}
		p.n = copy(p.data[:], r.icmp[:r.n])
	}
	if r.bare > 0 {
		p.n = min(p.n, r.bare)
		m.Len = p.n
	}
	return p
}

// sendError sends an ICMP error about a probe. quote is how many bytes of the
// probe's ICMP message or UDP datagram are quoted; 0 is as much as is allowed.
func (n *Net) sendError(pr *probe, at int64, from netip.Addr, typ, code uint8, quote int) {
	if pr.sock.opt.Kind != rawsock.Raw {
		n.sendReport(pr, at, from, typ, code, quote)
		if pr.sock.opt.Kind == rawsock.UDP {
			return
		}
	}
	n.deliverError(pr, at, from, typ, code, quote, nil)
}

// deliverError sends an error as a packet, to Raw sockets. bend, if there is
// one, changes the quoted datagram.
func (n *Net) deliverError(pr *probe, at int64, from netip.Addr, typ, code uint8, quote int, bend func(bool, []byte)) {
	if quote == 0 {
		quote = maxQuote
	}
	q := min(quote, pr.known)
	r := &n.answer
	r.from, r.raw, r.bare = from, true, 0
	clear(r.icmp[:8])
	r.icmp[0], r.icmp[1] = typ, code
	binary.BigEndian.PutUint32(r.icmp[4:], pr.tellMTU)
	b := r.icmp[:8]
	if pr.sock.opt.IPv6 {
		b = wire.AppendIPv6(b, wire.IPv6{
			PayloadLen: pr.size, NextHeader: wire.ProtoICMPv6, HopLimit: 1, Src: self6.As16(), Dst: pr.to.As16(),
		})
	} else {
		b = wire.AppendIPv4(b, wire.IPv4{
			TotalLen: 20 + pr.size, TTL: 1, Protocol: wire.ProtoICMP, Src: self4.As4(), Dst: pr.to.As4(),
		})
	}
	b = append(b, pr.data[:q]...)
	if bend != nil {
		bend(pr.sock.opt.IPv6, b[8:])
	}
	binary.BigEndian.PutUint16(b[2:], checksum(b, pr.sock.opt.IPv6, from, self6))
	r.n, r.size = len(b), len(b)
	n.deliver(pr.sock, at, r)
}

// sendReport puts an error into the error queue of an unprivileged socket: the
// quoted datagram from its ICMP header, or from its UDP payload.
func (n *Net) sendReport(pr *probe, at int64, from netip.Addr, typ, code uint8, quote int) {
	q := pr.known
	if quote > 0 {
		q = min(quote, pr.known)
		if pr.sock.opt.Kind == rawsock.UDP {
			q = min(max(0, quote-8), pr.known)
		}
	}
	p := n.queue.take()
	p.isReport = true
	p.report.Origin, p.report.Errno = rawsock.OriginICMP, syscall.EHOSTUNREACH
	p.report.Type, p.report.Code, p.report.MTU = typ, code, pr.tellMTU
	p.report.From, p.report.To = addr(from), addr(pr.to)
	p.n = copy(p.data[:], pr.data[:q])
	to := pr.sock
	n.queue.push(event{at: at, to: to, packet: p})
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

const (
	// maxQuote is what a router quotes of a datagram: Linux fills 576 bytes.
	maxQuote = 576 - 20 - 8 - 20
	// paddedQuote is to what length one is cut or filled before extensions (RFC 4884,
	// 4), with its IP header.
	paddedQuote = 128
)

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
	r.begin(pr.to, pr.proto)
	r.size, r.n = pr.size, pr.known
	copy(r.data[:], pr.data[:pr.known])
	r.data[0] = wire.TypeEchoReply
	if pr.sock.opt.IPv6 {
		r.data[0] = wire.Type6EchoReply
	}
	if bend != nil {
		bend(pr, r)
	}
	if r.n == r.size {
		binary.BigEndian.PutUint16(r.data[2:], 0)
		binary.BigEndian.PutUint16(r.data[2:], checksum(r.data[:r.n], r.proto, r.from, self(pr.sock.opt.IPv6)))
	}
	n.deliver(pr, at, r)
}

// sendSegment answers a SYN (RFC 9293, 3.10.7): a SYN-ACK where somebody listens,
// else a reset.
func (n *Net) sendSegment(pr *probe, at int64) {
	syn, _, _ := wire.ParseTCP(pr.data[:pr.known])
	t := wire.TCP{SrcPort: syn.DstPort, DstPort: syn.SrcPort, Ack: syn.Seq + 1, Flags: wire.FlagRST | wire.FlagACK}
	if pr.host.open {
		t.Seq, t.Flags = n.rng.Uint32(), wire.FlagSYN|wire.FlagACK
	}
	r := &n.answer
	r.begin(pr.to, wire.ProtoTCP)
	b := wire.AppendTCP(r.data[:0], t)
	binary.BigEndian.PutUint16(b[16:], checksum(b, wire.ProtoTCP, r.from, self(pr.sock.opt.IPv6)))
	r.n, r.size = len(b), len(b)
	n.deliver(pr, at, r)
}

// reply is an ICMP message or a TCP segment on its way to us.
type reply struct {
	from  netip.Addr
	proto uint8
	size  int // of the message
	n     int // bytes of it in data
	data  [room]byte
	raw   bool // a Raw socket gets it only
	bare  int  // bytes after which the whole packet is cut; 0: it is whole
}

// begin makes it one that is whole; its bytes are still to be written.
func (r *reply) begin(from netip.Addr, proto uint8) {
	r.from, r.proto, r.raw, r.bare = from, proto, false, 0
}

// deliver hands a message to the sockets that get it: every Raw one of the
// family gets a clone of every ICMP message that its filter lets pass, a Datagram
// one what is its own, and a RawTCP one the segments.
func (n *Net) deliver(pr *probe, at int64, r *reply) {
	for _, s := range n.sockets {
		if !s.closed && s.opt.IPv6 == pr.sock.opt.IPv6 && s.gets(pr, r) {
			n.queue.push(event{at: at, to: s, packet: n.message(s, r)})
		}
	}
}

func (s *socket) gets(pr *probe, r *reply) bool {
	switch s.opt.Kind {
	case rawsock.Raw:
		return isICMP(r.proto) && !s.opt.DontFragment && s.accepts(pr.proto, pr.data[:])
	case rawsock.Datagram:
		return isICMP(r.proto) && s == pr.sock && !r.raw
	case rawsock.RawTCP:
		return r.proto == wire.ProtoTCP
	}
	return false
}

// message wraps a message as a socket hands it over: a raw IPv4 socket with the
// IPv4 header in front.
func (n *Net) message(s *socket, r *reply) *packet {
	p := n.queue.take()
	m := &p.message
	m.From, m.Len = addr(r.from), r.size
	if s.opt.Kind != rawsock.Datagram && !s.opt.IPv6 {
		m.Len += 20
		b := wire.AppendIPv4(p.data[:0], wire.IPv4{
			TotalLen: m.Len, TTL: 57, Protocol: r.proto, Src: r.from.As4(), Dst: self4.As4(),
		})
		p.n = 20 + copy(p.data[len(b):], r.data[:r.n])
	} else {
		m.TTL = 57
		if s.opt.Kind != rawsock.Datagram {
			m.To = addr(self6)
		}
		p.n = copy(p.data[:], r.data[:r.n])
	}
	if r.bare > 0 {
		p.n = min(p.n, r.bare)
		m.Len = p.n
	}
	return p
}

// sendError lets a router, or a host, send an ICMP error about a probe.
func (n *Net) sendError(pr *probe, at int64, by *router, typ, code uint8) {
	if k := pr.sock.opt.Kind; k == rawsock.Datagram || k == rawsock.UDP {
		n.sendReport(pr, at, by, typ, code)
		if k == rawsock.UDP {
			return
		}
	}
	n.deliverError(pr, at, by, typ, code, nil)
}

// deliverError sends an error as a packet, to Raw sockets. bend, if there is
// one, changes the quoted datagram.
func (n *Net) deliverError(pr *probe, at int64, by *router, typ, code uint8, bend func(bool, []byte)) {
	r := &n.answer
	r.begin(pr.seems(by), wire.ProtoICMP)
	r.raw = true
	b := append(r.data[:0], typ, code, 0, 0)
	b = binary.BigEndian.AppendUint32(b, pr.tellMTU)
	b = pr.appendQuote(b, by.quote)
	if bend != nil {
		bend(pr.sock.opt.IPv6, b[8:])
	}
	if len(by.labels) > 0 {
		b = appendLabels(b, pr.sock.opt.IPv6, by)
	}
	if pr.sock.opt.IPv6 {
		r.proto = wire.ProtoICMPv6
	}
	binary.BigEndian.PutUint16(b[2:], checksum(b, r.proto, r.from, self(pr.sock.opt.IPv6)))
	r.n, r.size = len(b), len(b)
	n.deliver(pr, at, r)
}

// appendQuote appends the probe as it has come to a router that quotes so many
// bytes behind the IP header; 0 is as much as is allowed.
func (pr *probe) appendQuote(b []byte, quote int) []byte {
	if quote == 0 {
		quote = maxQuote
	}
	src, dst := self(pr.sock.opt.IPv6), pr.to
	if pr.nat != nil {
		src, dst = pr.nat.addresses(src, dst)
	}
	if pr.sock.opt.IPv6 {
		b = wire.AppendIPv6(b, wire.IPv6{
			PayloadLen: pr.size, NextHeader: pr.proto, HopLimit: uint8(pr.left), Src: src.As16(), Dst: dst.As16(),
		})
	} else {
		b = wire.AppendIPv4(b, wire.IPv4{
			TotalLen: 20 + pr.size, TTL: uint8(pr.left), Protocol: pr.proto, Src: src.As4(), Dst: dst.As4(),
		})
	}
	at := len(b)
	b = append(b, pr.data[:min(quote, pr.known)]...)
	if pr.nat != nil {
		pr.nat.rewrite(b[at:], pr, src, dst)
	}
	return b
}

// appendLabels brings the quotation in an error to the length that extensions
// need before them, and appends the label stack that the probe came with (RFC
// 4950).
func appendLabels(b []byte, v6 bool, by *router) []byte {
	b = b[:min(len(b), 8+paddedQuote)]
	b = append(b, make([]byte, 8+paddedQuote-len(b))...)
	switch {
	case by.unmeasured:
	case v6:
		b[4] = paddedQuote / 8
	default:
		b[5] = paddedQuote / 4
	}
	return wire.AppendExtensions(b, wire.ExtensionObject{
		Class: wire.ClassMPLS, CType: wire.CTypeIncomingStack, Data: wire.AppendMPLS(nil, by.labels...),
	})
}

// sendReport puts an error into the error queue of an unprivileged socket: the
// quoted datagram from its ICMP header, or from its UDP payload.
func (n *Net) sendReport(pr *probe, at int64, by *router, typ, code uint8) {
	q := pr.known
	if by.quote > 0 {
		q = min(by.quote, pr.known)
		if pr.sock.opt.Kind == rawsock.UDP {
			q = min(max(0, by.quote-8), pr.known)
		}
	}
	p := n.queue.take()
	p.isReport = true
	p.report.Origin, p.report.Errno = rawsock.OriginICMP, syscall.EHOSTUNREACH
	p.report.Type, p.report.Code, p.report.MTU = typ, code, pr.tellMTU
	to := pr.to
	if pr.nat != nil {
		if pr.nat.port != 0 {
			n.queue.release(p) // the kernel finds no socket of that port
			return
		}
		_, to = pr.nat.addresses(self(pr.sock.opt.IPv6), pr.to)
	}
	p.report.From, p.report.To = addr(pr.seems(by)), addr(to)
	p.n = copy(p.data[:], pr.data[:q])
	n.queue.push(event{at: at, to: pr.sock, packet: p})
}

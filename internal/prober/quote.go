// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"net/netip"
	"syscall"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// icmpError matches an ICMP error by the datagram that it quotes. ttl is that of
// the error itself; local: it came from this host itself.
func (l *Loop) icmpError(m *rawsock.Message, icmp []byte, ttl uint8, local bool) {
	parse, parseQuoted := wire.ParseError4, wire.ParseQuoted4
	if l.opt.IPv6 {
		parse, parseQuoted = wire.ParseError6, wire.ParseQuoted6
	}
	e, ok := parse(icmp)
	if !ok {
		l.stats.malformed.Add(1)
		return
	}
	q, ok := parseQuoted(e.Quoted)
	if !ok {
		l.stats.strays.Add(1)
		return
	}
	if e.Extensions != nil {
		q = q.WithoutPadding()
	}
	id, to := l.quoted(&q, l.ownAddress(m))
	if id == none {
		return
	}
	r := l.errorResult(m.From, e.Type, e.Code)
	asked := l.probes.entries[id].to
	// Where we are the destination too, we have answered as that.
	r.Local, r.MTU, r.TTL, r.Quote = local && !asked.Same(m.From), e.MTU, ttl, &l.quote
	l.quote = Quote{TTL: q.TTL}
	if !asked.Same(to) {
		l.quote.To = to
	}
	if e.Extensions != nil {
		l.quote.Labels, _ = wire.ParseMPLS(e.Extensions)
	}
	l.answer(id, m.Stamp, r)
}

// ownAddress is the address of this host that an error came to, which is the one
// that the probe left from.
func (l *Loop) ownAddress(m *rawsock.Message) (a rawsock.Addr) {
	if l.opt.IPv6 || l.info.Kind != rawsock.Raw {
		return m.To
	}
	copy(a.IP[:4], m.Data[16:20]) // of the IPv4 header, which was parsed
	return a
}

// quoted finds the probe that an error quotes, and the destination that it had by
// then; none, counted, when that is not a probe of ours. own is the address that it
// left from. The payload, where it is quoted, finds any. Sequence and destination
// find one as long as fewer than 65,536 of a target are in flight; the destination
// may have been translated, so a sequence that is in flight once will do.
func (l *Loop) quoted(q *wire.Quoted, own rawsock.Addr) (id int32, to rawsock.Addr) {
	method, flow, seq, ours := l.quotedProbe(q)
	to, err := rawsock.AddrFrom(q.Dst)
	whole := method != vitals.MethodTCP && len(q.Payload) >= rawsock.NonceRoom
	switch {
	case err != nil:
		l.stats.malformed.Add(1)
		return none, to
	case !ours:
		l.stats.strays.Add(1)
		return none, to
	case whole:
		id = l.byPayload(q.Payload)
		if id == none && l.probes.find(seq, to) != none {
			l.stats.forged.Add(1)
			return none, to
		}
	default:
		if method == vitals.MethodUDP {
			seq = translated(seq, sumOf(q.Src), sumOf(own.Netip(l.opt.IPv6)))
		}
		if id = l.probes.find(seq, to); id == none {
			id = l.probes.alone(seq)
		}
	}
	if id == none {
		l.stats.strays.Add(1)
		return none, to
	}
	// Only who asks for the way wants to know of a translator.
	e := &l.probes.entries[id]
	moved := !e.to.Same(to)
	if e.method != method || e.flow != flow || moved && !e.limited || !l.rightSequence(e, q, seq, whole) {
		l.stats.forged.Add(1)
		return none, to
	}
	return id, to
}

// rightSequence reports whether a quoted datagram has the sequence of the probe
// that it was taken for. That of UDP is the checksum, which covers the addresses:
// translators change it with them, and some do not change it back in what errors
// quote, so where the payload has told the probe it says nothing. Where it alone
// did, another of our probes may have had it before it was translated.
func (l *Loop) rightSequence(e *entry, q *wire.Quoted, seq uint16, whole bool) bool {
	switch {
	case e.method != vitals.MethodUDP:
		return e.seq == seq
	case whole:
		return true
	}
	return seq == translated(e.seq, sumOf(e.to.Netip(l.opt.IPv6)), sumOf(q.Dst))
}

// translated is what becomes of the checksum of UDP when an address is replaced
// by another, by their partial sums.
func translated(checksum uint16, was, is uint32) uint16 {
	if sum := wire.Adjust(checksum, was, is); sum != 0 {
		return sum
	}
	return 0xffff // which is the same; 0 means none (RFC 768)
}

func sumOf(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return wire.Sum(b[:], 0)
	}
	b := a.As16()
	return wire.Sum(b[:], 0)
}

// quotedProbe is what of a quoted datagram tells the probe; ours is false when it
// is none of this loop.
func (l *Loop) quotedProbe(q *wire.Quoted) (method vitals.Method, flow uint8, seq uint16, ours bool) {
	proto, request := wire.ProtoICMP, wire.TypeEchoRequest
	if l.opt.IPv6 {
		proto, request = wire.ProtoICMPv6, wire.Type6EchoRequest
	}
	switch q.Protocol {
	case proto:
		return vitals.MethodICMP, 0, q.Seq, q.Type == request && q.ID == l.info.ID
	case wire.ProtoUDP:
		flow, ours = l.flowOfPort(q.SrcPort)
		return vitals.MethodUDP, flow, q.Checksum, ours
	case wire.ProtoTCP:
		flow, ours = l.flowOfPort(q.SrcPort)
		return vitals.MethodTCP, flow, uint16(q.TCPSeq), ours && q.TCPSeq == l.tcpSeq(uint16(q.TCPSeq))
	}
	return 0, 0, 0, false
}

func (l *Loop) errorResult(from rawsock.Addr, typ, code uint8) Result {
	expired := wire.TypeTimeExceeded
	if l.opt.IPv6 {
		expired = wire.Type6TimeExceeded
	}
	r := Result{Verdict: Unreachable, From: from, Type: typ, Code: code}
	switch {
	case typ == expired:
		r.Verdict = Expired
	case l.opt.IPv6 && typ == wire.Type6DestinationUnreachable && code == wire.Code6BeyondScope:
		// Our kernel had no global address left to send from.
		r.Verdict, r.Errno = Unknown, syscall.EADDRNOTAVAIL
	}
	return r
}

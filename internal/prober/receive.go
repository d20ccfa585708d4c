// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"encoding/binary"
	"math"
	"net/netip"
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// report takes a transmit stamp, or the ICMP error that an unprivileged socket
// gets by its error queue. A Raw socket gets the errors' packets themselves,
// so there the queue's copy says nothing new.
func (l *Loop) report(b *lane, r *rawsock.Report) {
	switch {
	case r.Origin == rawsock.OriginTransmit:
		if id := l.probes.byStampID(r.ID); id != none && r.Stamp != 0 {
			e := &l.probes.entries[id]
			e.sent, e.stamped = r.Stamp, true
		}
	case r.Origin != rawsock.OriginICMP || l.info.Kind == rawsock.Raw:
	default:
		id, cut := l.quotedByKernel(b.kind, r), false
		if id == none && b.kind == rawsock.UDP && len(r.Data) < rawsock.NonceRoom {
			id, cut = l.cutError(b.flow, r), true
		}
		if id == none {
			l.stats.strays.Add(1)
			return
		}
		v := l.errorResult(r.From, r.Type, r.Code)
		// Where we are the destination too, we have answered as that.
		v.Local = !r.At.IsZero() && r.At.Same(r.From) && !r.From.Same(r.To)
		v.Cut = cut
		v.MTU, v.TTL = int(min(r.MTU, math.MaxInt32)), r.TTL
		l.answer(id, r.Stamp, v)
	}
}

// quotedByKernel finds the probe that an entry of the error queue quotes: the
// kernel has cut the quoted datagram down to its ICMP message, or to what
// followed the UDP header, which an old router does not quote at all.
func (l *Loop) quotedByKernel(kind rawsock.Kind, r *rawsock.Report) int32 {
	payload := r.Data
	if kind == rawsock.Datagram {
		echo, p, ok := wire.ParseEcho(r.Data)
		if !ok {
			return none
		}
		if len(p) < rawsock.NonceRoom {
			return l.probes.find(echo.Seq, r.To)
		}
		payload = p
	}
	id := l.byPayload(payload)
	if id != none && !l.probes.entries[id].to.Same(r.To) {
		return none
	}
	return id
}

// byPayload finds a probe by nonce, index and generation.
func (l *Loop) byPayload(p []byte) int32 {
	if len(p) < rawsock.NonceRoom || [8]byte(p[:8]) != l.nonce {
		return none
	}
	return l.probes.at(binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint16(p[12:]))
}

// receive takes one packet. What is not ours, or lies, is counted and left.
func (l *Loop) receive(kind rawsock.Kind, m *rawsock.Message) {
	l.stats.received.Add(1)
	icmp, size, ttl, local := m.Data, m.Len, m.TTL, m.To == m.From
	switch {
	case kind == rawsock.UDP:
		l.stats.strays.Add(1)
		return
	case kind == rawsock.RawTCP:
		l.receiveTCP(m)
		return
	case kind == rawsock.Raw && !l.opt.IPv6:
		h, payload, ok := wire.ParseIPv4(m.Data)
		if !ok {
			l.stats.malformed.Add(1)
			return
		}
		icmp, size, ttl, local = payload, m.Len-h.HeaderLen, h.TTL, h.Src == h.Dst
		// The kernel hands it to raw sockets before it checks. What rawsock reads
		// of it is always whole.
		if len(icmp) == size && wire.Checksum(icmp) != 0 {
			l.stats.malformed.Add(1)
			return
		}
	}
	switch {
	case len(icmp) < 8:
		l.stats.malformed.Add(1)
	case l.isReply(icmp[0]):
		l.reply(m, icmp, size, ttl)
	default:
		l.icmpError(m, icmp, ttl, local)
	}
}

func (l *Loop) isReply(typ uint8) bool {
	return !l.opt.IPv6 && typ == wire.TypeEchoReply || l.opt.IPv6 && typ == wire.Type6EchoReply
}

// reply matches an echo reply. size is the length of the ICMP message, of
// which icmp may be the beginning only.
func (l *Loop) reply(m *rawsock.Message, icmp []byte, size int, ttl uint8) {
	echo, payload, ok := wire.ParseEcho(icmp)
	if !ok || l.info.Kind == rawsock.Raw && echo.ID != l.info.ID { // a Datagram socket gets its own only
		l.stats.strays.Add(1)
		return
	}
	var id int32
	if size-8 >= rawsock.NonceRoom {
		id = l.byPayload(payload)
	} else {
		id = l.probes.find(echo.Seq, m.From)
	}
	if id == none {
		l.stats.strays.Add(1) // another process's, a duplicate or late beyond its deadline
		return
	}
	e := &l.probes.entries[id]
	if e.seq != echo.Seq || int(e.size) != size-8 || !e.to.Same(m.From) || e.method != vitals.MethodICMP {
		l.stats.forged.Add(1)
		return
	}
	l.answer(id, m.Stamp, Result{Verdict: Replied, From: m.From, Type: echo.Type, Code: echo.Code, TTL: ttl})
}

// receiveTCP matches the SYN-ACK or RST that answers a SYN. Its checksum is not
// verified: that of a packet from this machine, or from a virtual one beside it,
// is not written by then.
func (l *Loop) receiveTCP(m *rawsock.Message) {
	segment, ttl := m.Data, m.TTL
	if !l.opt.IPv6 {
		h, payload, ok := wire.ParseIPv4(m.Data)
		if !ok {
			l.stats.malformed.Add(1)
			return
		}
		segment, ttl = payload, h.TTL
	}
	t, _, ok := wire.ParseTCP(segment)
	if !ok {
		l.stats.malformed.Add(1)
		return
	}
	syn, ok := t.AnsweredSYN()
	if !ok || syn != l.tcpSeq(uint16(syn)) {
		l.stats.strays.Add(1)
		return
	}
	id := l.probes.find(uint16(syn), m.From)
	if id == none {
		l.stats.strays.Add(1)
		return
	}
	e := &l.probes.entries[id]
	if flow, ours := l.flowOfPort(t.DstPort); !ours || e.method != vitals.MethodTCP || e.flow != flow {
		l.stats.forged.Add(1)
		return
	}
	l.answer(id, m.Stamp, Result{Verdict: Replied, From: m.From, TTL: ttl})
}

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

// answer gives a probe its verdict by what came back at stamp.
func (l *Loop) answer(id int32, stamp int64, r Result) {
	if !l.probes.entries[id].stamped && l.info.Stamps && !l.fresh {
		// It waited in a queue of this machine, or was sent by a client that was
		// told of an answer, and its stamp came after the error queue was read.
		l.drainStamps()
	}
	e := &l.probes.entries[id]
	if e.state == answered {
		l.stats.duplicates.Add(1)
		if r.Verdict == Replied && e.replied {
			r.Verdict = Duplicate
			l.tell(e.client, e.ref, e.tag, r)
		}
		return
	}
	if r.Local || r.Verdict == Unknown { // it may never have left
		l.settle(id, r)
		return
	}
	rtt := l.rtt(e, stamp)
	r.RTT, r.Stamped = time.Duration(rtt), e.stamped
	if rtt > e.timeout && r.Verdict == Replied {
		r.Verdict = Late
	}
	l.settle(id, r)
}

// settle concludes a probe that was answered, whose entry is kept for a while.
func (l *Loop) settle(id int32, r Result) {
	l.probes.keep(id, l.now)
	l.conclude(id, r)
}

// tell hands a verdict to a client. Its argument would be allocated if it were
// not kept in the loop, for the compiler does not know the client. A client
// that sends within the call is told nothing but that there is no room (put).
func (l *Loop) tell(client uint8, ref, tag uint32, r Result) {
	l.result = r
	l.clients[client].Verdict(ref, tag, &l.result)
}

// rtt is the time from the transmit stamp to the receive stamp. Where the
// kernel gave none, or the two make no sense, the monotonic time until this
// tick stands in, and is counted.
func (l *Loop) rtt(e *entry, stamp int64) int64 {
	most := l.now - e.sentMono
	if stamp != 0 {
		r, ok := l.clock.elapsed(e.sent, stamp, e.epoch, most)
		if !ok { // it arrived, or the clock stepped, after this tick had begun
			_, now := l.clock.sample()
			r, ok = l.clock.elapsed(e.sent, stamp, e.epoch, now-e.sentMono)
		}
		if ok {
			if !e.stamped {
				l.stats.unstamped.Add(1)
			}
			return r
		}
	}
	l.stats.unstamped.Add(1)
	return max(0, most)
}

// conclude hands the one verdict of a probe to its client.
func (l *Loop) conclude(id int32, r Result) {
	e := &l.probes.entries[id]
	client, ref, tag := e.client, e.ref, e.tag
	e.state, e.replied = answered, r.Verdict == Replied || r.Verdict == Late
	l.flying--
	l.stats.count(r.Verdict)
	l.tell(client, ref, tag, r) // the client may send, and so move the entries
}

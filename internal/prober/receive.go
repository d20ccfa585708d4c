// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"encoding/binary"
	"math"

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

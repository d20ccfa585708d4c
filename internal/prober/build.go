// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"encoding/binary"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

// build writes the packet of a probe: an echo request, a UDP datagram, its
// payload alone where the kernel writes the header, or a TCP SYN. The first three
// carry what tells a probe of ours from anything else, behind the eight bytes
// that routers must quote:
//
//	+-------------------------------+-------------------------------+
//	|  Type, Code   |   Checksum    |  Identifier   |   Sequence    |
//	+-------------------------------+-------------------------------+
//	|                       Nonce of this loop                      |
//	+-------------------------------+-------------------------------+
//	|        Index of the probe     |  Generation   | Balancing word|
//	+-------------------------------+-------------------------------+
//	|  Filler ...
//
// A payload shorter than 16 bytes is cut from that.
func (l *Loop) build(kind rawsock.Kind, k *rawsock.Packet, id int32, p *Probe) {
	k.To, k.From, k.Iface, k.Port = p.To, p.From, p.Iface, 0
	k.TTL, k.TOS, k.Stamp = p.TTL, p.TOS, l.probes.stampID(id)
	switch kind {
	case rawsock.RawTCP:
		l.buildSYN(k, id, p)
	case rawsock.RawUDP:
		l.buildUDP(k, id, p)
	case rawsock.UDP:
		l.nonceInto(k.Head[:], id)
		k.Port = p.Port // a raw IPv6 socket would refuse one (EINVAL)
		k.Len, k.Fill = rawsock.NonceRoom, 0
	default:
		l.buildEcho(k, id, p)
	}
}

// nonceInto writes nonce, index and generation, and no balancing word.
func (l *Loop) nonceInto(b []byte, id int32) {
	copy(b, l.nonce[:])
	binary.BigEndian.PutUint32(b[8:], uint32(id))
	binary.BigEndian.PutUint16(b[12:], l.probes.entries[id].gen)
	binary.BigEndian.PutUint16(b[14:], 0)
}

// balanceAt is where the balancing word stands.
const balanceAt = rawsock.EchoRoom - 2

func (l *Loop) buildEcho(k *rawsock.Packet, id int32, p *Probe) {
	h := k.Head[:rawsock.EchoRoom]
	typ := wire.TypeEchoRequest
	if l.opt.IPv6 {
		typ = wire.Type6EchoRequest
	}
	wire.AppendEcho(h[:0], wire.Echo{Type: typ, ID: l.info.ID, Seq: l.probes.entries[id].seq})
	l.nonceInto(h[8:], id)
	k.Len = uint8(8 + min(p.Size, rawsock.NonceRoom))
	k.Fill = uint16(p.Size) - uint16(k.Len-8)
	l.checksum(h[:k.Len], int(k.Fill), p.Checksum)
}

// checksum fills in the ICMP checksum. For ICMPv6, and on a Datagram socket,
// the kernel writes its own; the balancing word is put in all the same, so
// that what the kernel computes is the same for every probe of a flow.
func (l *Loop) checksum(h []byte, fill int, want uint16) {
	rest := l.out.fillerSum(fill)
	if want != 0 && len(h) == rawsock.EchoRoom {
		wire.BalanceEcho(h, balanceAt, rest, want)
		return
	}
	if !l.opt.IPv6 {
		binary.BigEndian.PutUint16(h[2:], ^wire.Fold(wire.Sum(h, rest)))
	}
}

// buildUDP writes a datagram whose checksum is the sequence of the probe: ports
// and length stay, so that routers see one flow, and routers quote it.
func (l *Loop) buildUDP(k *rawsock.Packet, id int32, p *Probe) {
	h, size := k.Head[:rawsock.EchoRoom], 8+max(p.Size, rawsock.NonceRoom)
	wire.AppendUDP(h[:0], wire.UDP{SrcPort: l.ports.First + uint16(p.Flow), DstPort: p.Port, Length: size})
	l.nonceInto(h[8:], id)
	k.Len, k.Fill = rawsock.EchoRoom, uint16(size-rawsock.EchoRoom)
	rest := l.pseudo(p, wire.ProtoUDP, size) + l.out.fillerSum(int(k.Fill))
	wire.BalanceUDP(h, balanceAt, rest, l.probes.entries[id].seq)
}

// pseudo is the sum of the pseudo-header of a probe of so many bytes.
func (l *Loop) pseudo(p *Probe, proto uint8, size int) uint32 {
	if l.opt.IPv6 {
		return wire.Pseudo6(p.From.IP, p.To.IP, proto, size)
	}
	return wire.Pseudo4([4]byte(p.From.IP[:4]), [4]byte(p.To.IP[:4]), proto, size)
}

// The largest segment that we would take, of the usual MTU of 1500 bytes.
const (
	mss4 = 1460
	mss6 = 1440
)

// buildSYN writes a SYN whose sequence number ends in the sequence of the probe.
func (l *Loop) buildSYN(k *rawsock.Packet, id int32, p *Probe) {
	mss := uint16(mss4)
	if l.opt.IPv6 {
		mss = mss6
	}
	h := wire.AppendSYN(k.Head[:0], l.ports.First+uint16(p.Flow), p.Port, l.tcpSeq(l.probes.entries[id].seq), mss)
	binary.BigEndian.PutUint16(h[16:], ^wire.Fold(wire.Sum(h, l.pseudo(p, wire.ProtoTCP, len(h)))))
	k.Len, k.Fill = uint8(len(h)), 0
}

// tcpSeq is the sequence number of a SYN: what it begins with is drawn anew each
// run.
func (l *Loop) tcpSeq(seq uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(l.nonce[2:]))<<16 | uint32(seq)
}

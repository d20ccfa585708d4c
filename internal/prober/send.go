// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"encoding/binary"
	"errors"
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

// outbox is what is about to be sent: a batch for each socket, the probes that
// the pace or a full send buffer holds back, and those that the kernel refused.
type outbox struct {
	lanes   [laneCount]lane
	held    ring[heldProbe]
	weight  int // of held
	quota   quota
	refused []refusal
	filler  [257]uint32 // filler[n]: checksum of the first n bytes of a period of filler
	v6      bool
}

type refusal struct {
	id    int32
	errno syscall.Errno
}

// maxStall is after how long with a full send buffer its first probe is given
// up, in ns, so that the others may try.
const maxStall = int64(100 * time.Millisecond)

func (o *outbox) init(v6 bool) {
	o.v6 = v6
	for n := 2; n <= 256; n += 2 {
		o.filler[n] = o.filler[n-2] + uint32(n-2)<<8 + uint32(n-1)
	}
}

// pending is what has not been sent yet: the loop must wake for it although no
// timer is due.
func (o *outbox) pending() int {
	n := o.held.len() + len(o.refused)
	for i := range o.lanes {
		n += o.lanes[i].n
	}
	return n
}

// Send puts a probe into the batch that leaves in this tick, or behind those
// that the pace holds back.
func (l *Loop) Send(client uint8, p *Probe) {
	if l.out.held.len() > 0 || l.laneOf(p).full() || l.out.quota.left <= 0 || !l.opt.Pace.take() {
		l.stats.held.Add(1)
		l.out.held.push(heldProbe{client: client, probe: *p})
		l.out.weight += Cost(p.Size)
		return
	}
	l.put(client, p)
}

// Congested reports whether so many probes are held back that a client should
// postpone what it has not begun: a quarter of a second's by the pace, or a
// second's by the loop's own quota.
func (l *Loop) Congested() bool {
	if l.opt.Pace != nil {
		return l.out.held.len() > max(rawsock.Batch, l.opt.Pace.worth(time.Second/4))
	}
	return l.out.weight > l.out.quota.perSecond
}

// put builds the packet into a batch and sends the batch when it is full.
func (l *Loop) put(client uint8, p *Probe) {
	l.stats.begun.Add(1)
	id := l.probes.take()
	if id == none {
		l.stats.refused.Add(1)
		l.stats.count(Unknown)
		r := Result{Verdict: Unknown, Errno: syscall.ENOMEM}
		l.clients[client].Verdict(p.Ref, p.Tag, &r)
		return
	}
	e := &l.probes.entries[id]
	e.to, e.ref, e.tag, e.client = p.To, p.Ref, p.Tag, client
	e.size, e.timeout, e.stamps = uint16(p.Size), int64(p.Timeout), p.Stamps && l.info.Stamps
	l.flying++
	b := l.laneOf(p)
	l.build(&b.packets[b.n], id, p)
	b.ids[b.n] = id
	b.n++
	l.out.quota.left -= Cost(p.Size)
	if b.n == rawsock.Batch {
		l.flushLane(b)
	}
}

// build writes the packet:
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
func (l *Loop) build(k *rawsock.Packet, id int32, p *Probe) {
	e := &l.probes.entries[id]
	k.To, k.From, k.Iface, k.Port = p.To, p.From, p.Iface, 0
	k.TTL, k.TOS, k.Stamp = p.TTL, p.TOS, l.probes.stampID(id)
	h := k.Head[:]
	typ := wire.TypeEchoRequest
	if l.opt.IPv6 {
		typ = wire.Type6EchoRequest
	}
	wire.AppendEcho(h[:0], wire.Echo{Type: typ, ID: l.info.ID, Seq: e.seq})
	copy(h[8:], l.nonce[:])
	binary.BigEndian.PutUint32(h[16:], uint32(id))
	binary.BigEndian.PutUint16(h[20:], e.gen)
	binary.BigEndian.PutUint16(h[22:], 0)
	if l.info.Kind == rawsock.UDP {
		copy(h, h[8:])
		k.Port = p.Port // a raw IPv6 socket would refuse one (EINVAL)
		k.Len, k.Fill = rawsock.NonceRoom, 0
		return
	}
	k.Len = uint8(8 + min(p.Size, rawsock.NonceRoom))
	k.Fill = uint16(p.Size) - uint16(k.Len-8)
	l.checksum(h[:k.Len], int(k.Fill), p.Flow)
}

// checksum fills in the ICMP checksum. For ICMPv6, and on a Datagram socket,
// the kernel writes its own; the balancing word is put in all the same, so
// that what the kernel computes is the same for every probe of a flow.
func (l *Loop) checksum(h []byte, fill int, flow uint16) {
	sum := wire.Sum(h, l.out.fillerSum(fill))
	if flow != 0 && len(h) == rawsock.HeadRoom {
		word := wire.Balance(sum, flow)
		binary.BigEndian.PutUint16(h[22:], word)
		sum += uint32(word)
	}
	if !l.opt.IPv6 {
		binary.BigEndian.PutUint16(h[2:], ^wire.Fold(sum))
	}
}

// fillerSum is the checksum of n bytes of filler, which begins at an even
// offset and repeats after 256 bytes.
func (o *outbox) fillerSum(n int) uint32 {
	sum := uint32(wire.Fold(o.filler[256])) * uint32(n/256)
	rest := n % 256
	sum += o.filler[rest&^1]
	if rest%2 == 1 {
		sum += uint32(rest-1) << 8
	}
	return sum
}

// flush sends what is due: first what was held back, as far as the pace
// allows, then what is left in the batches.
func (l *Loop) flush() {
	for l.out.held.len() > 0 && !l.laneOf(&l.out.held.first().probe).full() && l.out.quota.left > 0 && l.opt.Pace.take() {
		h := l.out.held.pop()
		l.out.weight -= Cost(h.probe.Size)
		l.put(h.client, &h.probe)
	}
	for i := range l.out.lanes {
		l.flushLane(&l.out.lanes[i])
	}
}

// refuse gives the verdict Unknown to what the kernel refused. It is done after
// the batches, because the client may send again.
func (l *Loop) refuse() {
	for i := 0; i < len(l.out.refused); i++ {
		f := l.out.refused[i]
		l.stats.refused.Add(1)
		l.conclude(f.id, Result{Verdict: Unknown, Errno: f.errno})
		l.probes.wheel.stop(f.id)
		l.probes.release(f.id)
	}
	l.out.refused = l.out.refused[:0]
}

func errnoOf(err error) syscall.Errno {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return syscall.EIO
}

// heldProbe is a probe that waits for the pace.
type heldProbe struct {
	probe  Probe
	client uint8
}

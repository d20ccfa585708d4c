// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"errors"
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// outbox is what is about to be sent: a batch for each socket, the probes that
// the pace or a full send buffer holds back, and those that the kernel refused.
type outbox struct {
	lanes   []*lane // by number; nil: not asked for yet
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
	for _, b := range o.lanes {
		if b != nil {
			n += b.n
		}
	}
	return n
}

// Send puts a probe into the batch that leaves in this tick, or behind those
// that the pace holds back.
func (l *Loop) Send(client uint8, p *Probe) {
	if l.out.held.len() > 0 || l.laneOf(p).full() || l.out.quota.left <= 0 || !l.opt.Pace.take(l.paced) {
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

// Delay is how long a probe that is sent now will be held back, by those before
// it: 0 when there are none.
func (l *Loop) Delay() time.Duration {
	held := l.out.held.len()
	if held == 0 {
		return 0
	}
	d := time.Duration(l.out.weight) * time.Second / time.Duration(l.out.quota.perSecond)
	if p := l.opt.Pace; p != nil {
		d = max(d, time.Duration(int64(held)*p.interval))
	}
	return d
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
	e.limited = p.TTL != 0
	if e.method = p.Method; p.Method != vitals.MethodICMP {
		e.flow = p.Flow
	}
	l.flying++
	b := l.laneOf(p)
	if err := l.open(b); err != nil {
		l.out.refused = append(l.out.refused, refusal{id, errnoOf(err)})
		return
	}
	if p.Sole {
		l.only(id, b.flow)
	}
	l.build(b.kind, &b.packets[b.n], id, p)
	b.ids[b.n] = id
	b.n++
	l.out.quota.left -= Cost(p.Size)
	if b.n == rawsock.Batch {
		l.flushLane(b)
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
	for l.out.held.len() > 0 && !l.laneOf(&l.out.held.first().probe).full() && l.out.quota.left > 0 && l.opt.Pace.take(l.paced) {
		h := l.out.held.pop()
		l.out.weight -= Cost(h.probe.Size)
		l.put(h.client, &h.probe)
	}
	for _, b := range l.out.lanes {
		if b != nil {
			l.flushLane(b)
		}
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

// SPDX-License-Identifier: Apache-2.0

package simnet

import "connmonitor/internal/rawsock"

// room is how many bytes of a packet are kept, as rawsock does.
const room = 1536

// packet is a message or an entry of the error queue on its way.
type packet struct {
	isReport bool
	report   rawsock.Report
	message  rawsock.Message
	n        int
	data     [room]byte
}

// event is a packet's arrival or a statement's moment.
type event struct {
	at        int64
	order     uint64 // what is due at the same time happens in the order of asking
	to        *socket
	packet    *packet
	statement func(*Net)
}

// queue is a heap of events by time. It is written out, and packets are used
// again, so that a test can count the allocations of the loop alone.
type queue struct {
	events  []event
	order   uint64
	packets int
	free    []*packet
}

func (q *queue) len() int { return len(q.events) }

func (q *queue) first() *event { return &q.events[0] }

func (q *queue) push(e event) {
	e.order = q.order
	q.order++
	if e.packet != nil {
		q.packets++
	}
	q.events = append(q.events, e)
	for i := len(q.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		q.events[i], q.events[up] = q.events[up], q.events[i]
		i = up
	}
}

func (q *queue) pop() event {
	e := q.events[0]
	last := len(q.events) - 1
	q.events[0] = q.events[last]
	q.events[last] = event{}
	q.events = q.events[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < last && q.less(down+1, down) {
			down++
		}
		if down >= last || !q.less(down, i) {
			break
		}
		q.events[i], q.events[down] = q.events[down], q.events[i]
		i = down
	}
	if e.packet != nil {
		q.packets--
	}
	return e
}

func (q *queue) less(i, j int) bool {
	a, b := &q.events[i], &q.events[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

// take returns an empty packet.
func (q *queue) take() *packet {
	if n := len(q.free); n > 0 {
		p := q.free[n-1]
		q.free = q.free[:n-1]
		p.isReport, p.n, p.report, p.message = false, 0, rawsock.Report{}, rawsock.Message{}
		return p
	}
	return &packet{}
}

func (q *queue) release(p *packet) { q.free = append(q.free, p) }

// ring is a socket's queue of what has arrived.
type ring struct {
	buf         []*packet
	first, size int
}

func (r *ring) push(p *packet) {
	if r.size == len(r.buf) {
		bigger := make([]*packet, max(64, 2*len(r.buf)))
		n := copy(bigger, r.buf[r.first:])
		copy(bigger[n:], r.buf[:r.first])
		r.buf, r.first = bigger, 0
	}
	r.buf[(r.first+r.size)%len(r.buf)] = p
	r.size++
}

func (r *ring) pop() *packet {
	p := r.buf[r.first]
	r.first = (r.first + 1) % len(r.buf)
	r.size--
	return p
}

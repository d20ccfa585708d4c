// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"

	"connmonitor/internal/rawsock"
)

// inbox holds the arrays that a drain reads into.
type inbox struct {
	messages []rawsock.Message
	reports  []rawsock.Report
}

func (in *inbox) init() {
	in.messages = make([]rawsock.Message, rawsock.Batch)
	in.reports = make([]rawsock.Report, rawsock.Batch)
}

// drain reads what has come: the error queues first, for the transmit stamps
// that the replies are measured against. When nothing is awaited, only answers
// to what was answered can have come.
func (l *Loop) drain() {
	if l.flying > 0 || l.now-l.drained > maxIdle {
		l.drained = l.now
		l.drainStamps()
		l.drainMessages()
	}
	l.readDrops()
}

// maxIdle is how long what nobody waits for may lie in the sockets, in ns.
const maxIdle = int64(time.Second)

func (l *Loop) drainStamps() {
	l.fresh = true
	for _, b := range l.out.lanes {
		if b != nil && b.sock != nil {
			l.drainReports(b)
		}
	}
}

func (l *Loop) drainMessages() {
	ordered, epoch := l.clock.epoch == l.epoch, l.clock.epoch
	l.behind = false
	for _, b := range l.out.lanes {
		if b != nil && b.receives {
			l.behind = !l.drainSocket(b, ordered) || l.behind
		}
	}
	if !l.behind {
		l.epoch = epoch
	}
}

// drainSocket reads everything that had arrived when this tick began, so that
// what expires in it has really not been answered; false says that it could
// not. It need not read more: who floods us would keep it here for ever. The
// queue is in order of arrival, and its stamps tell when that was; where they
// do not (the clock has stepped, or nothing is stamped), it ends when the queue
// has been read once over. A short batch is no end: an ICMP error that arrives
// meanwhile, for whichever process here, cuts it.
func (l *Loop) drainSocket(b *lane, ordered bool) bool {
	for left := l.capacity(); left > 0; {
		n, err := b.sock.Receive(l.in.messages)
		if err != nil {
			l.stats.receiveErrors.Add(1)
			return false
		}
		if n == 0 {
			return true
		}
		l.fresh = false
		for i := range n {
			l.receive(b.kind, &l.in.messages[i])
		}
		if ordered && l.in.messages[n-1].Stamp > l.wall+millisecond {
			return true
		}
		left -= n
	}
	return true
}

// capacity is more than the number of packets that the socket's queues hold: a
// packet costs half a small reply at least.
func (l *Loop) capacity() int { return max(2*l.info.Replies, 1<<12) }

func (l *Loop) drainReports(b *lane) {
	for left := l.capacity(); left > 0; {
		n, err := b.sock.Reports(l.in.reports)
		if err != nil {
			l.stats.receiveErrors.Add(1)
			return
		}
		for i := range n {
			l.report(b, &l.in.reports[i])
		}
		if n < len(l.in.reports) {
			return
		}
		left -= n
	}
}

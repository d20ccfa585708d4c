// SPDX-License-Identifier: Apache-2.0

package prober

import "syscall"

// expire ends the probes whose deadline is over. It comes after the drain, and
// l.now was read before it: whatever arrived in time has been read, even when
// this process was stopped for a while. Of what is still awaited, the network
// has lost it, unless our own sockets were dropping or could not be read.
func (l *Loop) expire() {
	l.probes.forget(l.now)
	for {
		id := l.probes.wheel.pop(l.now / millisecond)
		if id == none {
			return
		}
		l.conclude(id, l.unanswered(&l.probes.entries[id]))
		l.probes.release(id)
	}
}

// unanswered is what became of a probe that nothing was heard of.
func (l *Loop) unanswered(e *entry) Result {
	switch {
	case e.drops != l.drops || l.behind:
		return Result{Verdict: Unknown, Errno: syscall.ENOBUFS}
	case e.stamps && !e.stamped && l.queued == 0:
		// Where packets are stamped as they leave, this one has not, and it
		// waits no more: so an interface that goes down swallows them.
		return Result{Verdict: Unknown, Errno: syscall.ENETDOWN}
	}
	return Result{Verdict: Lost}
}

// readDrops is made every tick, before anything expires: a probe is Unknown
// when it went unanswered while the count rose.
func (l *Loop) readDrops() {
	l.queued = 0
	for _, b := range l.out.lanes {
		if b == nil || b.sock == nil {
			continue
		}
		n, err := b.sock.Drops()
		l.queued += n.Queued
		if err != nil {
			l.stats.receiveErrors.Add(1)
			continue
		}
		if !b.receives {
			continue // nothing is dropped there that the main socket does not count
		}
		full := n.Full - b.dropped.Full // modulo 2^32, as the kernel counts
		l.drops += full
		l.stats.drops.Add(uint64(full))
		l.stats.damaged.Add(uint64(n.Damaged - b.dropped.Damaged))
		b.dropped = n
	}
}

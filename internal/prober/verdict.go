// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"
)

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

// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
)

// lane is one of the loop's sockets and the batch that is about to leave by it.
type lane struct {
	sock     Socket // nil: not open yet
	fail     error  // why it could not be opened
	failed   int64  // when, mono ns
	receives bool
	dropped  rawsock.Drops // the socket's account when it was last read
	packets  [rawsock.Batch]rawsock.Packet
	ids      [rawsock.Batch]int32
	n        int
	stalled  int64 // since when the send buffer has been full, mono ns; 0: it is not
}

// The lanes. What the second elicits comes to the main socket, but where the
// kernel gives each its own identifier (Datagram).
const (
	laneMain  = iota
	laneWhole // Don't Fragment; opened by the first probe that asks for it
	laneCount
)

// laneOf chooses the socket that a probe leaves by.
func (l *Loop) laneOf(p *Probe) *lane {
	if p.DF && l.info.Kind != rawsock.UDP {
		return &l.out.lanes[laneWhole]
	}
	return &l.out.lanes[laneMain]
}

// full reports whether the batch has no room, because the send buffer had none.
func (b *lane) full() bool { return b.n == rawsock.Batch }

// reopenAfter is when a socket that could not be opened is tried again, in ns.
const reopenAfter = int64(time.Second)

// socketOf is the lane's socket. The second lane's is opened when it is first
// used.
func (l *Loop) socketOf(b *lane) (Socket, error) {
	if b.sock != nil || b.fail != nil && l.now-b.failed < reopenAfter {
		return b.sock, b.fail
	}
	o := l.socketOptions(l.info.Kind)
	o.DontFragment = true
	s, err := l.opt.OpenSocket(o)
	if err != nil {
		b.fail, b.failed = err, l.now
		return nil, err
	}
	b.use(s, l.info.Kind == rawsock.Datagram)
	return s, nil
}

// use puts an open socket into the lane.
func (b *lane) use(s Socket, receives bool) {
	b.sock, b.fail, b.receives = s, nil, receives
	b.dropped, _ = s.Drops() // an error shows again in the first tick
}

// mostTries is how often a packet is tried: as many errors that are others' may
// wait on the socket. Where errors flood in, more come meanwhile.
const mostTries = 8

// flushLane sends the lane's batch. A packet that the kernel refuses is taken
// out with its reason; when the send buffer is full the rest waits for the next
// tick.
func (l *Loop) flushLane(b *lane) {
	if b.n == 0 {
		return
	}
	sock, err := l.socketOf(b)
	if err != nil {
		l.refuseAll(b, errnoOf(err))
		return
	}
	done, tries := 0, 0
	for done < b.n {
		n, err := l.sendSome(sock, b, done)
		if n > 0 {
			done, tries, b.stalled = done+n, 0, 0
			continue
		}
		if rawsock.Transient(err) && b.stall(l.now) < maxStall {
			break
		}
		// An error that some other packet elicited waits on the socket and is
		// reported to the next send, which has nothing to do with it: reporting
		// clears it, so the same packet is tried again before it is believed.
		if tries++; tries < mostTries {
			continue
		}
		l.out.refused = append(l.out.refused, refusal{b.ids[done], errnoOf(err)})
		done, tries, b.stalled = done+1, 0, 0
	}
	b.shift(done)
}

// sendSome makes one call and writes the interpolated time of sending into the
// entries: packet i of n leaves about (i+1/2)/n of the way through the call.
// This process may be stopped within the call, before the packets leave or
// after, so no deadline is counted from before its end and no RTT is held to
// less than the time since its begin.
func (l *Loop) sendSome(sock Socket, b *lane, from int) (int, error) {
	wall, before := l.clock.sample()
	n, err := sock.Send(b.packets[from:b.n])
	_, after := l.clock.read()
	l.stats.sent.Add(uint64(n))
	l.fresh = l.fresh && n == 0
	for i := range n {
		e := &l.probes.entries[b.ids[from+i]]
		part := (after - before) * int64(2*i+1) / int64(2*n)
		e.sentMono, e.sent, e.epoch = before, wall+part, l.clock.epoch
		e.drops, e.state = l.drops, inFlight
		l.probes.wheel.set(b.ids[from+i], (after+e.timeout)/millisecond+1)
	}
	return n, err
}

// stall tells for how long the send buffer has been full, in ns.
func (b *lane) stall(now int64) int64 {
	if b.stalled == 0 {
		b.stalled = now
	}
	return now - b.stalled
}

func (b *lane) shift(done int) {
	copy(b.packets[:], b.packets[done:b.n])
	copy(b.ids[:], b.ids[done:b.n])
	b.n -= done
}

func (l *Loop) refuseAll(b *lane, errno syscall.Errno) {
	for _, id := range b.ids[:b.n] {
		l.out.refused = append(l.out.refused, refusal{id, errno})
	}
	b.n = 0
}

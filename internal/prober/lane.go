// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"syscall"

	"connmonitor/internal/rawsock"
)

// lane is one of the loop's sockets and the batch that is about to leave by it.
type lane struct {
	sock    Socket // nil until the first probe that needs it
	fail    error  // why there is none
	packets [rawsock.Batch]rawsock.Packet
	ids     [rawsock.Batch]int32
	n       int
	stalled int64 // since when the send buffer has been full, mono ns; 0: it is not
}

// The lanes. Only the main socket receives.
const (
	laneMain  = iota
	lanePlain // for what the main one cannot send, where it writes the IPv4 header itself
	laneWhole // Don't Fragment
	laneCount
)

// laneOf chooses the socket that a packet leaves by.
func (l *Loop) laneOf(k *rawsock.Packet, df bool) int {
	switch {
	case l.info.Kind == rawsock.UDP:
		return laneMain
	case df:
		return laneWhole
	case l.info.Header && !k.WithHeader():
		return lanePlain
	}
	return laneMain
}

// socketOf opens the lane's socket when it is first used.
func (l *Loop) socketOf(b *lane) (Socket, error) {
	if b.sock == nil && b.fail == nil {
		o := l.socketOptions(l.info.Kind)
		o.SendOnly, o.DontFragment = true, b == &l.out.lanes[laneWhole]
		b.sock, b.fail = l.opt.OpenSocket(o)
	}
	return b.sock, b.fail
}

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
		if errnoOf(err) == syscall.EMSGSIZE && l.info.Header && b == &l.out.lanes[laneMain] {
			l.divert(b, done)
			done++
			continue
		}
		// An error that some other packet elicited waits on the socket and is
		// reported to the next send, which has nothing to do with it: reporting
		// clears it, so the same packet is tried again before it is believed.
		if tries++; tries < 3 {
			continue
		}
		l.out.refused = append(l.out.refused, refusal{b.ids[done], errnoOf(err)})
		done, tries, b.stalled = done+1, 0, 0
	}
	b.shift(done)
}

// divert lets packet i leave by the plain lane, whose kernel makes fragments of
// it: its link is one of the few that do not carry 576 bytes.
func (l *Loop) divert(b *lane, i int) {
	to := &l.out.lanes[lanePlain]
	if to.n == rawsock.Batch {
		l.flushLane(to)
	}
	if to.n == rawsock.Batch { // there is no room
		l.out.refused = append(l.out.refused, refusal{b.ids[i], syscall.EAGAIN})
		return
	}
	to.packets[to.n], to.ids[to.n] = b.packets[i], b.ids[i]
	to.n++
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
	l.unread = l.unread || n > 0
	for i := range n {
		e := &l.probes.entries[b.ids[from+i]]
		part := (after - before) * int64(2*i+1) / int64(2*n)
		e.sentMono, e.sent, e.epoch = before, wall+part, l.clock.epoch
		e.drops = l.drops
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

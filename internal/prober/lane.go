// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// lane is one of the loop's sockets and the batch that is about to leave by it.
type lane struct {
	kind     rawsock.Kind
	flow     uint8  // of UDP without privilege
	whole    bool   // Don't Fragment
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

// The lanes. All but the main one are opened by the first probe that asks for
// them. What they elicit comes to the main socket, but for what answers TCP, and
// where the kernel gives each its own identifier or port (Datagram, UDP).
const (
	laneMain  = iota
	laneWhole // Don't Fragment
	laneUDP   // RawUDP
	laneTCP   // RawTCP
	laneFlows // the first of those of UDP without privilege: one for each flow
)

// laneOf chooses the socket that a probe leaves by.
func (l *Loop) laneOf(p *Probe) *lane {
	raw, icmp := l.info.Kind == rawsock.Raw, p.Method == vitals.MethodICMP
	switch {
	case icmp && p.DF && l.info.Kind != rawsock.UDP:
		return l.lane(laneWhole, l.info.Kind)
	case icmp && l.info.Kind != rawsock.UDP:
		return l.out.lanes[laneMain]
	case p.Method == vitals.MethodTCP:
		return l.lane(laneTCP, rawsock.RawTCP)
	case raw:
		return l.lane(laneUDP, rawsock.RawUDP)
	case l.info.Kind == rawsock.UDP && p.Flow == 0:
		return l.out.lanes[laneMain]
	}
	return l.lane(laneFlows+int(p.Flow), rawsock.UDP)
}

// lane is the lane of a number, which is made when it is first asked for.
func (l *Loop) lane(number int, kind rawsock.Kind) *lane {
	for number >= len(l.out.lanes) {
		l.out.lanes = append(l.out.lanes, nil)
	}
	if l.out.lanes[number] == nil {
		b := &lane{kind: kind, whole: number == laneWhole}
		if number >= laneFlows {
			b.flow = uint8(number - laneFlows)
		}
		l.out.lanes[number] = b
	}
	return l.out.lanes[number]
}

// full reports whether the batch has no room, because the send buffer had none.
func (b *lane) full() bool { return b.n == rawsock.Batch }

// reopenAfter is when a socket that could not be opened is tried again, in ns.
const reopenAfter = int64(time.Second)

// open opens the lane's socket when it is first used.
func (l *Loop) open(b *lane) error {
	if b.sock != nil || b.fail != nil && l.now-b.failed < reopenAfter {
		return b.fail
	}
	s, err := l.socketOf(b)
	if err != nil {
		b.fail, b.failed = err, l.now
		return err
	}
	b.use(s, b.kind != rawsock.Raw && b.kind != rawsock.RawUDP)
	return nil
}

func (l *Loop) socketOf(b *lane) (Socket, error) {
	o := l.socketOptions(b.kind)
	o.DontFragment = b.whole
	if b.kind == rawsock.RawUDP || b.kind == rawsock.RawTCP {
		if err := l.reservePorts(); err != nil {
			return nil, err
		}
		o.Port, o.Ports = l.ports.First, rawsock.PortsPerBlock
	}
	return l.opt.OpenSocket(o)
}

// reservePorts reserves the local ports of UDP and TCP probes, and has the main
// socket take the errors that they elicit.
func (l *Loop) reservePorts() error {
	if l.ports != nil {
		return nil
	}
	ports, err := l.opt.ReservePorts(l.opt.IPv6)
	if err != nil {
		return err
	}
	if err := l.out.lanes[laneMain].sock.AcceptPorts(ports.First, rawsock.PortsPerBlock); err != nil {
		ports.Close()
		return err
	}
	l.ports = ports
	return nil
}

// flowOfPort is the number of the flow that a local port is of; false when it is
// none of ours.
func (l *Loop) flowOfPort(port uint16) (uint8, bool) {
	if l.ports == nil || port < l.ports.First || port-l.ports.First >= rawsock.PortsPerBlock {
		return 0, false
	}
	return uint8(port - l.ports.First), true
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
	done, tries := 0, 0
	for done < b.n {
		n, err := l.sendSome(b, done)
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
func (l *Loop) sendSome(b *lane, from int) (int, error) {
	wall, before := l.clock.sample()
	n, err := b.sock.Send(b.packets[from:b.n])
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

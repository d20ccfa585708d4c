// SPDX-License-Identifier: Apache-2.0

// Package prober is the engine: one event loop and one socket per address
// family send the probes of all pings and traces, match what comes back and
// give one verdict per probe.
//
// Every tick the loop drains the error queue (transmit stamps) and the socket,
// lets expire what was not answered, asks its clients for what is due and
// sends it in batches. The kernel stamps transmission and reception, so
// reading late makes no RTT longer; that is why the loop wakes by the clock
// and not by the packet (measured: 1.6 to 2.6 times cheaper). When nothing is
// due or in flight it does not wake at all.
//
// All state is in slabs without pointers, indexed by integers: no goroutine,
// timer, map entry or allocation per probe. The loop knows nothing of bursts
// or paths (ping, trace); it deals in probes as RFC 2681 defines a singleton.
// RFC 792 and RFC 4443 are the messages, RFC 4884 their extensions.
package prober

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"connmonitor/internal/alarm"
	"connmonitor/internal/heartbeat"
	"connmonitor/internal/rawsock"
)

// Socket is what the loop needs of a rawsock.Socket.
type Socket interface {
	Send(ps []rawsock.Packet) (int, error)
	Receive(ms []rawsock.Message) (int, error)
	Reports(rs []rawsock.Report) (int, error)
	Drops() (rawsock.Drops, error)
	Info() rawsock.Info
	AcceptPorts(first uint16, count int) error
	Close() error
}

// Clock tells the wall clock (ns since the Unix epoch) and a monotonic one (ns
// since a moment of its own). Kernel stamps are of the first, deadlines of the
// second.
type Clock func() (wall, mono int64)

// Options of a Loop. The zero value is a loop for IPv4 over real sockets.
type Options struct {
	IPv6 bool
	// Pace caps the probes of all loops that share it; nil is no cap.
	Pace *Pace
	// Buffer is the wanted receive buffer in bytes; 0 is 16 MiB.
	Buffer int
	// These stand in for the real ones in tests. With a Clock the loop sleeps by
	// Go's timers, which testing/synctest knows.
	Clock        Clock
	OpenSocket   func(rawsock.Options) (Socket, error)
	ReservePorts func(v6 bool) (*rawsock.Ports, error)
	SourceTo     func(to rawsock.Addr, v6 bool, iface int32) (rawsock.Addr, error)
}

// Loop is the event loop of one address family. Its exported methods are for
// its clients, on its own goroutine, unless they say otherwise.
type Loop struct {
	opt   Options
	clock stepClock
	nonce [8]byte
	info  rawsock.Info

	realTime bool // Options.Clock was not given

	clients []Client
	timers  timers
	probes  slab
	out     outbox
	in      inbox
	ports   *rawsock.Ports // of UDP and TCP probes; nil: none was sent yet
	cuts    map[cutKey]*cutErrors
	result  Result // what a client is being told
	quote   Quote  // and what is quoted with it

	tick     int64  // ns between two wakes while something is in flight
	last     int64  // when this tick was due, mono ns
	now      int64  // when it began, mono ns
	wall     int64  // the same by the wall clock
	paced    int64  // the same, or later, by the clock of the Pace
	epoch    uint16 // of the clock's steps, when a tick began that read all there was
	drained  int64  // when the sockets were last read, mono ns
	behind   bool   // and not to their end, for want of success
	drops    uint32 // of all sockets, modulo 2^32
	queued   uint32 // bytes that were sent and have not left yet
	flying   int    // probes that are awaited
	stats    counters
	mail     mailbox
	pulse    *heartbeat.Pulse
	draining bool
	fresh    bool // the error queues were read after the last messages
	firing   bool // timers are being handed to their clients
	changed  bool // a client's Demand, since the tick was chosen
}

// New makes a loop; Open and Run bring it to life.
func New(o Options) *Loop {
	l := &Loop{tick: maxTick, realTime: o.Clock == nil, pulse: heartbeat.New()}
	if o.Clock == nil {
		o.Clock = realClock()
	}
	if o.OpenSocket == nil {
		o.OpenSocket = openSocket
	}
	if o.ReservePorts == nil {
		o.ReservePorts = rawsock.ReservePorts
	}
	if o.SourceTo == nil {
		o.SourceTo = rawsock.SourceTo
	}
	if o.Buffer == 0 {
		o.Buffer = 16 << 20
	}
	l.opt = o
	l.clock.read = o.Clock
	l.clock.begin()
	l.timers.init()
	l.probes.init()
	l.out.init(o.IPv6)
	l.in.init()
	return l
}

func openSocket(o rawsock.Options) (Socket, error) {
	s, err := rawsock.Open(o)
	if err != nil {
		return nil, err // without this a nil *rawsock.Socket would be a non-nil Socket
	}
	return s, nil
}

// Open opens the loop's socket: the first of the kinds that our privilege
// allows. When none can be opened the error tells of each.
func (l *Loop) Open() error {
	if _, err := rand.Read(l.nonce[:]); err != nil {
		return fmt.Errorf("draw a nonce: %w", err)
	}
	var errs error
	for _, kind := range []rawsock.Kind{rawsock.Raw, rawsock.Datagram, rawsock.UDP} {
		s, err := l.opt.OpenSocket(l.socketOptions(kind))
		if err == nil {
			l.info = s.Info()
			l.lane(laneMain, kind).use(s, true)
			l.retune()
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return errs
}

func (l *Loop) socketOptions(kind rawsock.Kind) rawsock.Options {
	// The identifier only has to be unlikely to be another process's: the
	// nonce tells replies apart even when it is the same.
	id := binary.BigEndian.Uint16(l.nonce[:2]) ^ binary.BigEndian.Uint16(l.nonce[6:])
	return rawsock.Options{IPv6: l.opt.IPv6, Kind: kind, ID: id, Nonce: l.nonce, Buffer: l.opt.Buffer}
}

// Info tells what kind of socket Open got. It is constant after Open.
func (l *Loop) Info() rawsock.Info { return l.info }

// Source is the address that the kernel sends from to an address, by the
// interface of that index, or the route's when it is 0.
func (l *Loop) Source(to rawsock.Addr, iface int32) (rawsock.Addr, error) {
	return l.opt.SourceTo(to, l.opt.IPv6, iface)
}

// IPv6 reports the loop's address family.
func (l *Loop) IPv6() bool { return l.opt.IPv6 }

// Attach makes c a client of the loop, before Run. The number it returns goes
// into the client's calls.
func (l *Loop) Attach(c Client) uint8 {
	l.clients = append(l.clients, c)
	return uint8(len(l.clients) - 1)
}

// Run runs the loop until the context is cancelled or, after Drain, nothing is
// under way any more. It closes the sockets. Each tick that something was
// handed over by Do runs it first.
func (l *Loop) Run(ctx context.Context) error {
	l.mail.alarm = alarm.New(l.realTime)
	defer l.close()
	stop := context.AfterFunc(ctx, func() { l.Do(func() {}) })
	defer stop()
	l.begin()
	for {
		d := l.step()
		if l.finished() || ctx.Err() != nil {
			return nil
		}
		if d > 0 {
			l.mail.sleep(d)
		}
	}
}

func (l *Loop) begin() {
	_, l.now = l.clock.sample()
	l.last = l.now
	l.timers.wheel.now = l.now / millisecond
	l.probes.wheel.now = l.now / millisecond
}

// step is one tick; it returns how long to sleep.
func (l *Loop) step() time.Duration {
	l.sample()
	l.stats.ticks.Add(1)
	l.stats.steps.Store(uint64(l.clock.epoch))
	if gap := l.now - l.last; gap > stoppedFor {
		l.stats.gaps.Add(1)
		l.stats.stopped.Add(uint64(gap))
	}
	l.out.quota.refill(l.now)
	switch {
	case l.now-l.last > l.tick: // what has piled up must not be joined by more
		l.collect()
	case l.flying == 0: // what was dropped until now spoils no later probe
		l.readDrops()
	}
	l.pulse.Beat()
	if l.mail.deliver() > 0 { // which may have taken a while, as at a start of many targets
		before := l.now
		_, l.now = l.clock.read()
		l.paced = l.opt.Pace.now()
		l.out.quota.refill(l.now)
		if l.now-before > l.tick { // nothing is due before what has come is read
			l.collect()
		}
	}
	l.retuneIfChanged()
	l.due()
	l.flush()
	l.refuse()
	l.collect()
	l.stats.inFlight.Store(uint64(l.flying))
	return l.sleep()
}

// collect takes what has come, gives up what is due, and sends what the clients
// want in return. It is done after sending, when the transmit stamps, and often
// the first replies, are still in the processor's caches.
func (l *Loop) collect() {
	l.sample()
	l.drain()
	l.expire()
	l.flush()
	l.refuse()
}

func (l *Loop) sample() {
	l.wall, l.now = l.clock.sample()
	l.paced = l.opt.Pace.now()
}

func (l *Loop) finished() bool {
	if !l.draining || l.out.pending() > 0 {
		return false // what still flies is awaited by its client, or by nobody
	}
	for _, c := range l.clients {
		if !c.Idle() {
			return false
		}
	}
	return true
}

// Drain asks the loop to end when its clients are idle. It may be called from
// any goroutine; the clients are told by their owner.
func (l *Loop) Drain() { l.Do(func() { l.draining = true }) }

func (l *Loop) close() {
	l.mail.close()
	l.pulse.Excuse()
	for _, b := range l.out.lanes {
		if b != nil && b.sock != nil {
			_ = b.sock.Close()
		}
	}
	if l.ports != nil {
		l.ports.Close()
	}
}

// due hands every timer that is due to its client.
func (l *Loop) due() {
	l.firing = true
	defer func() { l.firing = false }()
	for {
		t := l.timers.wheel.pop(l.now / millisecond)
		if t == none {
			return
		}
		e := l.timers.entries[t]
		l.clients[e.client].Due(e.ref, l.now)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package simnet is the network of the tests in fake time: it stands where
// rawsock's sockets stand, parses the real bytes of every probe that package
// prober sends, and answers as the routers and hosts of a scenario would. What
// the kernel does is played too: time stamps, the error queue, a full buffer
// and its drop count, refused sends, a stepped wall clock, a stopped process.
//
// Everything happens at a moment of the clock of testing/synctest and is drawn
// from one seeded generator, so a run repeats exactly. Nothing here waits on
// its own: what has arrived is handed over when it is asked for. The grammar of
// scenarios is at [Net.Apply]. The messages are those of RFC 792 and RFC 4443,
// with the extensions of RFC 4884 and RFC 4950; TCP answers as RFC 9293 asks.
// Real packets are the business of package netlab.
package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
)

// Net is a simulated network with the kernel of the machine that probes it.
// Its methods may be called from any goroutine.
type Net struct {
	mu      sync.Mutex
	start   time.Time
	manual  bool  // the clock is moved by Advance
	mono    int64 // then: ns since start
	offset  int64 // of the wall clock, by steps
	rng     *rand.Rand
	queue   queue
	sockets []*socket

	routers  map[string]*router
	hosts    map[netip.Addr]*host
	kernel   kernel
	watch    func(Sent)
	failures []string
	direct   way   // without a router
	probe    probe // scratch
	answer   reply
}

// kernel is what the scenario says of our own machine.
type kernel struct {
	denied   [rawsock.RawTCP + 1]bool
	buffer   int
	cut      int
	damaged  uint32
	drops    uint32
	fullTill int64
	fail     syscall.Errno
	failures int
	surface  syscall.Errno
	stalls   [calls]time.Duration
	busy     time.Duration
	noTX     bool
	noRX     bool
	ids      uint16
}

// Sent is one packet that left our machine.
type Sent struct {
	At  int64 // mono, ns
	To  netip.Addr
	TTL uint8
	TOS uint8
	DF  bool
	// Data begins with the ICMP, UDP or TCP header, or is the payload of UDP where
	// the kernel writes the header. It is valid during the call.
	Data []byte
}

// The addresses of our own machine.
var (
	self4 = netip.AddrFrom4([4]byte{10, 255, 0, 1})
	self6 = netip.MustParseAddr("2001:db8:ffff::1")
)

// New makes a network of a scenario, which may be empty; see [Net.Apply] for
// its grammar and errors. Inside a synctest bubble its clock is the bubble's.
func New(seed uint64, scenario string) (*Net, error) {
	n := &Net{
		start: time.Now(), rng: rand.New(rand.NewPCG(seed, 0)),
		routers: map[string]*router{}, hosts: map[netip.Addr]*host{},
		kernel: kernel{ids: 0x4000, buffer: 20_000},
	}
	return n, n.Apply(scenario)
}

// Clock fits prober.Options.Clock.
func (n *Net) Clock() (wall, mono int64) {
	n.stall(callClock)
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.advance()
	return n.wall(now), now
}

// Advance moves the clock by d. From the first call on time is moved by Advance
// alone, so that a test can drive a loop step by step outside synctest.
func (n *Net) Advance(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.manual {
		n.mono, n.manual = int64(time.Since(n.start)), true
	}
	n.mono += int64(d)
}

// Watch lets f see every packet that leaves.
func (n *Net) Watch(f func(Sent)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watch = f
}

// Outstanding is the number of packets that are under way or wait to be read.
func (n *Net) Outstanding() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance()
	count := n.queue.packets
	for _, s := range n.sockets {
		count += s.messages.size + s.reports.size
	}
	return count
}

// Failures tells what a sender did that no sender may: a wrong checksum, a
// wrong address family.
func (n *Net) Failures() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failures
}

func (n *Net) failure(format string, args ...any) {
	if len(n.failures) < 10 {
		n.failures = append(n.failures, fmt.Sprintf(format, args...))
	}
}

// OpenSocket fits prober.Options.OpenSocket. Kinds that the scenario denies are
// refused with EPERM.
func (n *Net) OpenSocket(o rawsock.Options) (prober.Socket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kernel.denied[o.Kind] {
		return nil, fmt.Errorf("open simulated %s socket: %w", o.Kind, syscall.EPERM)
	}
	s := &socket{net: n, opt: o, drops: n.kernel.drops}
	s.info = rawsock.Info{
		Kind: o.Kind, IPv6: o.IPv6, ID: o.ID, Filter: o.Kind == rawsock.Raw, Stamps: true,
		Buffer: n.kernel.buffer * 832, Replies: n.kernel.buffer,
	}
	if o.Kind != rawsock.Raw {
		n.kernel.ids++
		s.info.ID = n.kernel.ids // the kernel's choice
	}
	n.sockets = append(n.sockets, s)
	return s, nil
}

// wall is the wall clock's reading at now, when the steps until now are done.
func (n *Net) wall(now int64) int64 { return n.start.UnixNano() + now + n.offset }

// advance lets happen what is due and returns the monotonic time.
func (n *Net) advance() int64 {
	now := n.reading()
	for n.queue.len() > 0 && n.queue.first().at <= now {
		e := n.queue.pop()
		if e.statement != nil {
			e.statement(n)
			continue
		}
		n.arrive(e.to, e.packet, e.at)
	}
	return now
}

// call is a place at which the process can be held up.
type call uint8

const (
	callClock call = iota
	callReports
	callReceive
	callSend // before the packets leave
	callSent // after
	calls
)

var callNames = [calls]string{"clock", "reports", "receive", "send", "sent"}

// stall holds the caller up where the scenario says so. It is done without the
// lock: who waits for a lock keeps the fake clock from moving.
func (n *Net) stall(c call) {
	n.mu.Lock()
	d := n.kernel.stalls[c]
	n.kernel.stalls[c] = 0
	if n.kernel.busy > 0 {
		d += time.Duration(n.rng.Int64N(int64(n.kernel.busy)))
	}
	manual := n.manual
	n.mu.Unlock()
	switch {
	case d == 0:
	case manual:
		n.Advance(d)
	default:
		time.Sleep(d)
	}
}

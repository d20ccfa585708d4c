// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// underway is a Farm with 200 ms of RTT, in which a burst begins every 30 ms:
// when one is complete, others are in flight.
func underway(t *testing.T) (*netlab.Topology, *bench) {
	t.Helper()
	top := netlab.Farm(t, lossy(netlab.LineConfig{Delay: 100 * time.Millisecond}))
	return top, run(t, top.Client, Options{})
}

// TestDefect28DrainFinishesWhatIsInFlight: after Drain nothing begins, and all
// that had begun is finished and handed over, each burst with all its replies.
func TestDefect28DrainFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	top, b := underway(t)
	s := pings(10, 12*time.Millisecond)
	b.add(1, top.Host4(1), s)
	b.add(2, top.Host6(1), s)
	b.add(3, top.Host4(2), traces(time.Millisecond))
	b.of(t, 1, 1)
	b.of(t, 2, 1)
	b.of(t, 3, 1)
	b.point.Drain()
	if err := <-b.ended; err != nil {
		t.Error(err)
	}
	all := b.results()
	sent := [2]uint64{}
	for _, r := range all {
		if r.Traced {
			wantRoute(t, "trace", r, vitals.EndReached, top.Host4(2))
			continue
		}
		wantWhole(t, r, 10)
		sent[r.Key-1] += uint64(r.Ping.Sent)
	}
	stats := b.probes()
	if sent[1] != stats[1].Sent || stats[1].Replied != stats[1].Sent || sent[1] < 20 {
		t.Errorf("%d pings reported, the loop's account is %+v", sent[1], stats[1])
	}
	if stats[0].Replied < sent[0] || len(of(all, 1)) < 2 {
		t.Errorf("%d pings reported, the loop's account is %+v", sent[0], stats[0])
	}
	if after := b.results(); len(after) != len(all) {
		t.Errorf("%d results came after Run had returned", len(after)-len(all))
	}
}

// TestRemoveFinishesWhatIsInFlight: a removed target's measurements under way
// are handed over, whole, and then no more come; others do not notice.
func TestRemoveFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	top, b := underway(t)
	s := pings(10, 12*time.Millisecond)
	b.add(1, top.Host4(1), s)
	w := b.add(2, top.Host4(2), s)
	v := b.add(3, top.Host4(3), traces(time.Millisecond))
	b.of(t, 1, 1)
	before := len(b.of(t, 2, 1))
	traced := len(b.of(t, 3, 1))
	w.Remove()
	v.Remove()
	b.more(1, 20) // 600 ms: what was in flight is back
	finished := len(of(b.results(), 2))
	if finished <= before || len(of(b.results(), 3)) < traced {
		t.Errorf("%d bursts of the removed target, %d before", finished, before)
	}
	traced = len(of(b.results(), 3))
	b.more(1, 20)
	all := b.results()
	if len(of(all, 2)) != finished || len(of(all, 3)) != traced || traced > 3 {
		t.Errorf("bursts %d, then %d; traces %d, then %d", finished, len(of(all, 2)), traced, len(of(all, 3)))
	}
	for _, r := range all {
		if r.Traced {
			wantRoute(t, "trace", r, vitals.EndReached, top.Host4(3))
			continue
		}
		wantWhole(t, r, 10)
	}
	// The entries are used again, and nothing of the former owner is left.
	b.add(4, top.Host4(4), s)
	for _, r := range b.of(t, 4, 3) {
		wantWhole(t, r, 10)
	}
}

// TestEndOfContextEndsAtOnce: what is in flight is then given up.
func TestEndOfContextEndsAtOnce(t *testing.T) {
	t.Parallel()
	top, b := underway(t)
	s := pings(10, 12*time.Millisecond)
	s.Timeout = time.Hour
	b.add(1, top.Host4(1), s)
	b.add(2, top.Host6(1), traces(time.Millisecond))
	b.of(t, 1, 1)
	b.end()
	if err := <-b.ended; err != nil {
		t.Error(err)
	}
	for _, r := range of(b.results(), 1) {
		wantWhole(t, r, 10)
	}
}

// TestDrainOfNothing: a Point without targets drains at once.
func TestDrainOfNothing(t *testing.T) {
	t.Parallel()
	b := run(t, netlab.New(t).Node("client"), Options{})
	b.point.Drain()
	if err := <-b.ended; err != nil {
		t.Error(err)
	}
}

// panicking is a socket that a defect lies behind.
type panicking struct {
	prober.Socket
	open *bool // it was asked once, which is when it was opened
}

func (p panicking) Drops() (rawsock.Drops, error) {
	if *p.open {
		panic("a defect")
	}
	*p.open = true
	return p.Socket.Drops()
}

// TestPanicInALoopIsAnError: the program ends with a line, and not with a stack
// trace, and the loop of the other family ends too.
func TestPanicInALoopIsAnError(t *testing.T) {
	p := New(Options{Loop: prober.Options{OpenSocket: func(o rawsock.Options) (prober.Socket, error) {
		s, err := rawsock.Open(o)
		if err != nil || o.IPv6 {
			return s, err
		}
		return panicking{s, new(bool)}, nil
	}}}, nowhere{})
	p.Open()
	if can := p.Can(false); can.Err != nil {
		t.Skipf("no socket: %v", can.Err)
	}
	err := p.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "panic in the IPv4 loop: a defect") {
		t.Fatalf("Run: %v", err)
	}
}

// nowhere is a sink for a point that measures nothing.
type nowhere struct{}

func (nowhere) Pinged(uint32, *vitals.Ping, syscall.Errno)       {}
func (nowhere) Traced(uint32, *vitals.Path, bool, syscall.Errno) {}
func (nowhere) Scanned(uint32, *vitals.Scan, error)              {}

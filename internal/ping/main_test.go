// SPDX-License-Identifier: Apache-2.0

package ping_test

import (
	"context"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/ping"
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/simnet"
	"connmonitor/internal/vitals"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record is one finished burst.
type record struct {
	vitals.Ping
	key   uint32
	at    time.Duration
	cause syscall.Errno
}

// lab is a pinger on a simulated network.
type lab struct {
	t     *testing.T
	net   *simnet.Net
	loop  *prober.Loop
	ping  *ping.Pinger
	start time.Time
	end   chan error
	done  func(key uint32)

	mu      sync.Mutex
	records []record
	sent    map[netip.Addr][]time.Duration
}

// inLab runs body beside a running loop in a bubble of fake time.
func inLab(t *testing.T, scenario string, body func(b *lab)) {
	t.Helper()
	inPacedLab(t, 0, scenario, body)
}

// inPacedLab caps the rate; the cap's clock is the bubble's, so it is made in
// it.
func inPacedLab(t *testing.T, pps float64, scenario string, body func(b *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var o prober.Options
		if pps > 0 {
			o.Pace = prober.NewPace(pps)
		}
		n, err := simnet.New(1, scenario)
		if err != nil {
			t.Fatal(err)
		}
		b := &lab{t: t, net: n, start: time.Now(), sent: map[netip.Addr][]time.Duration{}, end: make(chan error, 1)}
		n.Watch(func(s simnet.Sent) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sent[s.To] = append(b.sent[s.To], time.Duration(s.At))
		})
		o.Clock, o.OpenSocket = n.Clock, n.OpenSocket
		b.loop = prober.New(o)
		b.ping = ping.New(b.loop, b.take)
		if err := b.loop.Open(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		end := b.end
		go func() { end <- b.loop.Run(ctx) }()
		body(b)
		b.stop()
		b.check()
	})
}

// stop lets the bursts that have begun end, and the loop then.
func (b *lab) stop() {
	b.t.Helper()
	if b.end == nil {
		return
	}
	b.do(b.ping.Stop)
	b.loop.Drain()
	select {
	case err := <-b.end:
		if err != nil {
			b.t.Error(err)
		}
	case <-time.After(time.Hour):
		b.t.Fatal("the loop does not end")
	}
	b.end = nil
}

func (b *lab) take(key uint32, p *vitals.Ping, cause syscall.Errno) {
	b.mu.Lock()
	b.records = append(b.records, record{*p, key, time.Since(b.start), cause})
	b.mu.Unlock()
	if b.done != nil {
		b.done(key)
	}
}

// check is the account of all bursts against the account of the loop.
func (b *lab) check() {
	b.t.Helper()
	var all vitals.Ping
	for _, r := range b.records {
		all.Sent += r.Sent
		all.Received += r.Received
		all.Unknown += r.Unknown
	}
	s := b.loop.Stats()
	if s.Sent+s.Refused != uint64(all.Sent) || s.Replied != uint64(all.Received) || s.Unknown != uint64(all.Unknown) {
		b.t.Errorf("bursts told of %+v, the loop of %+v", all, s)
	}
	for _, f := range b.net.Failures() {
		b.t.Error(f)
	}
}

// do runs f on the loop's goroutine and waits for it.
func (b *lab) do(f func()) {
	done := make(chan struct{})
	b.loop.Do(func() { f(); close(done) })
	<-done
}

func (b *lab) add(key uint32, to string, plan ping.Plan, at time.Duration) uint32 {
	var id uint32
	b.do(func() { id = b.ping.Add(key, addr(to), plan, int64(at)) })
	return id
}

// of are the records of a key. It is called between two events of the bubble.
func (b *lab) of(key uint32) []record {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	var rs []record
	for _, r := range b.records {
		if r.key == key {
			rs = append(rs, r)
		}
	}
	return rs
}

// left is when the pings to an address left.
func (b *lab) left(to string) []time.Duration {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent[netip.MustParseAddr(to)]
}

func (b *lab) missed() (n uint64) {
	n = b.ping.Stats().Missed
	return n
}

func addr(s string) rawsock.Addr {
	a, err := rawsock.AddrFrom(netip.MustParseAddr(s))
	if err != nil {
		panic(err)
	}
	return a
}

// classic is the contract's default plan.
func classic() ping.Plan {
	return ping.Plan{Period: 590 * time.Millisecond, Interval: 10 * time.Millisecond, Timeout: time.Second, Count: 10, Size: 41}
}

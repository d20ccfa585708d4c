// SPDX-License-Identifier: Apache-2.0

package ping_test

import (
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/ping"
	"connmonitor/internal/prober"
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
	*simnet.Lab
	ping *ping.Pinger
	done func(key uint32)

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
		b := &lab{Lab: simnet.NewLab(t, o, scenario), sent: map[netip.Addr][]time.Duration{}}
		b.Net.Watch(func(s simnet.Sent) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sent[s.To] = append(b.sent[s.To], time.Duration(s.At))
		})
		b.ping = ping.New(b.Loop, b.take)
		b.Run(b.ping)
		body(b)
		b.Stop()
		b.check()
	})
}

func (b *lab) take(key uint32, p *vitals.Ping, cause syscall.Errno) {
	b.mu.Lock()
	b.records = append(b.records, record{*p, key, time.Since(b.Start), cause})
	b.mu.Unlock()
	if b.done != nil {
		b.done(key)
	}
}

// check is the account of all bursts against the account of the loop.
func (b *lab) check() {
	b.T.Helper()
	var all vitals.Ping
	for _, r := range b.records {
		all.Sent += r.Sent
		all.Received += r.Received
		all.Unknown += r.Unknown
	}
	s := b.Loop.Stats()
	if s.Sent+s.Refused != uint64(all.Sent) || s.Replied != uint64(all.Received) || s.Unknown != uint64(all.Unknown) {
		b.T.Errorf("bursts told of %+v, the loop of %+v", all, s)
	}
}

func (b *lab) add(key uint32, to string, plan ping.Plan, at time.Duration) uint32 {
	var id uint32
	b.Do(func() { id = b.ping.Add(key, simnet.Addr(to), plan, int64(at)) })
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

// classic is the contract's default plan.
func classic() ping.Plan {
	return ping.Plan{Period: 590 * time.Millisecond, Interval: 10 * time.Millisecond, Timeout: time.Second, Count: 10, Size: 41}
}

// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a loop on a simulated network, and a client that keeps account of
// every probe.
type lab struct {
	t    *testing.T
	net  *simnet.Net
	loop *prober.Loop
	id   uint8
	odd  func(ref uint32, now int64) // takes Due

	mu      sync.Mutex
	sent    int
	results map[uint32][]prober.Result // by tag
	demand  prober.Demand
}

// inLab runs body in a bubble of fake time beside a running loop and checks,
// at its end, that every probe had exactly one verdict.
func inLab(t *testing.T, o prober.Options, scenario string, body func(b *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newLab(t, o, scenario)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- b.loop.Run(ctx) }()
		body(b)
		b.settle()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the loop ended with %v", err)
		}
		b.check()
	})
}

func newLab(t *testing.T, o prober.Options, scenario string) *lab {
	t.Helper()
	b := &lab{t: t, net: network(t, scenario), results: map[uint32][]prober.Result{}}
	o.Clock, o.OpenSocket = b.net.Clock, b.net.OpenSocket
	b.loop = prober.New(o)
	b.id = b.loop.Attach(b)
	if err := b.loop.Open(); err != nil {
		t.Fatal(err)
	}
	return b
}

func network(t *testing.T, scenario string) *simnet.Net {
	t.Helper()
	n, err := simnet.New(1, scenario)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settle waits until every probe has its verdict.
func (b *lab) settle() {
	b.t.Helper()
	for range 1200 {
		b.mu.Lock()
		open := b.sent - len(b.results)
		b.mu.Unlock()
		if open == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Errorf("probes without a verdict after two minutes: %d", b.sent-len(b.results))
}

// check is the account: each probe has one verdict, which the loop counted.
func (b *lab) check() {
	b.t.Helper()
	count := map[prober.Verdict]uint64{}
	for tag, rs := range b.results {
		verdicts := 0
		for _, r := range rs {
			if r.Verdict != prober.Duplicate {
				verdicts++
				count[r.Verdict]++
			} else if verdicts == 0 {
				b.t.Errorf("probe %d had a duplicate before its verdict", tag)
			}
		}
		if verdicts != 1 {
			b.t.Errorf("probe %d had %d verdicts: %+v", tag, verdicts, rs)
		}
	}
	s := b.loop.Stats()
	sum := s.Replied + s.Expired + s.Unreached + s.Late + s.Lost + s.Unknown
	if sum != uint64(b.sent) || s.Sent+s.Refused != sum {
		b.t.Errorf("%d probes, %d verdicts, %d sent and %d refused: %+v", b.sent, sum, s.Sent, s.Refused, s)
	}
	if n := s.Unaccounted(); n != 0 || s.Begun != sum+s.InFlight {
		b.t.Errorf("%d probes are unaccounted for: %+v", n, s)
	}
	if s.Replied != count[prober.Replied] || s.Lost != count[prober.Lost] || s.Unknown != count[prober.Unknown] {
		b.t.Errorf("counted %+v, told %v", s, count)
	}
	for _, f := range b.net.Failures() {
		b.t.Error(f)
	}
}

// Due, Verdict, Demand and Idle make the lab a client.
func (b *lab) Due(ref uint32, now int64) {
	if b.odd != nil {
		b.odd(ref, now)
	}
}

func (b *lab) Verdict(_, tag uint32, r *prober.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.results[tag] = append(b.results[tag], *r)
}

func (b *lab) Demand() prober.Demand { return b.demand }
func (b *lab) Idle() bool            { return true }

// probe is an ordinary ping.
func probe(to string) prober.Probe {
	a, err := rawsock.AddrFrom(netip.MustParseAddr(to))
	if err != nil {
		panic(err)
	}
	return prober.Probe{To: a, Size: 41, Timeout: time.Second}
}

// send sends n probes in the loop's next tick and returns the tag of the first.
func (b *lab) send(n int, p prober.Probe) uint32 {
	b.mu.Lock()
	first := uint32(b.sent)
	b.sent += n
	b.mu.Unlock()
	b.loop.Do(func() {
		for i := range n {
			p.Tag = first + uint32(i)
			b.loop.Send(b.id, &p)
		}
	})
	return first
}

// verdicts waits for n probes from first on and returns what was told of each.
func (b *lab) verdicts(first uint32, n int) []prober.Result {
	b.t.Helper()
	b.settle()
	var all []prober.Result
	for i := range n {
		rs := b.results[first+uint32(i)]
		if len(rs) == 0 {
			b.t.Fatalf("probe %d has no verdict", first+uint32(i))
		}
		all = append(all, rs[0])
	}
	return all
}

// want checks that n probes sent to an address have a verdict, and the RTT
// where it is not below zero.
func (b *lab) want(n int, p prober.Probe, v prober.Verdict, rtt time.Duration) []prober.Result {
	b.t.Helper()
	rs := b.verdicts(b.send(n, p), n)
	for i, r := range rs {
		if r.Verdict != v || rtt >= 0 && r.RTT != rtt {
			b.t.Errorf("probe %d of %d: verdict %d, RTT %v (%+v), want %d, %v", i, n, r.Verdict, r.RTT, r, v, rtt)
			return rs
		}
	}
	return rs
}

func lines(s ...string) string { return strings.Join(s, "\n") }

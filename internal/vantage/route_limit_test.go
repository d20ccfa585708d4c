// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"net/netip"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// TestRoutersWithDefaultLimits: behind five routers that limit their answers as
// Linux does by default, 200 hosts of each family are traced about once a second.
// When it is known what the routers bear, hardly a hop of a trace is without an
// address, its own or that of an answer to another's probe; none is wrong, and
// no trace is a change.
func TestRoutersWithDefaultLimits(t *testing.T) {
	t.Parallel()
	const hosts, hops, warm, rounds = 200, 6, 10, 28
	top := netlab.Chain(t, hops)
	for _, r := range top.Routers {
		r.DefaultLimits()
	}
	b := run(t, top.Client, Options{})
	at := make([]netip.Addr, 0, 2*hosts)
	for i := range hosts {
		at = append(at, top.Host4(1+i), top.Host6(1+i))
	}
	start := time.Now()
	for key, to := range at { // as config's targets begin: over a second
		b.addAt(uint32(key), to, traces(time.Second), start.Add(time.Duration(key)*time.Second/time.Duration(len(at))))
	}
	y := newTally()
	for n := range rounds {
		y.wait(t, b, "traces", func() bool { return least(y.traces, len(at)) > n })
	}
	var known [2]share
	count := make(map[uint32]int)
	for _, r := range b.results() {
		if count[r.Key]++; count[r.Key] > warm {
			known[r.Key%2].take(t, r, routeTo(top, hops, at[r.Key]))
		}
	}
	for i, v6 := range both {
		t.Logf("IPv6 %v: of %d hops %d have an address, %d of them another's answer", v6, known[i].hops, known[i].known, known[i].shared)
		if k := known[i]; k.known*100 < k.hops*99 {
			t.Errorf("IPv6 %v: of %d hops only %d have an address, by TTL %v are without", v6, k.hops, k.known, k.silent)
		}
	}
	for key, n := range y.changes {
		if n != 1 {
			t.Errorf("%s: %d changes in %d traces", at[key], n, y.traces[key])
		}
	}
	b.account()
}

// share is how many of the hops of some traces are known.
type share struct {
	hops, known, shared int
	silent              map[int]int // by TTL
}

// take counts the hops of a trace, and checks that those that are known are right.
func (s *share) take(t *testing.T, r result, want []netip.Addr) {
	t.Helper()
	if s.silent == nil {
		s.silent = map[int]int{}
	}
	if r.Path == nil || r.Path.End != vitals.EndReached || len(r.Path.Hops) != len(want) {
		t.Errorf("target %d: %v, cause %v", r.Key, r.Path, r.Cause)
		return
	}
	for i, h := range r.Path.Hops {
		s.hops++
		switch {
		case h.Silent():
			s.silent[i+1]++
			continue
		case h.Addr != want[i]:
			t.Errorf("target %d: hop %d is %s, want %s", r.Key, i+1, h.Addr, want[i])
		case h.Shared:
			s.shared++
		}
		s.known++
	}
}

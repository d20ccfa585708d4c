// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// TestBacklogLeavesEvenly: what has piled up leaves in bursts that a responder
// bears, and in no 10 ms three times what the targets ask for, unless that is
// less than a burst; but it does leave, sooner than it was due.
func TestBacklogLeavesEvenly(t *testing.T) {
	for _, test := range []struct {
		rate float64
		most int // probes in 10 ms
	}{
		{0, 2 * 128},
		{100, 2 * 128},
		{10_000, 300},
		{100_000, 3000},
	} {
		inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
			b.demand = prober.Demand{Rate: test.rate}
			b.loop.Do(b.loop.Retune)
			var at []int64
			b.net.Watch(func(s simnet.Sent) { at = append(at, s.At) })
			n := max(2000, int(test.rate)) // a second's
			b.want(n, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
			for i, oldest := 0, 0; i < len(at); i++ {
				for at[i]-at[oldest] >= int64(10*time.Millisecond) {
					oldest++
				}
				if i-oldest+1 > test.most {
					t.Fatalf("%.0f/s: %d probes in 10 ms", test.rate, i-oldest+1)
				}
			}
			if d := time.Duration(at[n-1] - at[0]); d > time.Second {
				t.Errorf("%.0f/s: a second's probes took %v", test.rate, d)
			}
		})
	}
}

// TestLargeProbesWeighMore: of those that a responder has less room for, fewer
// leave at once, and all leave in time for their rate.
func TestLargeProbesWeighMore(t *testing.T) {
	for size, most := range map[int]int{56: 256, 1400: 86, 20_000: 8, 65_507: 4} {
		inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
			const n, rate = 400, 100
			b.demand = prober.Demand{Rate: rate * float64(prober.Cost(size))}
			b.loop.Do(b.loop.Retune)
			var at []int64
			b.net.Watch(func(s simnet.Sent) { at = append(at, s.At) })
			p := probe("10.0.0.1")
			p.Size = size
			b.want(n, p, prober.Replied, 20*time.Millisecond)
			for i, oldest := 0, 0; i < len(at); i++ {
				for at[i]-at[oldest] >= int64(10*time.Millisecond) {
					oldest++
				}
				if i-oldest+1 > most {
					t.Fatalf("%d bytes: %d probes in 10 ms", size, i-oldest+1)
				}
			}
			if d := time.Duration(at[n-1] - at[0]); d > n*time.Second/rate {
				t.Errorf("%d bytes: %d probes took %v", size, n, d)
			}
		})
	}
}

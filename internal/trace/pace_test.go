// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// TestPacedTraces: traces that have to wait for the cap on the rate ask no more
// than those that have not, and find as much: what has not left yet is not silent.
func TestPacedTraces(t *testing.T) {
	var s strings.Builder
	for i := 1; i <= 12; i++ {
		fmt.Fprintf(&s, "router r%d 10.1.0.%d\n", i, i)
	}
	const targets = 200
	for i := range targets {
		fmt.Fprintf(&s, "host %s rtt 21ms\npath %[1]s r1@1ms r2@2ms silent r4@4ms r5@6ms r6@8ms r7@10ms silent r9@14ms r10@16ms r11@18ms r12@20ms\n", nth(i))
	}
	asked := map[float64]int{}
	for _, pps := range []float64{0, 10_000, 1000, 300} {
		inPacedLab(t, prober.Options{}, pps, s.String(), func(b *lab) {
			n := 0
			b.Net.Watch(func(simnet.Sent) { n++ })
			p := plan()
			p.Once = true
			for i := range targets {
				b.add(uint32(i), nth(i), p)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			asked[pps] = n
			for i := range targets {
				rs := b.of(uint32(i))
				if want := fmt.Sprintf("1 2 * 4 5 6 7 * 9 10 11 12 %d .", i%250+1); len(rs) != 1 || text(rs[0].path) != want {
					t.Fatalf("%.0f a second: %s: %d traces, %s", pps, nth(i), len(rs), text(rs[0].path))
				}
			}
		})
	}
	for pps, n := range asked {
		if free := asked[0]; n > free+free/5 {
			t.Errorf("%.0f a second: %d probes, without a cap %d", pps, n, free)
		}
	}
	t.Log(asked)
}

// TestCrowdSharesWakes: one trace is looked at often, for its answers decide what
// is asked next; among many each wake is for more probes.
func TestCrowdSharesWakes(t *testing.T) {
	inLab(t, prober.Options{}, routers(3)+"host 10.9.0.1 rtt 40ms\npath 10.9.0.1 r1@10ms r2@20ms r3@30ms\n", func(b *lab) {
		ticks := map[int]time.Duration{}
		for _, n := range []int{1, 100} {
			p := plan()
			p.Once = true
			for i := range n {
				b.add(uint32(n+i), "10.9.0.1", p)
			}
			time.Sleep(10 * time.Millisecond)
			b.Do(func() { ticks[n] = b.Loop.Tick() })
			time.Sleep(time.Second)
			b.Do(func() { ticks[0] = b.Loop.Tick() })
			for i := range n {
				if rs := b.of(uint32(n + i)); len(rs) != 1 || text(rs[0].path) != "1 2 3 1 ." {
					t.Fatalf("trace %d of %d: %v", i, n, rs)
				}
			}
		}
		if ticks[1] != 2*time.Millisecond || ticks[100] != 5*time.Millisecond || ticks[0] <= ticks[100] {
			t.Errorf("ticks by the number of traces: %v", ticks)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// limited is a scenario of many hosts behind the same routers, of which each
// answers once a second, as Linux does by default; the first fan splits into four.
func limited(hosts int) string {
	var s strings.Builder
	for i := 1; i <= 12; i++ {
		fmt.Fprintf(&s, "router r%d 10.1.0.%d limit 1\n", i, i)
	}
	for i := range hosts {
		fmt.Fprintf(&s, "host %s rtt 21ms\npath %[1]s r1@1ms r2@2ms silent r4@4ms r5@6ms r6@8ms r7@10ms silent r9@14ms r10@16ms r11@18ms r12@20ms\n", nth(i))
	}
	return s.String()
}

func nth(i int) string { return fmt.Sprintf("10.2.%d.%d", i/250, i%250+1) }

// TestLimitedRouters traces a thousand targets each minute through routers that
// answer once a second: from the second minute on at least 99 % of the hops that
// answer anybody have an answer, no router is asked more than it bears, and
// nothing changes.
func TestLimitedRouters(t *testing.T) {
	const targets, minutes = 1000, 8
	inLab(t, prober.Options{}, limited(targets), func(b *lab) {
		var asked [13]int // in the last half
		half := b.Start.Add(minutes / 2 * time.Minute)
		b.Net.Watch(func(s simnet.Sent) {
			if time.Now().After(half) && s.TTL <= 12 {
				asked[s.TTL]++
			}
		})
		p := plan()
		p.Pause = time.Minute
		for i := range targets {
			b.Do(func() {
				b.trace.Add(uint32(i), simnet.Addr(nth(i)), p, b.Loop.Now()+int64(i)*int64(time.Millisecond))
			})
		}
		time.Sleep(minutes * time.Minute)
		var traces, answered, shared int
		for i := range targets {
			rs := b.of(uint32(i))
			if n := changes(rs); n != 1 {
				t.Errorf("%s: %d changes: %v", nth(i), n, told(rs))
			}
			for _, r := range rs[2:] {
				traces++
				if got := text(r.path); got != "1 2 * 4 5 6 7 * 9 10 11 12 "+fmt.Sprint(i%250+1)+" ." {
					t.Logf("%s at %v: %s", nth(i), r.at, got)
				}
				for k, h := range r.path.Hops[:12] {
					if k == 2 || k == 7 {
						continue
					}
					if !h.Silent() {
						answered++
					}
					if h.Shared {
						shared++
					}
				}
			}
		}
		if part := float64(answered) / float64(10*traces); part < 0.99 {
			t.Errorf("%.2f %% of the hops of %d traces have an answer", 100*part, traces)
		}
		if shared == 0 {
			t.Error("no answer is shared")
		}
		for ttl, n := range asked[1:] {
			// One a second is answered; what is asked besides finds out whether more is.
			if most := 3 * 60 * minutes / 2; n > most && ttl != 2 && ttl != 7 {
				t.Errorf("TTL %d was asked %d times in %d minutes, want %d at most", ttl+1, n, minutes/2, most)
			}
		}
	})
}

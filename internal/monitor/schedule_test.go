// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// tick is the most that a loop may be late by: it wakes by the clock.
const tick = 20 * time.Millisecond

// TestDefect02ScheduleHoldsForTenMinutes has a dead host in the file, one that
// loses every fifth packet, and one whose RTT is beyond the period: the rate of
// each is exact (contract 1.3, pain 5).
func TestDefect02ScheduleHoldsForTenMinutes(t *testing.T) {
	const scenario = `
host 10.0.0.1 rtt 3ms
host 10.0.0.2 dead
host 10.0.0.3 rtt 5ms loss 0.2
host 10.0.0.4 rtt 800ms
host 2001:db8::1 rtt 3ms`
	const text = `* json=1
10.0.0.1
10.0.0.2
10.0.0.3
10.0.0.4 ping=100 numpings=3 interval=20
2001:db8::1 ping=1s numpings=1`
	periods := map[string]time.Duration{
		"10.0.0.1": 590 * time.Millisecond, "10.0.0.2": 590 * time.Millisecond, "10.0.0.3": 590 * time.Millisecond,
		"10.0.0.4": 140 * time.Millisecond, "2001:db8::1": time.Second,
	}
	inFakeTime(t, scenario, text, func(l *lab) {
		const long = 10 * time.Minute
		l.pass(long)
		for name, period := range periods {
			rs := l.records(name)
			// The last of them may still be on its way, for a time-out at most.
			first := rs[0].at
			if want := int((long-first)/period) + 1; len(rs) < want-1 || len(rs) > want {
				t.Errorf("%s: %d records in ten minutes, want %d", name, len(rs), want)
			}
			for i, r := range rs {
				due := first + time.Duration(i)*period
				if late := r.at - due; name != "10.0.0.3" && (late < -tick || late > tick) {
					t.Fatalf("%s: record %d came at %v, want %v", name, i+1, r.at, due)
				}
				switch loss := r.Ping.Loss; {
				case name == "10.0.0.2" && loss != 100, name != "10.0.0.2" && name != "10.0.0.3" && loss != 0:
					t.Fatalf("%s: record %d has %v %% loss", name, i+1, loss)
				}
			}
		}
		l.wantSaid()
	})
}

// TestRounds is the global form: one record of all statistics, then the pause.
func TestRounds(t *testing.T) {
	const scenario = "router r 10.9.0.1\nhost 127.0.0.1 rtt 30ms\npath 127.0.0.1 r@5ms\nhost 127.0.0.2 dead"
	inFakeTime(t, scenario, "1 1 1 10 41 4 1 500\n127.0.0.1\n127.0.0.2\n", func(l *lab) {
		var starts, lasts []time.Duration // probes of each round of the first
		var mu sync.Mutex
		l.net.Watch(func(s simnet.Sent) {
			mu.Lock()
			defer mu.Unlock()
			now := time.Since(l.begun)
			if s.To != netip.MustParseAddr("127.0.0.1") {
				return
			}
			if len(starts) == 0 || now-starts[len(starts)-1] > 300*time.Millisecond {
				starts, lasts = append(starts, now), append(lasts, now)
			}
			lasts[len(lasts)-1] = now
		})
		l.pass(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		// 9 x 10 ms and the RTT of the last ping, the pause, and two ticks. The
		// first probe of a round may have left a tick late itself.
		for i := range len(starts) - 1 {
			if d := starts[i+1] - starts[i]; d < 620*time.Millisecond-tick || d > 620*time.Millisecond+2*tick {
				t.Errorf("round %d begins %v after the one before, want 620 ms", i+2, d)
			}
		}
		rs := l.records("127.0.0.1")
		if len(rs) < len(starts)-1 || len(rs) > len(starts) || len(rs) < 80 {
			t.Fatalf("%d records of %d rounds", len(rs), len(starts))
		}
		// The pause itself begins with the last reply, 30 ms after the last
		// probe, and is never cut by more than the slack of a timer.
		for i := range len(starts) - 1 {
			if d := starts[i+1] - lasts[i] - 30*time.Millisecond; d < 500*time.Millisecond-time.Duration(prober.Slack) || d > 500*time.Millisecond+2*tick {
				t.Errorf("round %d begins %v after the last reply of the one before, want 500 ms", i+2, d)
			}
		}
		for i, r := range rs {
			if r.Ping == nil || r.Ping.Loss != 0 || r.Scan["http"] != "None" || len(r.Scan) != 3 || (r.Trace != nil) != (i == 0) {
				t.Errorf("round %d: %+v, want ping and scan, and at first the trace", i+1, r)
			}
		}
		for i, r := range l.records("127.0.0.2") {
			if r.Ping == nil || r.Ping.Loss != 100 || r.Scan == nil || (r.Trace != nil) != (i == 0) {
				t.Errorf("round %d of the dead host: %+v", i+1, r)
			}
		}
		l.wantSaid()
	})
}

// TestRoundsWithoutPause sleep 0 ms: one round after the other, no two at once.
func TestRoundsWithoutPause(t *testing.T) {
	inFakeTime(t, "host 10.0.0.1 rtt 50ms", "1 0 0 1 41 0 1 0\n10.0.0.1\n", func(l *lab) {
		l.pass(10 * time.Second)
		if n := len(l.records("10.0.0.1")); n < 10_000/70-1 || n > 200 {
			t.Errorf("%d rounds of 50 ms in 10 s", n)
		}
	})
}

// TestStartsAreSpread is contract 1.2, for both forms.
func TestStartsAreSpread(t *testing.T) {
	tests := []struct {
		hosts int
		apart time.Duration
	}{
		{1, 0},
		{2, 10 * time.Millisecond},
		{100, 10 * time.Millisecond},
		{101, time.Second / 101},
		{1000, time.Millisecond},
		{10_000, 100 * time.Microsecond},
		{20_000, 100 * time.Microsecond},
	}
	for _, test := range tests {
		for i := range test.hosts {
			want := time.Duration(i) * test.apart
			if got := startOffset(i, test.hosts); got < want || got > want+time.Microsecond*time.Duration(i)/1000 {
				t.Fatalf("host %d of %d begins after %v, want %v", i, test.hosts, got, want)
			}
		}
		for form, head := range map[string]string{"global": "1 0 0 1 41 0 1 60000\n%s", "separate": "* ping=1m numpings=1\n%s"} {
			t.Run(fmt.Sprintf("%s/%d", form, test.hosts), func(t *testing.T) {
				checkStarts(t, fmt.Sprintf(head, numbered(test.hosts)), test.hosts, test.apart)
			})
		}
	}
}

// numbered are n lines of addresses, of which address finds the number.
func numbered(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "10.%d.%d.%d\n", i/62500+1, i/250%250, i%250+1)
	}
	return all.String()
}

func numberOf(a netip.Addr) int {
	b := a.As4()
	return (int(b[1])-1)*62500 + int(b[2])*250 + int(b[3]) - 1
}

func checkStarts(t *testing.T, text string, hosts int, apart time.Duration) {
	t.Helper()
	inFakeTime(t, "", text, func(l *lab) {
		begun := make([]time.Duration, hosts)
		for i := range begun {
			begun[i] = -1
		}
		l.net.Watch(func(s simnet.Sent) {
			if i := numberOf(s.To); begun[i] < 0 {
				begun[i] = time.Since(l.begun)
			}
		})
		l.pass(time.Duration(hosts)*apart + time.Second)
		l.net.Watch(nil)
		for i, at := range begun {
			due := time.Duration(i) * apart
			if at < due-2*time.Millisecond || at > due+tick {
				t.Fatalf("host %d begins after %v, want %v", i, at, due)
			}
		}
	})
}

// TestAddedHostStartsAtOnce starts what a reload adds without waiting, however
// many run already.
func TestAddedHostStartsAtOnce(t *testing.T) {
	const old = "* json=1 ping=10s numpings=1\n"
	inFakeTime(t, "host 10.9.9.9 rtt 1ms", old+numbered(500), func(l *lab) {
		l.pass(5 * time.Second)
		l.reload(old + numbered(500) + "10.9.9.9\n")
		l.pass(2 * tick)
		rs := l.records("10.9.9.9")
		if len(rs) != 1 || math.Abs(float64(rs[0].at-5*time.Second)) > float64(2*tick) {
			t.Errorf("records of the added host: %+v, want one at 5 s", rs)
		}
	})
}

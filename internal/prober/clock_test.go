// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"fmt"
	"testing"
	"time"

	"connmonitor/internal/prober"
)

// TestDefect7ClockSteps, also pain 19: a wall clock that steps at any moment
// between and around two stamps changes no RTT and no deadline. The probes
// leave at 100 ms, their replies come at 137 ms, the tick after is at 140 ms.
func TestDefect7ClockSteps(t *testing.T) {
	for _, step := range []string{"3h", "-3h", "400ms", "-400ms", "24000h", "-100000h"} {
		for _, at := range []string{"50ms", "99ms", "100ms", "100001us", "110ms", "136999us", "137ms", "137001us", "139ms", "150ms"} {
			scenario := lines("host 10.0.0.1 rtt 37ms", "host 10.0.0.2 dead", "at "+at+" step "+step)
			t.Run(step+" at "+at, func(t *testing.T) {
				inLab(t, prober.Options{}, scenario, func(b *lab) {
					time.Sleep(100 * time.Millisecond)
					start := time.Now()
					b.send(5, probe("10.0.0.2"))
					b.want(5, probe("10.0.0.1"), prober.Replied, 37*time.Millisecond)
					b.settle()
					if d := time.Since(start); d > 1200*time.Millisecond {
						t.Errorf("the time-out lasted %v", d)
					}
					if s := b.loop.Stats(); s.ClockSteps != 1 || s.Lost != 5 || s.Unstamped != 0 {
						t.Errorf("stats %+v", s)
					}
				})
			})
		}
	}
}

// TestManyClockSteps: there and back, more often than are remembered.
func TestManyClockSteps(t *testing.T) {
	scenario := "host 10.0.0.1 rtt 333ms\n"
	for i := range 40 {
		d := []string{"2h", "-5h", "3h"}[i%3]
		scenario += fmt.Sprintf("at %dms step %s\n", 100*i+50, d)
	}
	inLab(t, prober.Options{}, scenario, func(b *lab) {
		var firsts []uint32
		for range 80 {
			firsts = append(firsts, b.send(1, probe("10.0.0.1")))
			time.Sleep(50 * time.Millisecond)
		}
		for _, f := range firsts {
			if r := b.verdicts(f, 1)[0]; r.Verdict != prober.Replied || r.RTT != 333*time.Millisecond {
				t.Errorf("probe %d: %+v", f, r)
			}
		}
	})
}

// TestProcessStopped: a process that is stopped for seconds, wherever it is,
// has no false loss and exact RTTs.
func TestProcessStopped(t *testing.T) {
	for _, call := range []string{"clock", "reports", "receive", "send", "sent"} {
		for ms := 0; ms < 160; ms += 7 {
			scenario := lines("host 10.0.0.1 rtt 37ms", "host 10.0.0.2 rtt 700ms",
				fmt.Sprintf("at %dms stall %s 5s", ms, call))
			t.Run(fmt.Sprint(call, ms), func(t *testing.T) {
				inLab(t, prober.Options{}, scenario, func(b *lab) {
					var near, far []uint32
					for range 20 {
						near = append(near, b.send(2, probe("10.0.0.1")))
						far = append(far, b.send(2, probe("10.0.0.2")))
						time.Sleep(10 * time.Millisecond)
					}
					b.settle()
					for i := range near {
						b.exact(near[i], 37*time.Millisecond)
						b.exact(far[i], 700*time.Millisecond)
					}
				})
			})
		}
	}
}

func (b *lab) exact(first uint32, rtt time.Duration) {
	b.t.Helper()
	for _, r := range b.verdicts(first, 2) {
		if r.Verdict != prober.Replied || r.RTT != rtt {
			b.t.Errorf("probe %d: verdict %d, RTT %v, want a reply after %v", first, r.Verdict, r.RTT, rtt)
		}
	}
}

// TestStoppedAndStepped: a suspended machine comes back with another time.
func TestStoppedAndStepped(t *testing.T) {
	for _, call := range []string{"clock", "reports", "receive", "send", "sent"} {
		scenario := lines("host 10.0.0.1 rtt 37ms", "at 95ms stall "+call+" 5s", "at 3s step -7h")
		t.Run(call, func(t *testing.T) {
			inLab(t, prober.Options{}, scenario, func(b *lab) {
				for range 20 {
					b.exact(b.send2("10.0.0.1"), 37*time.Millisecond)
				}
			})
		})
	}
}

func (b *lab) send2(to string) uint32 {
	first := b.send(2, probe(to))
	time.Sleep(10 * time.Millisecond)
	return first
}

// TestBusySystemCalls: calls that take time move no RTT, and a reply that
// arrives while the loop is draining is measured like any other (pain 8).
func TestBusySystemCalls(t *testing.T) {
	inLab(t, prober.Options{}, lines("host 10.0.0.1 rtt 20ms", "host 10.0.0.2 rtt 19900us", "busy 3ms"), func(b *lab) {
		for range 300 {
			b.send(1, probe("10.0.0.1"))
			b.send(1, probe("10.0.0.2"))
			time.Sleep(3 * time.Millisecond)
		}
		b.settle()
		for tag, rs := range b.results {
			want := 20 * time.Millisecond
			if tag%2 == 1 {
				want = 19900 * time.Microsecond
			}
			if rs[0].Verdict != prober.Replied || rs[0].RTT != want {
				t.Errorf("probe %d: %+v", tag, rs[0])
			}
		}
		if s := b.loop.Stats(); s.Unstamped != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestUnstamped: without the kernel's stamps RTTs are ours, and counted.
func TestUnstamped(t *testing.T) {
	for _, what := range []string{"tx", "rx"} {
		inLab(t, prober.Options{}, lines("host 10.0.0.1 rtt 30ms", "unstamped "+what), func(b *lab) {
			for _, r := range b.verdicts(b.send(10, probe("10.0.0.1")), 10) {
				if r.Verdict != prober.Replied || r.RTT < 30*time.Millisecond || r.RTT > 50*time.Millisecond {
					t.Errorf("without %s: %+v", what, r)
				}
			}
			if s := b.loop.Stats(); s.Unstamped != 10 {
				t.Errorf("without %s: %+v", what, s)
			}
		})
	}
}

// TestShortBatchesAreNoEnd: an ICMP error that some other process elicits cuts
// what a system call reads. What had come while this process was stopped is
// read all the same before anything expires.
func TestShortBatchesAreNoEnd(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 100ms\ncut 3", func(b *lab) {
		p := probe("10.0.0.1")
		p.Timeout = 500 * time.Millisecond
		first := b.send(4000, p)
		time.Sleep(110 * time.Millisecond)
		if err := b.net.Apply("stall clock 3s"); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.verdicts(first, 4000) {
			if r.Verdict != prober.Replied || r.RTT != 100*time.Millisecond {
				t.Fatalf("%+v", r)
			}
		}
	})
}

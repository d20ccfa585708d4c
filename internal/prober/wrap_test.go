// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/ping"
	"connmonitor/internal/prober"
	"connmonitor/internal/vitals"
)

func donePing(records *int) ping.Done {
	return func(uint32, *vitals.Ping, syscall.Errno) { *records++ }
}

// TestPain9SequenceWraps: sequence numbers and generations go round without a
// verdict that is false, also with short payloads, which have nothing else.
func TestPain9SequenceWraps(t *testing.T) {
	for _, size := range []int{4, 41} {
		inLab(t, prober.Options{}, lines("host 10.0.0.1 rtt 20ms", "host 10.0.0.2 dead"), func(b *lab) {
			b.want(100, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
			time.Sleep(2 * time.Second)
			b.loop.Do(func() {
				b.loop.StartSequence(65_500)
				b.loop.StartGeneration(65_530)
			})
			p, dead := probe("10.0.0.1"), probe("10.0.0.2")
			p.Size, dead.Size = size, size
			for range 20 {
				b.send(10, dead)
				b.want(50, p, prober.Replied, 20*time.Millisecond)
				time.Sleep(2 * time.Second)
			}
			b.settle()
			if s := b.loop.Stats(); s.Lost != 200 || s.Strays+s.Forged != 0 {
				t.Errorf("size %d: %+v", size, s)
			}
		})
	}
}

// TestMoreInFlightThanSequences: 100,000 probes to one host at the same time
// are told apart by their payload, in replies and in what routers quote.
func TestMoreInFlightThanSequences(t *testing.T) {
	scenario := lines("router r1 10.1.0.1", "host 10.0.0.1 rtt 9s", "path 10.0.0.1 r1@8s", "buffer 1000000")
	inLab(t, prober.Options{}, scenario, func(b *lab) {
		expiring := probe("10.0.0.1")
		expiring.TTL = 1
		const n = 50_000
		expiring.Timeout = 10 * time.Second
		echo := expiring
		echo.TTL = 0
		far := b.send(n, expiring)
		near := b.send(n, echo)
		for _, r := range b.verdicts(far, n) {
			if r.Verdict != prober.Expired || r.RTT != 8*time.Second {
				t.Fatalf("expiring: %+v", r)
			}
		}
		for _, r := range b.verdicts(near, n) {
			if r.Verdict != prober.Replied || r.RTT != 9*time.Second {
				t.Fatalf("ping: %+v", r)
			}
		}
		if s := b.loop.Stats(); s.Duplicates+s.Forged+s.Strays != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestPain10SlabStaysSmall: what is over is used again.
func TestPain10SlabStaysSmall(t *testing.T) {
	inLab(t, prober.Options{}, lines("host 10.0.0.1 rtt 20ms loss 0.1"), func(b *lab) {
		for range 200 {
			b.send(50, probe("10.0.0.1"))
			time.Sleep(100 * time.Millisecond)
		}
		b.settle()
		time.Sleep(3 * time.Second)
		b.send(1, probe("10.0.0.1"))
		b.settle()
		if n := b.loop.Entries(); n > 700 {
			t.Errorf("%d entries for 10 s of 500 probes a second with a time-out of 1 s", n)
		}
		if n := b.loop.InUse(); n > 1 {
			t.Errorf("%d entries in use when all is over", n)
		}
	})
}

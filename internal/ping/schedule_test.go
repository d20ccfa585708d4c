// SPDX-License-Identifier: Apache-2.0

package ping_test

import (
	"fmt"
	"testing"
	"time"

	"connmonitor/internal/ping"
	"connmonitor/internal/prober"
)

// TestDefect1And2ScheduleIsFixed: over an hour, beside a dead, a lossy and a
// refused host, every burst begins at its time to the tick, and there is one
// record of each; the dead host's time-outs overlap its bursts. Also pain 5.
func TestDefect1And2ScheduleIsFixed(t *testing.T) {
	const scenario = `
host 10.0.0.1 rtt 20ms
host 10.0.0.2 dead
host 10.0.0.3 rtt 300ms jitter 100ms loss 0.3
host 10.0.0.4 refuse ENETUNREACH
`
	inLab(t, scenario, func(b *lab) {
		for i := range 4 {
			b.add(uint32(i), fmt.Sprintf("10.0.0.%d", i+1), classic(), time.Duration(i)*10*time.Millisecond)
		}
		const hour = time.Hour
		time.Sleep(hour - time.Since(b.Start))
		period := classic().Period
		for i := range 4 {
			want := int((hour - time.Second - time.Duration(i)*10*time.Millisecond) / period)
			if n := len(b.of(uint32(i))); n < want || n > want+3 {
				t.Errorf("host %d: %d records in an hour, want %d", i+1, n, want)
			}
		}
		for i := range 3 {
			b.onSchedule(fmt.Sprintf("10.0.0.%d", i+1), classic(), time.Duration(i)*10*time.Millisecond)
		}
		for _, r := range b.of(0) {
			if r.Lost() != 0 || r.Received != 10 || r.Min != 20 || r.Max != 20 {
				t.Fatalf("the living host: %+v", r)
			}
		}
		for _, r := range b.of(1) {
			if r.Loss() != 100 || r.Mean != -1 || r.Min != -1 || r.Max != -1 || r.Std != -1 {
				t.Fatalf("the dead host: %+v", r)
			}
		}
		lost, sent := 0, 0
		for _, r := range b.of(2) {
			lost, sent = lost+r.Lost(), sent+r.Sent
		}
		if part := float64(lost) / float64(sent); part < 0.29 || part > 0.31 {
			t.Errorf("the host with 30 %% loss lost %v", part)
		}
	})
}

// onSchedule checks that ping i of burst n left within a tick of its time.
func (b *lab) onSchedule(to string, plan ping.Plan, first time.Duration) {
	b.T.Helper()
	tick := 20 * time.Millisecond
	if plan.Interval > 0 {
		tick = min(tick, plan.Interval/2)
	}
	for i, at := range b.left(to) {
		burst, k := i/plan.Count, i%plan.Count
		want := first + time.Duration(burst)*plan.Period + time.Duration(k)*plan.Interval
		if at < want-time.Duration(prober.Slack) || at > want+tick {
			b.T.Fatalf("%s: ping %d of burst %d left at %v, want %v and a tick of %v", to, k, burst, at, want, tick)
		}
	}
}

// TestOnePingASecond is contract 1.3's example.
func TestOnePingASecond(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 900ms\nhost 10.0.0.2 dead", func(b *lab) {
		plan := ping.Plan{Period: time.Second, Timeout: time.Second, Count: 1, Size: 41}
		b.add(1, "10.0.0.1", plan, 0)
		b.add(2, "10.0.0.2", plan, 500*time.Millisecond)
		time.Sleep(time.Hour)
		b.onSchedule("10.0.0.1", plan, 0)
		b.onSchedule("10.0.0.2", plan, 500*time.Millisecond)
		if n := len(b.of(1)); n < 3599 || n > 3600 {
			t.Errorf("%d records in an hour", n)
		}
		if n := len(b.of(2)); n < 3598 || n > 3599 {
			t.Errorf("%d records of the dead host in an hour", n)
		}
		if n := b.Loop.Stats().Ticks; n > 3600*51 {
			t.Errorf("%d ticks", n)
		}
	})
}

// TestBurstsOverlap: with a time-out beyond the period several bursts are
// awaited at the same time, and each reply counts for its own.
func TestBurstsOverlap(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 2500ms\nhost 10.0.0.2 dead", func(b *lab) {
		plan := ping.Plan{Period: 300 * time.Millisecond, Interval: 20 * time.Millisecond, Timeout: 3 * time.Second, Count: 5, Size: 41}
		b.add(1, "10.0.0.1", plan, 0)
		b.add(2, "10.0.0.2", plan, 0)
		time.Sleep(time.Minute)
		b.onSchedule("10.0.0.1", plan, 0)
		b.onSchedule("10.0.0.2", plan, 0)
		if n := len(b.of(1)); n < 190 || n > 192 {
			t.Errorf("%d records", n)
		}
		for i, r := range b.of(1) {
			want := time.Duration(i)*plan.Period + 80*time.Millisecond + 2500*time.Millisecond
			if r.Received != 5 || r.Mean != 2500 || r.at < want || r.at > want+20*time.Millisecond {
				t.Fatalf("burst %d: %+v at %v, want %v", i, r.Ping, r.at, want)
			}
		}
	})
}

// TestTinyPeriods do not spin and do not pile up.
func TestTinyPeriods(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		id := b.add(1, "10.0.0.1", ping.Plan{Period: 1, Timeout: time.Second, Count: 1, Size: 41}, 0)
		time.Sleep(time.Second)
		b.Do(func() { b.ping.Remove(id) })
		if n := len(b.of(1)); n < 9000 || n > 10_001 {
			t.Errorf("%d bursts in a second, want one every %v", n, ping.MinPeriod)
		}
		if n := b.Loop.Stats().Ticks; n > 1100 {
			t.Errorf("%d ticks in a second", n)
		}
	})
}

// TestStoppedProcessKeepsThePhase: bursts that were missed are counted and not
// caught up with; those after begin where they would have begun.
func TestStoppedProcessKeepsThePhase(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms\nat 3050ms stall receive 5s", func(b *lab) {
		plan := ping.Plan{Period: 100 * time.Millisecond, Timeout: time.Second, Count: 1, Size: 41}
		b.add(1, "10.0.0.1", plan, 0)
		time.Sleep(20 * time.Second)
		n := 0
		for _, at := range b.left("10.0.0.1") {
			late := at % plan.Period
			if late > 20*time.Millisecond && late < plan.Period-time.Millisecond && (at < 8*time.Second || at > 8100*time.Millisecond) {
				t.Errorf("a burst began at %v", at)
			}
			if at > 8*time.Second && at <= 9*time.Second {
				n++
			}
		}
		if n < 10 || n > 11 {
			t.Errorf("%d bursts in the second after the stop", n)
		}
		if missed := b.missed(); missed < 48 || missed > 50 {
			t.Errorf("%d bursts missed in 5 s", missed)
		}
		for _, r := range b.of(1) {
			if r.Received != 1 || r.Mean != 20 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestCongestionPostpones: what the cap on the rate has no room for is left
// out whole; bursts that have begun are complete, and nobody waits for ever.
func TestCongestionPostpones(t *testing.T) {
	const scenario = "host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 rtt 20ms"
	inPacedLab(t, 100, scenario, func(b *lab) {
		plan := ping.Plan{Period: 100 * time.Millisecond, Interval: time.Millisecond, Timeout: time.Second, Count: 50, Size: 41}
		b.add(1, "10.0.0.1", plan, 0) // 500 probes a second of the 100 that may leave
		b.add(2, "10.0.0.2", plan, 0)
		time.Sleep(time.Minute)
		if n := b.missed(); n < 900 {
			t.Errorf("%d bursts missed", n)
		}
		for key := range uint32(2) {
			rs := b.of(key + 1)
			if len(rs) == 0 {
				t.Errorf("host %d was never pinged", key+1)
			}
			for _, r := range rs {
				if r.Sent != 50 || r.Received != 50 {
					t.Errorf("host %d: %+v", key+1, r)
				}
			}
		}
		if sent := b.Loop.Stats().Sent; sent < 5900 || sent > 6100 {
			t.Errorf("%d probes in a minute of 100 a second", sent)
		}
	})
}

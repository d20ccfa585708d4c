// SPDX-License-Identifier: Apache-2.0

package ping_test

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/ping"
)

// TestStatistic: sample standard deviation, and the figures of contract 1.4.
func TestStatistic(t *testing.T) {
	var scenario string
	for i := 1; i <= 5; i++ {
		scenario += fmt.Sprintf("at %dms host 10.0.0.1 rtt %dms\n", i*100-60, 10*i)
	}
	inLab(t, "host 10.0.0.1 rtt 7ms\n"+scenario, func(b *lab) {
		b.add(1, "10.0.0.1", ping.Plan{Interval: 100 * time.Millisecond, Timeout: time.Second, Count: 6, Size: 41}, 0)
		time.Sleep(2 * time.Second)
		rs := b.of(1)
		if len(rs) != 1 {
			t.Fatalf("records: %+v", rs)
		}
		r := rs[0] // 7, 10, 20, 30, 40, 50
		mean, square := 157.0/6, 0.0
		for _, v := range []float64{7, 10, 20, 30, 40, 50} {
			square += (v - mean) * (v - mean)
		}
		if r.Min != 7 || r.Max != 50 || math.Abs(r.Mean-mean) > 1e-9 || math.Abs(r.Std-math.Sqrt(square/5)) > 1e-9 {
			t.Errorf("%+v", r)
		}
	})
}

// TestDeviationOfOne is 0.
func TestDeviationOfOne(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 7ms", func(b *lab) {
		b.add(1, "10.0.0.1", ping.Plan{Timeout: time.Second, Count: 1, Size: 41}, 0)
		time.Sleep(time.Second)
		if r := b.of(1)[0]; r.Std != 0 || r.Mean != 7 || r.Loss() != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestLossLeavesOutTheUnknown: loss is lost / (sent - unknown), and what was
// lost for a reason is lost all the same.
func TestLossLeavesOutTheUnknown(t *testing.T) {
	const scenario = `
router r1 10.1.0.1 unreachable 1
host 10.0.0.1 rtt 20ms
path 10.0.0.1
at 95ms host 10.0.0.1 refuse EPERM
at 195ms host 10.0.0.1 rtt 20ms dead
at 295ms host 10.0.0.1 rtt 20ms
at 295ms path 10.0.0.1 r1@5ms
at 395ms path 10.0.0.1
at 495ms host 10.0.0.1 rtt 1002ms
at 595ms host 10.0.0.1 rtt 20ms duplicate 1
`
	inLab(t, scenario, func(b *lab) {
		b.add(1, "10.0.0.1", ping.Plan{Interval: 10 * time.Millisecond, Timeout: time.Second, Count: 70, Size: 41}, 0)
		time.Sleep(5 * time.Second)
		r := b.of(1)[0]
		if r.Sent != 70 || r.Unknown != 10 || r.Received != 30 || r.Lost() != 30 || r.Loss() != 50 ||
			r.Unreachable != 10 || r.Late == 0 || r.Late > 10 || r.Duplicate != 10 || r.cause != syscall.EPERM {
			t.Errorf("%+v, lost %d, loss %v", r, r.Lost(), r.Loss())
		}
	})
}

// TestDefect6BurstThatIsWhollyUnknown: it says why, and the next one is made.
func TestDefect6BurstThatIsWhollyUnknown(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms refuse ENETUNREACH\nat 10s host 10.0.0.1 rtt 20ms", func(b *lab) {
		b.add(1, "10.0.0.1", classic(), 0)
		time.Sleep(20 * time.Second)
		for _, r := range b.of(1) {
			down := r.at < 10*time.Second
			if down && (r.Known() != 0 || r.Loss() != 0 || r.cause != syscall.ENETUNREACH) {
				t.Errorf("while refused: %+v", r)
			}
			if r.at > 11*time.Second && (r.Received != 10 || r.cause != 0) {
				t.Errorf("after: %+v", r)
			}
		}
	})
}

// TestMostPings: numpings 65535, twice, with the default spacing.
func TestMostPings(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms duplicate 0.01\nbuffer 1000000", func(b *lab) {
		b.add(1, "10.0.0.1", ping.Plan{
			Period: 600 * time.Millisecond, Interval: 100 * time.Millisecond / 65535, Timeout: time.Second, Count: 65535, Size: 41,
		}, 0)
		time.Sleep(1100 * time.Millisecond)
		b.Do(b.ping.Stop)
		time.Sleep(time.Second)
		rs := b.of(1)
		if len(rs) != 2 {
			t.Fatalf("%d records", len(rs))
		}
		for _, r := range rs {
			if r.Sent != 65535 || r.Received != 65535 || r.Max != 20 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestManyBursts: more than the 65,536 that a probe's tag can count.
func TestManyBursts(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms duplicate 0.1", func(b *lab) {
		b.add(1, "10.0.0.1", ping.Plan{Period: 5 * time.Millisecond, Timeout: time.Second, Count: 1, Size: 41}, 0)
		time.Sleep(350 * time.Second)
		if n := len(b.of(1)); n < 69_990 || n > 70_000 {
			t.Errorf("%d records, want 70,000", n)
		}
	})
}

// TestRemovalDuringABurst hands its result over, once, and frees the target.
func TestRemovalDuringABurst(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 200ms\nhost 10.0.0.2 dead", func(b *lab) {
		for round := range uint32(20) {
			key := 2 * round
			one := b.add(key, "10.0.0.1", classic(), b.now())
			two := b.add(key+1, "10.0.0.2", classic(), b.now())
			time.Sleep(time.Duration(round) * 10 * time.Millisecond)
			b.Do(func() { b.ping.Remove(one); b.ping.Remove(two) })
			time.Sleep(3 * time.Second)
			if round == 0 {
				continue // perhaps it had not begun
			}
			rs := append(b.of(key), b.of(key+1)...)
			if len(rs) != 2 || rs[0].Received != 10 || rs[1].Lost() != 10 {
				t.Fatalf("removed after %d ms: %+v", 10*round, rs)
			}
			if one > 1 || two > 1 {
				t.Errorf("targets %d and %d: what was removed is not used again", one, two)
			}
		}
	})
}

func (b *lab) now() (now time.Duration) {
	b.Do(func() { now = time.Duration(b.Loop.Now()) })
	return now
}

// TestStopFinishesBursts: what has begun is sent to its end and handed over,
// and the loop ends then.
func TestStopFinishesBursts(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 dead", func(b *lab) {
		b.add(1, "10.0.0.1", classic(), 0)
		b.add(2, "10.0.0.2", classic(), 30*time.Millisecond)
		time.Sleep(50 * time.Millisecond)
		b.Stop()
		one, two := b.of(1), b.of(2)
		if len(one) != 1 || one[0].Received != 10 || len(two) != 1 || two[0].Lost() != 10 {
			t.Errorf("%+v %+v", one, two)
		}
		if d := time.Since(b.Start); d < 1100*time.Millisecond || d > 1200*time.Millisecond {
			t.Errorf("stopped after %v", d)
		}
	})
}

// TestOnDemand: without a period a burst starts only when it is asked for, also
// when it is asked for while one is being sent.
func TestOnDemand(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		plan := classic()
		plan.Period = 0
		id := b.add(1, "10.0.0.1", plan, -1)
		time.Sleep(time.Minute)
		if n := len(b.of(1)); n != 0 {
			t.Fatalf("%d bursts without Start", n)
		}
		again := 5
		b.Do(func() {
			b.done = func(uint32) { // as the bundled form does it
				if again--; again > 0 {
					b.ping.Start(id, b.Loop.Now()+int64(time.Second))
				}
			}
			b.ping.Start(id, b.Loop.Now())
		})
		time.Sleep(time.Minute)
		rs := b.of(1)
		if len(rs) != 5 {
			t.Fatalf("%d bursts, want 5", len(rs))
		}
		for i := 1; i < 5; i++ {
			if d := rs[i].at - rs[i-1].at; d < 1110*time.Millisecond || d > 1180*time.Millisecond {
				t.Errorf("burst %d came %v after the one before", i, d)
			}
		}
		b.Do(func() { b.done = nil })
		b.Do(func() { b.ping.Start(id, b.Loop.Now()) })
		time.Sleep(50 * time.Millisecond)
		b.Do(func() { b.ping.Start(id, b.Loop.Now()+int64(time.Second)) })
		time.Sleep(time.Minute)
		if n := len(b.of(1)); n != 7 {
			t.Errorf("%d bursts, want 7: one was asked for while another was being sent", n)
		}
	})
}

// TestDefect3SameHostTwice; and defect 5 in two sizes.
func TestDefect3SameHostTwice(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms jitter 30ms", func(b *lab) {
		small := classic()
		small.Size = 4
		b.add(1, "10.0.0.1", classic(), 0)
		b.add(2, "10.0.0.1", classic(), 0)
		b.add(3, "10.0.0.1", small, 0)
		b.add(4, "10.0.0.1", small, 3*time.Millisecond)
		time.Sleep(10 * time.Minute)
		for key := range uint32(4) {
			for _, r := range b.of(key + 1) {
				if r.Received != 10 || r.Duplicate != 0 {
					t.Fatalf("key %d: %+v", key+1, r)
				}
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/ping"
	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// TestPace, also defect 8 and pain 7: the cap holds over every span of time,
// whatever is asked for, and is used to the full.
func TestPace(t *testing.T) {
	for _, pps := range []float64{10, 100, 1000, 20_000} {
		t.Run(fmt.Sprint(pps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pace := prober.NewPace(pps)
				total := int(pps * 10)
				b := newLab(t, prober.Options{Pace: pace}, "host 10.0.0.1 rtt 20ms")
				var at []int64
				b.net.Watch(func(s simnet.Sent) { at = append(at, s.At) })
				done := make(chan error, 1)
				go func() { done <- b.loop.Run(t.Context()) }()
				b.send(total, probe("10.0.0.1"))
				time.Sleep(20 * time.Second)
				b.settle()
				b.loop.Drain()
				if err := <-done; err != nil {
					t.Error(err)
				}
				b.check()
				if took := at[len(at)-1] - at[0]; took > 10_100*int64(time.Millisecond) {
					t.Errorf("%d probes at %v a second took %v", total, pps, time.Duration(took))
				}
				// Over any second: what it allows, a tick's credit and one more.
				first := 0
				for i, now := range at {
					for now-at[first] > int64(time.Second) {
						first++
					}
					if most := int(pps) + int(pps/50) + 2; i-first+1 > most {
						t.Fatalf("%d probes within a second at %v", i-first+1, time.Duration(now))
					}
				}
			})
		})
	}
}

// TestIdleLoopDoesNotWake: with nothing due and nothing in flight it ticks
// once an hour, and for a timer, however far, a few times.
func TestIdleLoopDoesNotWake(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		b.want(10, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
		time.Sleep(2 * time.Second)
		before := b.loop.Stats().Ticks
		time.Sleep(59 * time.Minute)
		if n := b.loop.Stats().Ticks - before; n > 1 {
			t.Errorf("%d ticks in an idle hour", n)
		}
		fired := make(chan time.Time, 1)
		b.odd = func(uint32, int64) { fired <- time.Now() }
		var due time.Time
		b.loop.Do(func() {
			due = time.Now().Add(50 * time.Minute)
			b.loop.Set(b.loop.NewTimer(b.id, 0), b.loop.Now()+int64(50*time.Minute))
		})
		before = b.loop.Stats().Ticks
		at := <-fired
		if late := at.Sub(due); late < -time.Millisecond || late > 20*time.Millisecond {
			t.Errorf("the timer fired %v late", late)
		}
		if n := b.loop.Stats().Ticks - before; n > 6 {
			t.Errorf("%d ticks for one timer", n)
		}
	})
}

// TestDoDoesNotPutOffTheTick: a loop that is woken over and over keeps its
// rhythm.
func TestDoDoesNotPutOffTheTick(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		for range 200 { // idle: what is asked for begins at once
			start := time.Now()
			b.want(1, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
			if d := time.Since(start); d > 200*time.Millisecond {
				t.Fatalf("a probe took %v", d)
			}
			time.Sleep(time.Minute)
		}
		tag := b.send(1, probe("10.0.0.1"))
		for range 100 {
			b.loop.Do(func() {})
			time.Sleep(time.Millisecond)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.results[tag]) != 1 {
			t.Error("a loop that was woken every millisecond gave no verdict within 100 ms")
		}
	})
}

// TestNoAllocationPerEcho: a steady cycle of pings allocates nothing. The loop
// is driven tick by tick, outside synctest, so that nothing else runs.
func TestNoAllocationPerEcho(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		address := "10.0.0.1"
		if v6 {
			address = "2001:db8::1"
		}
		n := network(t, "host "+address+" rtt 20ms loss 0.1 duplicate 0.1\nforge "+address+" nonce 0.2\nforge "+address+
			" quoted-nonce 0.2\nforge "+address+" longer 0.1")
		l := prober.New(prober.Options{IPv6: v6, Clock: n.Clock, OpenSocket: n.OpenSocket})
		records := 0
		p := ping.New(l, donePing(&records))
		n.Advance(0)
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		l.Begin()
		plan := ping.Plan{Period: 590 * time.Millisecond, Interval: 10 * time.Millisecond, Timeout: time.Second, Count: 10, Size: 41}
		for i := range 100 {
			p.Add(uint32(i), probe(address).To, plan, int64(i)*int64(5*time.Millisecond))
		}
		round := func() {
			for range 200 {
				d := l.Step()
				n.Advance(d)
			}
		}
		for range 20 {
			round() // slabs and queues reach their size
		}
		sent, before := l.Stats().Sent, records
		if a := testing.AllocsPerRun(5, round); a != 0 {
			t.Errorf("IPv6 %v: %v allocations in 200 ticks", v6, a)
		}
		if l.Stats().Sent < sent+1000 || records == before {
			t.Errorf("IPv6 %v: %d probes and %d records were measured", v6, l.Stats().Sent-sent, records-before)
		}
	}
}

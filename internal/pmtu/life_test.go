// SPDX-License-Identifier: Apache-2.0

package pmtu_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/pmtu"
	"connmonitor/internal/simnet"
)

// TestStopAmid: what is under way when the finder is stopped ends soon, though
// a search through a black hole takes long.
func TestStopAmid(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			inLab(t, f, "mtu HOST 3 1400 blackhole", func(b *lab) {
				b.Do(func() { b.finder.Start(b.id, b.Loop.Now()) })
				time.Sleep(3 * time.Second)
				before := time.Now()
				b.Stop()
				if d := time.Since(before); d > 2*time.Second {
					t.Errorf("it takes %v to stop", d)
				}
				if r := b.rounds; len(r) != 1 || r[0].mtu.Size != 0 || r[0].changed {
					t.Errorf("handed over: %+v", r)
				}
			})
		})
	}
}

// TestRemove: a target that is removed amid a round is not heard of again, and
// its place serves another, to which late answers do not belong.
func TestRemove(t *testing.T) {
	f := families[0]
	inLab(t, f, "mtu HOST 3 1400 blackhole", func(b *lab) {
		b.Do(func() { b.finder.Start(b.id, b.Loop.Now()) })
		time.Sleep(100 * time.Millisecond)
		b.Do(func() { b.finder.Remove(b.id) })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(b.rounds) != 1 {
			t.Fatalf("handed over: %+v", b.rounds)
		}
		var idle bool
		b.Do(func() {
			idle = b.finder.Idle()
			b.id = b.finder.Add(8, simnet.Addr(f.host), pmtu.Plan{Once: true, Timeout: time.Second, Hops: 30}, -1)
		})
		if !idle || b.id != 0 {
			t.Errorf("idle %v, the new target is number %d", idle, b.id)
		}
		if got := text(b.round().mtu); got != "1400/1500 black hole by 3 at 3" {
			t.Errorf("found %s", got)
		}
	})
}

// TestPause: without Once the rounds follow each other by themselves.
func TestPause(t *testing.T) {
	f := families[1]
	inLab(t, f, "mtu HOST 3 1400", func(b *lab) {
		b.Do(func() {
			b.finder.Add(9, simnet.Addr(f.host), pmtu.Plan{Pause: time.Minute, Timeout: time.Second, Hops: 30}, b.Loop.Now())
		})
		time.Sleep(10*time.Minute + 30*time.Second)
		synctest.Wait()
		if n := len(b.rounds); n < 10 || n > 11 {
			t.Errorf("%d rounds in ten minutes", n)
		}
	})
}

// TestWithoutEcho: where only UDP can be sent there is no measurement, which is
// said with each round.
func TestWithoutEcho(t *testing.T) {
	inLab(t, families[0], "deny raw datagram", func(b *lab) {
		if r := b.round(); r.cause != syscall.EOPNOTSUPP || r.mtu.Size != 0 || r.sent != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestRaise: in ten minutes the interface's MTU is tried once, in place of the
// size that is just above the known one (RFC 8201, 4).
func TestRaise(t *testing.T) {
	f := families[0]
	inLab(t, f, "mtu HOST 3 1400 blackhole", func(b *lab) {
		b.round()
		large := 0
		b.Net.Watch(func(p simnet.Sent) {
			if len(p.Data) == 1500-20 {
				large++
			}
		})
		for range 60 {
			time.Sleep(time.Minute)
			b.round()
		}
		if large < 4 || large > 6 {
			t.Errorf("the interface's MTU was tried %d times in an hour", large)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/heartbeat"
)

// kennel is a watchdog of fake loops in fake time.
type kennel struct {
	*testing.T
	dog  *watchdog
	hang []chan bool // of each loop: true makes it hang, false go on
	mu   sync.Mutex
	fed  []time.Duration
}

func inKennel(t *testing.T, loops int, f func(k *kennel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k, begun := &kennel{T: t}, time.Now()
		k.dog = &watchdog{every: time.Second, feed: func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.fed = append(k.fed, time.Since(begun))
		}}
		for range loops {
			p, hang := heartbeat.New(), make(chan bool)
			k.dog.loops, k.hang = append(k.dog.loops, p.Ask), append(k.hang, hang)
			go k.loop(p, hang)
		}
		f(k)
		k.dog.stop()
	})
}

func (k *kennel) loop(p *heartbeat.Pulse, hang <-chan bool) {
	for {
		select {
		case <-k.Context().Done():
			return
		case <-p.Asked():
			p.Beat()
		case hangs := <-hang:
			for hangs {
				hangs = <-hang
			}
		}
	}
}

// pass lets time pass and returns how often the watchdog was fed in it.
func (k *kennel) pass(d time.Duration) int {
	before := k.count()
	time.Sleep(d)
	synctest.Wait()
	return k.count() - before
}

func (k *kennel) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.fed)
}

func (k *kennel) wantFed(d time.Duration, want int) {
	k.Helper()
	if n := k.pass(d); n != want {
		k.Errorf("fed %d times in %v, want %d", n, d, want)
	}
}

// TestWatchdogIsFed at once and then in its rhythm.
func TestWatchdogIsFed(t *testing.T) {
	inKennel(t, 3, func(k *kennel) {
		k.dog.ask()
		k.wantFed(0, 1)
		k.wantFed(10*time.Second, 10)
		for i, at := range k.fed {
			if want := time.Duration(i) * time.Second; at != want {
				t.Errorf("feeding %d after %v, want %v", i, at, want)
			}
		}
	})
}

// TestHungLoopStopsTheFeeding, whichever of them it is; when it goes on, so does
// the feeding, at once.
func TestHungLoopStopsTheFeeding(t *testing.T) {
	for i := range 3 {
		inKennel(t, 3, func(k *kennel) {
			k.dog.ask()
			k.wantFed(1500*time.Millisecond, 2)
			k.hang[i] <- true
			k.wantFed(time.Hour, 0)
			k.hang[i] <- false
			k.wantFed(0, 2) // and once more, for a question is overdue
			k.wantFed(10*time.Second, 10)
		})
	}
}

// TestSlowAnswersDoNotAddUp: the rhythm is that of the questions.
func TestSlowAnswersDoNotAddUp(t *testing.T) {
	inKennel(t, 0, func(k *kennel) {
		k.dog.loops = []func(func()){func(beat func()) { time.AfterFunc(300*time.Millisecond, beat) }}
		k.dog.ask()
		k.wantFed(10*time.Second, 10) // after 0.3 s, 1.3 s, ...
	})
}

// TestWatchdogStops for good, also when an answer comes later.
func TestWatchdogStops(t *testing.T) {
	inKennel(t, 2, func(k *kennel) {
		k.dog.ask()
		k.wantFed(1500*time.Millisecond, 2)
		k.hang[0] <- true
		k.wantFed(time.Second, 0)
		k.dog.stop()
		k.hang[0] <- false
		k.wantFed(time.Hour, 0)
	})
}

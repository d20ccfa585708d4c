// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"connmonitor/internal/prober"
)

// TestProveIsNotQueued: a loop that has been handed a million targets proves
// that it runs at its next tick, not behind the last of them.
func TestProveIsNotQueued(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		const handed = 100_000
		var done atomic.Int32
		first := make(chan struct{})
		b.loop.Do(func() { <-first }) // the loop's goroutine, until all is handed over
		synctest.Wait()
		for range handed {
			b.loop.Do(func() { done.Add(1) })
		}
		before := make(chan int32, 1)
		b.loop.Prove(func() { t.Error("a question that was put anew was answered") })
		b.loop.Prove(func() { before <- done.Load() })
		close(first)
		if n := <-before; n > handed/10 {
			t.Errorf("it proved that it runs after %d of %d", n, handed)
		}
		idle := make(chan struct{})
		b.loop.Do(func() { b.loop.Prove(func() { close(idle) }) })
		<-idle
		if n := done.Load(); n != handed {
			t.Errorf("%d of %d were run", n, handed)
		}
	})
}

// TestProveAfterTheEnd: a loop that has ended hangs no more than one that runs,
// and neither does one that ends before it answers.
func TestProveAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		beats := make(chan struct{}, 2)
		ended := make(chan error)
		go func() { ended <- b.loop.Run(ctx) }()
		b.loop.Prove(func() { beats <- struct{}{} })
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.loop.Prove(func() { beats <- struct{}{} })
		if len(beats) != 2 {
			t.Errorf("%d of 2 questions were answered", len(beats))
		}
	})
}

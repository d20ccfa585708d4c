// SPDX-License-Identifier: Apache-2.0

package heartbeat

import (
	"context"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loop is a loop that answers, until ctx ends.
func loop(ctx context.Context, p *Pulse) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.Asked():
			p.Beat()
		}
	}
}

// counter counts the beats; the bubble's Wait orders it.
type counter struct{ beats int }

func (c *counter) beat() { c.beats++ }

func (c *counter) want(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	if c.beats != n {
		t.Errorf("%d beats, want %d", c.beats, n)
	}
}

// TestPulse asks a loop before it runs, while it does, and when it has ended.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := New(), &counter{}
		p.Ask(c.beat)
		c.want(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		go loop(ctx, p)
		c.want(t, 1)
		for n := range 3 {
			p.Ask(c.beat)
			c.want(t, n+2)
		}
		cancel()
		synctest.Wait()
		p.Ask(c.beat)
		c.want(t, 4)
	})
}

// TestPulseOfAHungLoop is asked again and again: one question is open, the last.
func TestPulseOfAHungLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, old, c := New(), &counter{}, &counter{}
		p.Ask(old.beat)
		p.Ask(c.beat)
		go loop(t.Context(), p)
		old.want(t, 0)
		c.want(t, 1)
		p.Beat() // nothing is open
		c.want(t, 1)
	})
}

// TestPulseExcused answers for a loop that rightly waits, what was asked before
// and while it does, and not after it.
func TestPulseExcused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := New(), &counter{}
		p.Ask(c.beat)
		c.want(t, 0)
		p.Excuse()
		c.want(t, 1)
		p.Ask(c.beat)
		c.want(t, 2)
		p.Beat()
		p.Ask(c.beat)
		c.want(t, 2)
	})
}

// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math/rand/v2"
	"testing"
)

// bucket is a router that limits its answers, as Linux does: so many at once,
// and a rate of others.
type bucket struct {
	tokens, most, rate float64
	at                 int64
}

func (b *bucket) answers(now int64) bool {
	b.tokens = min(b.most, b.tokens+b.rate*float64(now-b.at)/1e9)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// TestLimitFindsRate asks routers through a limit, a thousand times a minute at
// the beginning of each: after the first minute it asks no more than twice what
// is answered, and gets nine tenths of what could be had.
func TestLimitFindsRate(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 10} {
		var l limit
		b := bucket{tokens: 6, most: 6, rate: rate}
		var asked, answered int
		for minute := range int64(60) {
			for i := range int64(1000) {
				now := minute*60e9 + i*60e9/1000
				if !l.take(now) {
					continue
				}
				got := b.answers(now)
				l.count(got, now)
				if minute > 0 {
					asked++
					if got {
						answered++
					}
				}
			}
		}
		borne := min(rate*59*60, 59*1000)
		if asked > 2*answered+100 || float64(answered) < 0.6*borne {
			t.Errorf("%v a second: asked %d, answered %d of %.0f", rate, asked, answered, borne)
		}
	}
}

// TestLossIsNoLimit: what answers half of the questions or more is asked as ever,
// and what answers less, however seldom it is asked, soon is again.
func TestLossIsNoLimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, loss := range []float64{0, 0.1, 0.3, 0.7, 0.9} {
		var l limit
		skipped := 0
		for i := range int64(36_000) { // an hour
			now := i * 100e6
			if !l.take(now) {
				skipped++
				continue
			}
			l.count(rng.Float64() >= loss, now)
		}
		most := 0
		if loss > 0.3 {
			most = 18_000
		}
		if skipped > most {
			t.Errorf("loss of %.0f %%: %d of 36000 questions were not asked", 100*loss, skipped)
		}
	}
}

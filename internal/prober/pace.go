// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"sync/atomic"
	"time"
)

// Pace caps the number of probes a second of all the loops that share it, by
// the generic cell rate algorithm (ITU-T I.371): one atomic time in place of a
// bucket.
type Pace struct {
	start    time.Time
	interval int64 // ns between two probes
	next     atomic.Int64
}

// paceBurst is how much unused credit is kept, in ns: a tick's worth, or the
// cap could never be reached by a loop that sends once a tick.
const paceBurst = maxTick

// NewPace makes a cap of pps probes a second; pps must be positive.
func NewPace(pps float64) *Pace {
	return &Pace{start: time.Now(), interval: max(1, int64(1e9/pps))}
}

// now is the time that take goes by. It is read once for a batch of probes.
func (p *Pace) now() int64 {
	if p == nil {
		return 0
	}
	return int64(time.Since(p.start))
}

// take reports whether one more probe may leave at now. A nil Pace never refuses.
func (p *Pace) take(now int64) bool {
	if p == nil {
		return true
	}
	for {
		next := p.next.Load()
		from := max(next, now-paceBurst)
		if from > now {
			return false
		}
		if p.next.CompareAndSwap(next, from+p.interval) {
			return true
		}
	}
}

// worth is how many probes d allows; a nil Pace allows any number, of which
// none is ever held back but for a full send buffer.
func (p *Pace) worth(d time.Duration) int {
	if p == nil {
		return 0
	}
	return int(int64(d) / p.interval)
}

// rate is the probes a second that it allows; 0 without a cap.
func (p *Pace) rate() float64 { return float64(p.worth(time.Second)) }

// SPDX-License-Identifier: Apache-2.0

package prober

import "connmonitor/internal/rawsock"

// quota bounds the bursts that the loop sends. After a pause of this process a
// second's probes may be due at once; a burst of more than about 170 makes a
// Linux responder lose replies (measured), and that would be our loss. It is a
// bucket of tokens, of which a probe costs one or, when it is large, more
// (Cost), and of which it earns half as many again as the targets ask
// for: in no 10 ms does it let pass three times their share, where that is more
// than a burst.
type quota struct {
	perSecond int // probes that it earns
	most      int // probes that it holds
	left      int
	until     int64 // when it has last earned, mono ns
}

// The least that a quota holds, and earns in a second: two batches, at once and
// again each 10 ms.
const (
	leastBurst = 2 * rawsock.Batch
	leastRate  = 100 * leastBurst
)

// Cost is what a probe with a payload of so many bytes weighs among others: a
// responder has room for bytes. One of 56 bytes is 1; where 128 of those may
// leave at once, it is 64 of 500 bytes and one of 64 KiB.
func Cost(size int) int { return 1 + size/500 }

// set fits the quota to the probes a second that are asked for, and the time
// between two rounds of sending in ns.
func (q *quota) set(rate float64, tick int64) {
	q.perSecond = max(leastRate, int(1.5*rate))
	q.most = max(leastBurst, int(2.5*rate*float64(tick)/1e9))
}

// refill adds what has been earned since the last time. It goes by the clock
// and not by the step: a loop that is woken by Do takes many steps in a tick.
func (q *quota) refill(now int64) {
	const second = 1e9
	d := min(now-q.until, second)
	n := int(d * int64(q.perSecond) / second)
	if q.left+n >= q.most {
		q.left, q.until = q.most, now
		return
	}
	q.left += n
	q.until += int64(n) * second / int64(q.perSecond)
}

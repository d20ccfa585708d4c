// SPDX-License-Identifier: Apache-2.0

package service

import (
	"math"
	"time"
)

// Cost is what one scan of a host means for this machine.
type Cost struct {
	Ports   int // that are asked
	Ranged  int // of them, those of ranges
	Sockets int // the most at once
	// Least is how long the pace of its ranges makes it last, and Most how long it
	// lasts when nothing answers; waiting for the sockets of other scans is in
	// neither.
	Least, Most time.Duration
}

// CostOf is the cost of a scan that asks the items, each with a time-out.
func CostOf(items []Item, timeout time.Duration) Cost {
	var c Cost
	for i := range items {
		count := items[i].Count()
		c.Ports += count
		if items[i].Ranged {
			c.Ranged += count
			c.Least += time.Duration(count-1) * pace
		}
	}
	c.Sockets = min(c.Ports, perHost)
	rounds := time.Duration((c.Ports + perHost - 1) / perHost)
	if c.Most = math.MaxInt64; timeout < (c.Most-c.Least)/max(rounds, 1) {
		c.Most = max(rounds*timeout, c.Least+timeout)
	}
	return c
}

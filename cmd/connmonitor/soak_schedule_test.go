// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"math"
	"slices"
)

// schedules holds the records of the hosts that answer against contract 1.3.
func (c *soakCheck) schedules() {
	c.schedule(steady, 1000)
	c.schedule(usual, 590)
	c.schedule(large, 250)
	c.leftOut(quick, 90)
}

// leftOut tells how many bursts of a host were left out. A burst that would
// begin later than the next is due is, so with a period as short as this it
// depends on how long the machine lets a process wait.
func (c *soakCheck) leftOut(h pair, period float64) {
	for _, name := range h {
		times := c.times(name)
		if n := len(times); n > 0 {
			c.t.Logf("%s: %s: %d of %.0f bursts", c.p.name, name, n, 1+math.Round((times[n-1]-times[0])/period))
		}
	}
}

// times are those of the ping records of a host.
func (c *soakCheck) times(name string) (times []float64) {
	for _, r := range c.hosts[name] {
		if r.ping != nil {
			times = append(times, r.time)
		}
	}
	return times
}

// schedule checks the bursts of a host, of which one is to begin every period
// (ms): none is left out, unless that was told.
func (c *soakCheck) schedule(h pair, period float64) {
	for _, name := range h {
		times := c.times(name)
		n := len(times)
		if n < 6 {
			c.errorf("%s: %d records", name, n)
			continue
		}
		elapsed, bursts := times[n-1]-times[0], float64(n-1)
		slack := 1.0
		if !c.p.shape.json {
			slack += 1000 / period // the time is told in seconds
		}
		if off := bursts - elapsed/period; math.Abs(off) > slack && !c.starved {
			c.errorf("%s: %d records in %.0f ms, want one every %v ms", name, n, elapsed, period)
		}
		if c.p.shape.json {
			c.rate(name, times, period)
		}
	}
}

// rate checks that the rate is exact to 0.1 %. When a record is written depends
// on the machine, too, so both ends are where the earliest of the first, and of
// the last, third of the records say.
func (c *soakCheck) rate(name string, times []float64, period float64) {
	n := len(times)
	offset := make([]float64, n)
	for i, at := range times {
		offset[i] = at - times[0] - float64(i)*period
	}
	third := n / 3
	span := float64(n-third) * period
	drift := slices.Min(offset[n-third:]) - slices.Min(offset[:third])
	left := math.Round(drift / period)
	drift -= left * period
	plain := (times[n-1]-times[0])/((float64(n-1)+left)*period) - 1
	c.t.Logf("%s: %s: %d records, period %v ms: off by %+.4f %%, first to last by %+.4f %%; latest by %.1f ms; %v left out", c.p.name, name, n, period,
		100*drift/span, 100*plain, slices.Max(offset)-slices.Min(offset)-left*period, left)
	if math.Abs(drift) > span/1000 {
		c.errorf("%s: the schedule drifts by %.1f ms in %.0f ms", name, drift, span)
	}
	if left != 0 && !c.starved {
		c.errorf("%s: %v bursts were left out without a word", name, left)
	}
}

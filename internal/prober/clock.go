// SPDX-License-Identifier: Apache-2.0

package prober

import "time"

// realClock reads both clocks at once, as time.Now does.
func realClock() Clock {
	start := time.Now()
	return func() (wall, mono int64) {
		t := time.Now()
		return t.UnixNano(), int64(t.Sub(start))
	}
}

// stepClock watches the offset between the wall clock, which the kernel stamps
// packets by and somebody may step, and the monotonic clock. NTP slews both
// alike, so the offset changes by steps (and by suspends, which the monotonic
// clock does not count) only.
type stepClock struct {
	read   Clock
	offset int64 // wall - mono
	steps  []int64
	epoch  uint16 // number of steps so far, modulo 2^16
}

// jitter is how far two readings of the same offset may lie apart because the
// process was interrupted between the two clocks; more is read again.
const jitter = 20_000 // ns

// confirmations is how often a step is read again before it is believed.
const confirmations = 3

// mostReadings is how often the clocks are read at the most to begin with.
const mostReadings = 100

// keepSteps is how many steps are remembered; a probe outlives fewer.
const keepSteps = 16

// begin takes the offset to begin with: the first that comes again as often as a
// step must. After one that was interrupted, all others would be a step.
func (c *stepClock) begin() {
	agree := 0
	for readings := 0; readings < mostReadings && agree < confirmations; readings++ {
		wall, mono := c.read()
		d := wall - mono - c.offset
		if agree++; readings == 0 || !isJitter(d) {
			c.offset += d
			agree = 0
		}
	}
}

// sample reads the clocks at the begin of a tick and notes a step.
func (c *stepClock) sample() (wall, mono int64) {
	wall, mono = c.read()
	d := wall - mono - c.offset
	if isJitter(d) {
		return wall, mono
	}
	// An interruption between the two readings makes an offset that does not
	// come again and again; a step stays. On a machine that is very busy two in
	// a row were interrupted alike, once in four hours. What comes again must be
	// no jitter by itself: an interruption hardly longer than that is not
	// confirmed by readings as they always are.
	for range confirmations {
		wall, mono = c.read()
		if e := wall - mono - c.offset; isJitter(e) || !isJitter(e-d) {
			return wall, mono
		}
	}
	c.offset += d
	c.epoch++
	if len(c.steps) == keepSteps {
		copy(c.steps, c.steps[1:])
		c.steps = c.steps[:keepSteps-1]
	}
	c.steps = append(c.steps, d)
	return wall, mono
}

// isJitter reports whether two readings of an offset that lie d apart are of the
// same one.
func isJitter(d int64) bool { return d > -jitter && d < jitter }

// since is the sum of the steps after epoch, and whether there was any.
func (c *stepClock) since(epoch uint16) (sum int64, stepped bool) {
	n := int(c.epoch - epoch)
	if n == 0 {
		return 0, false
	}
	for _, d := range c.steps[max(0, len(c.steps)-n):] {
		sum += d
	}
	return sum, true
}

// elapsed is the time between two stamps of the wall clock, corrected by the
// steps between them. most is how much monotonic time can have passed at all:
// it tells whether the steps fell between the stamps or around them.
func (c *stepClock) elapsed(sent, received int64, epoch uint16, most int64) (rtt int64, ok bool) {
	rtt = received - sent
	if sum, stepped := c.since(epoch); stepped {
		if r := rtt - sum; r >= 0 && r <= most+jitter {
			return r, true
		}
	}
	if rtt < 0 && rtt > -jitter {
		return 0, true // stamps of one packet on two CPUs
	}
	return rtt, rtt >= 0 && rtt <= most+jitter
}

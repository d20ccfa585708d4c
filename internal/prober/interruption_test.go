// SPDX-License-Identifier: Apache-2.0

package prober

import "testing"

// TestInterruptionsAreNoStep: on a busy machine the process is interrupted
// between the readings of the two clocks, now and then twice in a row for the
// same time. A step is what stays.
func TestInterruptionsAreNoStep(t *testing.T) {
	const tick, between = int64(1e6), int64(50_000)
	for interrupted := range 6 {
		var now, offset int64
		left := interrupted // readings
		c := stepClock{read: func() (wall, mono int64) {
			now += tick
			if left--; left >= 0 {
				return now + offset, now + between
			}
			return now + offset, now
		}}
		c.offset = offset
		for range 4 {
			c.sample()
		}
		if interrupted <= confirmations && c.epoch != 0 {
			t.Errorf("%d interruptions: %d steps, want none", interrupted, c.epoch)
		}
		left, offset = 0, 3_600_000_000_000
		before := c.epoch
		if wall, mono := c.sample(); c.epoch != before+1 || wall-mono != offset {
			t.Errorf("a step of an hour: %d steps, offset %d", c.epoch-before, wall-mono)
		}
	}
}

// TestInterruptedAtTheBeginning: what comes after a first reading that was
// interrupted is no step.
func TestInterruptedAtTheBeginning(t *testing.T) {
	for interrupted := range 2 * confirmations {
		var now int64
		left := interrupted // readings, each for another time
		c := stepClock{read: func() (wall, mono int64) {
			now += int64(1e6)
			if left--; left >= 0 {
				return now, now + int64(left+1)*50_000
			}
			return now, now
		}}
		c.begin()
		if c.sample(); c.epoch != 0 {
			t.Errorf("%d interruptions at the beginning are a step", interrupted)
		}
	}
}

// TestShortInterruptionsAreNoStep: one that is hardly longer than the readings
// lie apart anyway is not borne out by readings that are as always.
func TestShortInterruptionsAreNoStep(t *testing.T) {
	var now int64
	readings := 0
	late := func() int64 { return 0 }
	c := stepClock{read: func() (wall, mono int64) {
		now += int64(1e6)
		readings++
		return now + late(), now
	}}
	c.begin()
	for between := int64(0); between < 3*jitter; between += 100 {
		for _, usual := range []int64{-jitter / 2, -2000, 0, 2000, jitter / 2} {
			first := readings + 1
			late = func() int64 {
				if readings == first {
					return between
				}
				return usual
			}
			if c.sample(); c.epoch != 0 {
				t.Fatalf("an interruption of %d ns beside readings that are %d ns apart is a step", between, usual)
			}
		}
	}
}

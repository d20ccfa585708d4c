// SPDX-License-Identifier: Apache-2.0

package prober

import "time"

const (
	millisecond = int64(time.Millisecond)
	maxTick     = 20 * millisecond
	minTick     = millisecond
	heldTick    = 5 * millisecond // at most, while probes are held back
)

// stoppedFor is how late a tick must be to be told of: this process was stopped
// or starved, or the machine was.
const stoppedFor = int64(time.Second)

// Slack is how much earlier than asked a timer may fire, in ns: the wheel
// counts whole milliseconds. A client takes for due what is due within it.
const Slack = millisecond

// tickWorth is how many probes a tick may hold: two batches, but for some room
// for a tick that is a little late, since the quota lets no more through.
const tickWorth = leastBurst - 8

// retune chooses the tick: the smallest of 20 ms, half the smallest spacing in
// use, tickWorth, and half the granted buffer's worth, for transmit stamps and
// replies share the receive buffer. An empty tick costs about 27 us here, so at a
// low rate the tick is the cost, not the packets.
func (l *Loop) retune() {
	tick, rate := maxTick, 0.0
	for _, c := range l.clients {
		d := c.Demand()
		if d.Spacing > 0 {
			tick = min(tick, int64(d.Spacing)/2)
		}
		rate += d.Rate
	}
	if rate > 0 {
		tick = min(tick, int64(tickWorth*1e9/rate))
		if l.info.Replies > 0 {
			tick = min(tick, int64(float64(l.info.Replies)/2/rate*1e9))
		}
	}
	l.tick = max(tick, minTick)
	l.out.quota.set(max(rate, l.opt.Pace.rate()), min(l.tick, heldTick))
	l.changed = false
}

// Retune is called by a client whose Demand has changed. It takes effect before
// the next probe is sent by a timer.
func (l *Loop) Retune() { l.changed = true }

func (l *Loop) retuneIfChanged() {
	if l.changed {
		l.retune()
	}
}

// Tick is the time between two wakes while something is in flight.
func (l *Loop) Tick() time.Duration { return time.Duration(l.tick) }

// sleep tells how long nothing is to be done. While something is in flight or
// waits to be sent, that is until the next tick of a fixed rhythm; else until
// the next timer, and for ever when there is none. Never less than a tick from
// the last, so that what is due within one goes out together.
func (l *Loop) sleep() time.Duration {
	l.retuneIfChanged()
	tick := l.tick
	if l.out.held.len() > 0 {
		tick = min(tick, heldTick)
	}
	next := l.last + tick
	if l.last > l.now { // woken by Do before its time: the planned tick stays
		next = min(l.last, l.now+tick)
	}
	if l.flying == 0 && l.out.pending() == 0 {
		ms, ok := l.timers.wheel.next()
		if !ok {
			ms = (l.now + int64(time.Hour)) / millisecond
		}
		next = max(next, ms*millisecond)
	}
	_, now := l.clock.read()
	if late := now - next; late > 0 {
		if late > l.tick {
			l.stats.lateTicks.Add(1)
		}
		l.last = now // a rhythm that was missed is begun anew, not caught up with
		return 0
	}
	l.last = next
	return time.Duration(next - now)
}

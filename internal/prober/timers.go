// SPDX-License-Identifier: Apache-2.0

package prober

import "time"

// Timer is a timer of a client; its owner sets it as often as it likes.
type Timer int32

// timers is the slab of the clients' timers.
type timers struct {
	wheel   *wheel
	entries []timerEntry
	free    []int32
}

type timerEntry struct {
	ref    uint32
	client uint8
}

func (t *timers) init() { t.wheel = newWheel() }

// NewTimer makes a timer that calls Due(ref, ...) of the client.
func (l *Loop) NewTimer(client uint8, ref uint32) Timer {
	t := &l.timers
	var id int32
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else {
		id = int32(len(t.entries))
		t.entries = append(t.entries, timerEntry{})
		t.wheel.grow(id)
	}
	t.entries[id] = timerEntry{ref: ref, client: client}
	return Timer(id)
}

// Set lets t fire at mono (ns), up to Slack early and a tick late. A timer that
// was set before moves. One that is set by Due for a time that has come fires in
// the next millisecond: it must not hold the loop in this tick for ever.
func (l *Loop) Set(t Timer, mono int64) {
	ms := mono / millisecond
	if l.firing {
		ms = max(ms, l.now/millisecond+1)
	}
	l.timers.wheel.set(int32(t), ms)
}

// Stop lets t not fire.
func (l *Loop) Stop(t Timer) { l.timers.wheel.stop(int32(t)) }

// FreeTimer gives t back.
func (l *Loop) FreeTimer(t Timer) {
	l.Stop(t)
	l.timers.free = append(l.timers.free, int32(t))
}

// At is the monotonic time of t, in ns, as Set takes it; negative when t was
// before the loop was made.
func (l *Loop) At(t time.Time) int64 {
	_, now := l.clock.read()
	return now + int64(time.Until(t))
}

// Now is the monotonic time of this tick in ns.
func (l *Loop) Now() int64 { return l.now }

// Wall is the wall clock's time of this tick.
func (l *Loop) Wall() time.Time { return time.Unix(0, l.wall) }

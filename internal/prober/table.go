// SPDX-License-Identifier: Apache-2.0

package prober

// Table holds the targets of one client. An entry is used again when its target
// is gone and the rounds that were under way are over. Its methods are for the
// loop's goroutine.
type Table[T any, P entryOf[T]] struct {
	// Entries are the targets by their number, which is the Ref of their probes and
	// timers. Add moves them.
	Entries []T

	loop    *Loop
	client  uint8
	free    []uint32
	busy    int
	stopped bool
}

// Entry is what a Table knows of each target, to be embedded in it. Its size is
// part of what each of a million targets costs.
type Entry struct {
	// Key comes back with the results of the target.
	Key uint32
	// Timer calls Due of the client with the target's number.
	Timer Timer
	// Round counts the rounds so far, modulo 2^16. It goes on over the uses of the
	// entry, so that a verdict for its former owner is not taken for the new one's.
	Round uint16

	used, removed bool
}

func (e *Entry) entry() *Entry { return e }

// entryOf is *T where T embeds Entry.
type entryOf[T any] interface {
	*T
	entry() *Entry
}

// Attach makes c, whose targets the table holds, a client of the loop, before
// Run.
func (t *Table[T, P]) Attach(loop *Loop, c Client) (client uint8) {
	t.loop, t.client = loop, loop.Attach(c)
	return t.client
}

// Add takes a target in, whose Entry is filled here, and returns its number.
func (t *Table[T, P]) Add(key uint32, target T) (id uint32) {
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else {
		id = uint32(len(t.Entries))
		t.Entries = append(t.Entries, *new(T))
	}
	round := P(&t.Entries[id]).entry().Round
	*P(&target).entry() = Entry{Key: key, Timer: t.loop.NewTimer(t.client, id), Round: round, used: true}
	t.Entries[id] = target
	return id
}

// Len is the number of targets, with those that are to be settled.
func (t *Table[T, P]) Len() int { return len(t.Entries) - len(t.free) }

// Open reports whether rounds of a target may begin.
func (t *Table[T, P]) Open(id uint32) bool {
	return !t.stopped && !P(&t.Entries[id]).entry().removed
}

// Stop lets no more rounds begin. The timers of those targets are stopped of
// which no round is under way, as idle tells.
func (t *Table[T, P]) Stop(idle func(target P) bool) {
	t.stopped = true
	for i := range t.Entries {
		if e := P(&t.Entries[i]); e.entry().used && idle(e) {
			t.loop.Stop(e.entry().Timer)
		}
	}
}

// Remove lets no more rounds of a target begin. Settle has to follow.
func (t *Table[T, P]) Remove(id uint32) { P(&t.Entries[id]).entry().removed = true }

// Settle gives the entry of a removed target back when no round of it is under
// way (idle), and reports whether it did.
func (t *Table[T, P]) Settle(id uint32, idle bool) bool {
	e := P(&t.Entries[id]).entry()
	if !e.used || !e.removed || !idle {
		return false
	}
	t.loop.FreeTimer(e.Timer)
	round := e.Round
	t.Entries[id] = *new(T)
	e.Round = round
	t.free = append(t.free, id)
	return true
}

// Begin tells that a round begins, for a client whose Demand depends on how many
// are under way.
func (t *Table[T, P]) Begin() { t.setBusy(t.busy + 1) }

// End tells that a round that Begin was called for is over.
func (t *Table[T, P]) End() { t.setBusy(t.busy - 1) }

// Busy is how many rounds are between Begin and End.
func (t *Table[T, P]) Busy() int { return t.busy }

func (t *Table[T, P]) setBusy(n int) {
	t.busy = n
	t.loop.Retune()
}

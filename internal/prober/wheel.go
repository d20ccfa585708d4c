// SPDX-License-Identifier: Apache-2.0

package prober

import "math/bits"

// wheel is a hierarchical timing wheel (Varghese and Lauck, 1987): four levels
// of 256 slots, whose slots hold 1 ms, 256 ms, 65.5 s and 4.7 h. Entries are
// the indices of somebody's slab; the links are int32 in arrays of their own,
// so that setting, stopping and firing allocate nothing and a million entries
// hold no pointer.
type wheel struct {
	now   int64 // ms; everything that is due before it has been popped
	count int
	heads [levels][slots]int32
	used  [levels][slots / 64]uint64 // a bit for every slot that is not empty
	links []link
}

type link struct {
	at         int64 // ms; -1: not in the wheel
	next, prev int32 // none: end of the list, or its head
	slot       uint16
}

const (
	levels  = 4
	slots   = 256
	none    = int32(-1)
	horizon = int64(1)<<32 - 1 // ms; what is further away is looked at again then
)

func newWheel() *wheel {
	w := &wheel{}
	for l := range w.heads {
		for s := range w.heads[l] {
			w.heads[l][s] = none
		}
	}
	return w
}

// grow makes room for entries up to id.
func (w *wheel) grow(id int32) {
	for int(id) >= len(w.links) {
		w.links = append(w.links, link{at: -1})
	}
}

// set puts entry id at ms; it moves when it was there already. What lies in
// the past is due at once.
func (w *wheel) set(id int32, ms int64) {
	w.stop(id)
	w.links[id].at = max(ms, w.now)
	w.insert(id)
	w.count++
}

// stop takes entry id out, if it is in.
func (w *wheel) stop(id int32) {
	k := &w.links[id]
	if k.at < 0 {
		return
	}
	w.unlink(id)
	k.at = -1
	w.count--
}

func (w *wheel) insert(id int32) {
	k := &w.links[id]
	d := min(k.at-w.now, horizon)
	level, at := 0, w.now+d
	for d >= slots {
		d >>= 8
		level++
	}
	s := uint16(at>>(8*level)) % slots
	k.slot = uint16(level)<<8 | s
	k.prev, k.next = none, w.heads[level][s]
	if k.next != none {
		w.links[k.next].prev = id
	}
	w.heads[level][s] = id
	w.used[level][s/64] |= 1 << (s % 64)
}

func (w *wheel) unlink(id int32) {
	k := &w.links[id]
	if k.next != none {
		w.links[k.next].prev = k.prev
	}
	if k.prev != none {
		w.links[k.prev].next = k.next
		return
	}
	level, s := k.slot>>8, k.slot&(slots-1)
	w.heads[level][s] = k.next
	if k.next == none {
		w.used[level][s/64] &^= 1 << (s % 64)
	}
}

// pop takes out one entry that is due at ms or before and returns it; none when
// there is no other. The wheel turns as it goes, so that an entry that is set
// for "now" by whom a popped one was handed to is popped in the same round.
func (w *wheel) pop(ms int64) int32 {
	for w.now <= ms {
		if id := w.heads[0][w.now%slots]; id != none {
			w.stop(id)
			return id
		}
		if w.now == ms {
			return none
		}
		w.turn(ms)
	}
	return none
}

// turn advances to the next slot that holds something, or to ms: the slots
// between are empty on every level, so there is nothing to cascade from them.
func (w *wheel) turn(ms int64) {
	if next, ok := w.next(); !ok || next > ms {
		w.now = ms
	} else {
		w.now = next
	}
	for level := 1; level < levels && w.now&(int64(1)<<(8*level)-1) == 0; level++ {
		w.cascade(level)
	}
}

// cascade spreads the entries of the slot that begins now over the levels
// below it.
func (w *wheel) cascade(level int) {
	s := (w.now >> (8 * level)) % slots
	id := w.heads[level][s]
	w.heads[level][s] = none
	w.used[level][s/64] &^= 1 << (s % 64)
	for id != none {
		next := w.links[id].next
		w.insert(id)
		id = next
	}
}

// next is a time in ms before which nothing is due: exact within the next 256
// ms, the begin of a slot beyond. ok is false when the wheel is empty.
func (w *wheel) next() (ms int64, ok bool) {
	if w.count == 0 {
		return 0, false
	}
	best := int64(-1)
	for level := range levels {
		base := w.now >> (8 * level)
		if d, ok := w.distance(level, base); ok {
			if t := max((base+d)<<(8*level), w.now); best < 0 || t < best {
				best = t
			}
		}
	}
	return best, true
}

// distance is the number of slots from the one at base to the next used one.
// On the upper levels the slot at base has been cascaded already, so what is
// in it is a whole turn away.
func (w *wheel) distance(level int, base int64) (int64, bool) {
	first := int64(0)
	if level > 0 {
		first = 1
	}
	for d := first; d < slots+first; {
		s := (base + d) % slots
		word := w.used[level][s/64] >> (s % 64)
		if word != 0 {
			d += int64(bits.TrailingZeros64(word))
			if d < slots+first {
				return d, true
			}
			return 0, false
		}
		d += 64 - s%64
	}
	return 0, false
}

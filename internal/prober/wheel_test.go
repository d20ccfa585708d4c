// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"math/rand/v2"
	"testing"
)

// TestWheelAgainstList runs the wheel beside a plain list of times: whatever is
// set, moved and stopped, both fire the same entries at the same time, and
// next never lies beyond the first of them.
func TestWheelAgainstList(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWheel()
		w.now = int64(r.IntN(1 << 20))
		const n = 200
		w.grow(n - 1)
		want := map[int32]int64{}
		for range 3000 {
			switch id := int32(r.IntN(n)); r.IntN(10) {
			case 0:
				w.stop(id)
				delete(want, id)
			case 1, 2, 3, 4, 5, 6:
				at := w.now + distance(r)
				w.set(id, at)
				want[id] = at
			default:
				step(t, w, want, w.now+distance(r)/8)
			}
			if w.count != len(want) {
				t.Fatalf("seed %d: %d entries, want %d", seed, w.count, len(want))
			}
		}
	}
}

func distance(r *rand.Rand) int64 {
	return int64(r.IntN(1 << r.IntN(26)))
}

func step(t *testing.T, w *wheel, want map[int32]int64, to int64) {
	t.Helper()
	next, ok := w.next()
	if ok != (len(want) > 0) {
		t.Fatalf("next is there: %v, with %d entries", ok, len(want))
	}
	for id, at := range want {
		if at < next {
			t.Fatalf("entry %d is due at %d, before next %d", id, at, next)
		}
	}
	for id := w.pop(to); id != none; id = w.pop(to) {
		at, ok := want[id]
		if !ok || at > to {
			t.Fatalf("popped %d at %d: due %d, known %v", id, to, at, ok)
		}
		if at != w.now {
			t.Fatalf("popped %d of %d when the wheel stood at %d", id, at, w.now)
		}
		delete(want, id)
	}
	for id, at := range want {
		if at <= to {
			t.Fatalf("entry %d of %d was not popped at %d", id, at, to)
		}
	}
}

// TestWheelNextSkipsEmptyTime: an idle loop sleeps by what next says, so the
// bounds must rise to the entry and not creep.
func TestWheelNextSkipsEmptyTime(t *testing.T) {
	for _, at := range []int64{0, 1, 255, 256, 257, 65535, 65536, 1 << 24, 1<<24 + 77, 1 << 31} {
		w := newWheel()
		w.now = 12345
		w.grow(0)
		w.set(0, w.now+at)
		for wakes := 0; ; wakes++ {
			next, ok := w.next()
			if !ok {
				t.Fatalf("distance %d: the entry is gone", at)
			}
			if wakes > levels {
				t.Fatalf("distance %d: more than %d wakes", at, levels)
			}
			if w.pop(next) == 0 {
				if next != 12345+at {
					t.Fatalf("distance %d: popped at %d", at, next)
				}
				break
			}
		}
	}
}

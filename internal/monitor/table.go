// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"slices"
	"sync"
	"sync/atomic"
)

// table names the targets by the keys that the loops know.
type table struct {
	// targets is read by the loops without a lock, for each result. What is
	// behind keys is not in use yet.
	targets atomic.Pointer[[]atomic.Pointer[target]] // nil: the key is free

	mu   sync.Mutex // of whom changes it
	keys int
	free []uint32
}

func (b *table) add(t *target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		t.key, b.free = b.free[n-1], b.free[:n-1]
	} else {
		t.key = uint32(b.keys)
		b.keys++
		b.grow()
	}
	b.slot(t.key).Store(t)
}

// grow makes room for b.keys targets. A reader of the old array that is about
// to lock a target looks it up again when it has the lock.
func (b *table) grow() {
	old := b.targets.Load()
	if old != nil && len(*old) >= b.keys {
		return
	}
	targets := make([]atomic.Pointer[target], max(16, 2*b.keys))
	if old != nil {
		for i := range *old {
			targets[i].Store((*old)[i].Load())
		}
	}
	b.targets.Store(&targets)
}

func (b *table) slot(key uint32) *atomic.Pointer[target] { return &(*b.targets.Load())[key] }

// lock finds the target of a key and locks it; nil when there is none. A target
// that has left its key (replace) while its lock was waited for is not the one
// whose result it is, so it is looked up again.
func (b *table) lock(key uint32) *target {
	for {
		t := b.slot(key).Load()
		if t == nil {
			return nil
		}
		t.mu.Lock()
		if b.slot(key).Load() == t {
			return t
		}
		t.mu.Unlock()
	}
}

// replace puts the remains of a target in the place of its key.
func (b *table) replace(t *target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slot(t.key).Store(t)
}

// release frees a key, when no result can come for it any more.
func (b *table) release(key uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slot(key).Store(nil)
	b.free = append(b.free, key)
}

// every are the targets that have a key, also removed ones.
func (b *table) every() []*target {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*target, 0, b.keys)
	for key := range uint32(b.keys) {
		if t := b.slot(key).Load(); t != nil {
			all = append(all, t)
		}
	}
	return all
}

// all are the targets that have not been removed. A target's lock may be held
// when the table's is taken (lock, replace), so not the other way round.
func (b *table) all() []*target { return slices.DeleteFunc(b.every(), (*target).isRemoved) }

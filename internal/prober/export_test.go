// SPDX-License-Identifier: Apache-2.0

package prober

import "time"

// Begin and Step drive a loop by hand, where a test moves the clock itself.
func (l *Loop) Begin() { l.begin() }

// Step is one tick.
func (l *Loop) Step() time.Duration { return l.step() }

// StartSequence lets the next probe have the sequence number after seq.
func (l *Loop) StartSequence(seq uint16) { l.probes.seq = seq }

// StartGeneration lets the entries that were used so far go on after gen.
func (l *Loop) StartGeneration(gen uint16) {
	for i := range l.probes.entries {
		l.probes.entries[i].gen = gen
	}
}

// Entries is the size of the slab, InUse how many entries are in flight or
// answered and kept.
func (l *Loop) Entries() int { return len(l.probes.entries) }

// InUse is how many entries of the slab are not free.
func (l *Loop) InUse() int { return len(l.probes.entries) - len(l.probes.free) }

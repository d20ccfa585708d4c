// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// slab holds the probes that are in flight, and for a while those that were
// answered, by which a duplicate is told from a stray: no longer than duplicates
// take, for what is kept is read again from memory that is slow. An entry
// is found by its index, which comes back in the payload of an echo reply, or
// by sequence and destination, which come back in a quoted datagram too.
type slab struct {
	wheel   *wheel // by deadline
	entries []entry
	free    []int32
	kept    ring[keptEntry]
	bySeq   [1 << 16]int32 // heads of the chains of equal sequence
	seq     uint16         // of the last probe
}

type entry struct {
	to       rawsock.Addr
	sent     int64 // transmit stamp, ns of the wall clock: ours until the kernel's comes
	sentMono int64 // a moment before it on the monotonic clock
	timeout  int64
	ref, tag uint32
	next     int32  // in the chain of this sequence
	drops    uint32 // the socket's drop count when it was sent
	seq      uint16
	gen      uint16 // how often this entry was used, modulo 2^16
	epoch    uint16 // of the clock's steps
	size     uint16
	client   uint8
	flow     uint8 // Probe.Flow
	method   vitals.Method
	state    state
	stamped  bool // sent is the kernel's
	replied  bool // what answered was the echo reply
	stamps   bool // Probe.Stamps
	limited  bool // Probe.TTL is set
}

// keptEntry is an answered one.
type keptEntry struct {
	until int64 // mono ns
	id    int32
}

// keepAnswered is how long an answered entry is kept, in ns.
const keepAnswered = int64(100 * time.Millisecond)

// keep holds an entry that is answered for a while.
func (s *slab) keep(id int32, now int64) {
	s.wheel.stop(id)
	s.kept.push(keptEntry{now + keepAnswered, id})
}

// forget releases those that have been kept for long enough.
func (s *slab) forget(now int64) {
	for s.kept.len() > 0 && s.kept.first().until <= now {
		s.release(s.kept.pop().id)
	}
}

type state uint8

const (
	unused   state = iota
	unsent         // in a batch; nothing can be its answer yet
	inFlight       // awaited
	answered       // has its verdict, is kept for a while
)

// maxProbes is how many entries a transmit stamp's number can tell apart: 24
// bits of index, 8 bits of generation.
const maxProbes = 1 << 24

func (s *slab) init() {
	s.wheel = newWheel()
	for i := range s.bySeq {
		s.bySeq[i] = none
	}
}

// take returns a free entry, chained under a fresh sequence number; none when
// sixteen million are in flight.
func (s *slab) take() int32 {
	var id int32
	switch n := len(s.free); {
	case n > 0:
		id, s.free = s.free[n-1], s.free[:n-1]
	case len(s.entries) == maxProbes:
		return none
	default:
		id = int32(len(s.entries))
		s.entries = append(s.entries, entry{})
		s.wheel.grow(id)
	}
	if s.seq++; s.seq == 0 {
		s.seq = 1 // it is the checksum of a UDP probe, where 0 means none (RFC 768)
	}
	e := &s.entries[id]
	*e = entry{seq: s.seq, gen: e.gen + 1, next: s.bySeq[s.seq], state: unsent}
	s.bySeq[s.seq] = id
	return id
}

// release gives an entry back.
func (s *slab) release(id int32) {
	e := &s.entries[id]
	for p := &s.bySeq[e.seq]; *p != none; p = &s.entries[*p].next {
		if *p == id {
			*p = e.next
			break
		}
	}
	e.state = unused
	s.free = append(s.free, id)
}

// find looks a probe up by sequence and destination; none when there is no
// such in flight or answered.
func (s *slab) find(seq uint16, to rawsock.Addr) int32 {
	for id := s.bySeq[seq]; id != none; id = s.entries[id].next {
		if s.entries[id].state > unsent && s.entries[id].to.Same(to) {
			return id
		}
	}
	return none
}

// alone looks a TTL-limited probe up by its sequence, where that is of one alone.
func (s *slab) alone(seq uint16) int32 {
	found := none
	for id := s.bySeq[seq]; id != none; id = s.entries[id].next {
		if s.entries[id].state <= unsent || !s.entries[id].limited {
			continue
		}
		if found != none {
			return none
		}
		found = id
	}
	return found
}

// at looks a probe up by index and generation.
func (s *slab) at(index uint32, gen uint16) int32 {
	if int64(index) >= int64(len(s.entries)) {
		return none
	}
	if e := &s.entries[index]; e.state <= unsent || e.gen != gen {
		return none
	}
	return int32(index)
}

// stampID is the number that the transmit stamp of an entry carries.
func (s *slab) stampID(id int32) uint32 {
	return uint32(id) | uint32(s.entries[id].gen)<<24
}

// byStampID is its inverse; none for a stamp that came when the entry had
// already been used again.
func (s *slab) byStampID(n uint32) int32 {
	id := n & (maxProbes - 1)
	if int64(id) >= int64(len(s.entries)) {
		return none
	}
	if e := &s.entries[id]; e.state <= unsent || uint8(e.gen) != uint8(n>>24) {
		return none
	}
	return int32(id)
}

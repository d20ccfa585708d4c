// SPDX-License-Identifier: Apache-2.0

package report

import "sync"

// The sizes of the queue.
const (
	defaultLimit = 64 << 20 // bytes that wait, before the oldest are dropped
	batchSize    = 64 << 10 // bytes that one write takes, unless a single record is larger
	spareBatches = 4        // empty batches that are kept for use
)

// batch is whole records in one buffer: what one write takes.
type batch struct {
	next  *batch
	buf   []byte
	ends  []int // where each record ends in buf
	first int   // the first record that is neither written whole nor dropped
	done  int   // bytes at the front of buf that are written or dropped
	torn  bool  // what was written last is a part of a record
}

// rest is what is still to be written.
func (b *batch) rest() []byte { return b.buf[b.done:] }

// records is how many records are not yet written whole.
func (b *batch) records() int { return len(b.ends) - b.first }

// advance takes note that n more bytes were written.
func (b *batch) advance(n int) {
	b.done += n
	for b.first < len(b.ends) && b.ends[b.first] <= b.done {
		b.first++
	}
}

// restart goes back to the start of a record of which only a part was written.
func (b *batch) restart() {
	start := 0
	if b.first > 0 {
		start = b.ends[b.first-1]
	}
	b.torn = b.torn || b.done > start
	b.done = start
}

// drop leaves the first record out, and returns its length.
func (b *batch) drop() int {
	n := b.ends[b.first] - b.done
	b.done = b.ends[b.first]
	b.first++
	return n
}

// add appends a record.
func (b *batch) add(record []byte) {
	b.buf = append(b.buf, record...)
	b.ends = append(b.ends, len(b.buf))
}

// queue is the records that wait to be written: a list of batches. It is
// bounded in bytes and drops the oldest records to stay so. The batch that is
// being written is the writer's, out of reach of the dropping, but counted.
type queue struct {
	limit, batch int // bytes

	mu         sync.Mutex
	head, tail *batch
	spare      *batch
	spares     int
	size       int // bytes waiting or being written
	flight     int // bytes being written
	inFlight   int // records being written
	closed     bool

	written, dropped uint64 // records

	dropping bool
	lost     uint64   // records of this spell of dropping
	spells   []uint64 // to be told: 0 for a beginning, else the number lost at an end
}

// push appends a copy of the record, and reports whether dropping has begun, and
// whether by it there is no sense any more in gathering.
func (q *queue) push(record []byte) (began, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.dropped++
		return false, false
	}
	if len(record) > q.limit {
		return q.lose(), false
	}
	for q.size+len(record) > q.limit && q.head != nil {
		began = q.dropOldest() || began
	}
	before := q.enough()
	if q.tail == nil || len(q.tail.buf)+len(record) > q.batch {
		q.grow()
	}
	q.tail.add(record)
	q.size += len(record)
	return began, !before && q.enough()
}

// empty reports whether nothing waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head == nil || q.closed
}

// full reports whether there is no sense in gathering more.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.enough()
}

// enough is full for who holds the mutex: a batch takes no more, or half of the
// room is used.
func (q *queue) enough() bool {
	return q.closed || q.head != q.tail || q.size > q.limit/2
}

// grow puts an empty batch at the tail.
func (q *queue) grow() {
	b := q.spare
	if b == nil {
		b = &batch{buf: make([]byte, 0, q.batch)}
	} else {
		q.spare = b.next
		q.spares--
		b.next = nil
	}
	if q.tail == nil {
		q.head = b
	} else {
		q.tail.next = b
	}
	q.tail = b
}

// dropOldest drops the oldest record, and reports whether that is the
// beginning of a spell.
func (q *queue) dropOldest() (began bool) {
	b := q.head
	q.size -= b.drop()
	if b.records() == 0 {
		q.unlink()
		q.keep(b)
	}
	return q.lose()
}

// lose counts a record that is dropped.
func (q *queue) lose() (began bool) {
	q.dropped++
	q.lost++
	if q.dropping {
		return false
	}
	q.dropping = true
	q.spells = append(q.spells, 0)
	return true
}

// unlink takes the first batch off the list.
func (q *queue) unlink() *batch {
	b := q.head
	q.head = b.next
	if q.head == nil {
		q.tail = nil
	}
	return b
}

// keep holds an empty batch ready for use, unless there are enough of them or
// a huge record has blown it up.
func (q *queue) keep(b *batch) {
	if q.spares >= spareBatches || cap(b.buf) > 2*q.batch {
		return
	}
	*b = batch{next: q.spare, buf: b.buf[:0], ends: b.ends[:0]}
	q.spare = b
	q.spares++
}

// pop hands the oldest batch to the writer; nil when nothing waits.
func (q *queue) pop() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == nil || q.closed {
		return nil
	}
	b := q.unlink()
	q.flight, q.inFlight = len(b.rest()), b.records()
	return b
}

// isClosed reports whether the queue has ended.
func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// finish takes back a batch that is written, and reports whether that ends a
// spell of dropping: half of the room is free again.
func (q *queue) finish(b *batch) (ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false // the batch is counted as lost already
	}
	q.written += uint64(q.inFlight)
	q.size -= q.flight
	q.flight, q.inFlight = 0, 0
	q.keep(b)
	if !q.dropping || q.size > q.limit/2 {
		return false
	}
	q.endSpell()
	return true
}

// endSpell closes a spell of dropping.
func (q *queue) endSpell() {
	q.spells = append(q.spells, q.lost)
	q.dropping, q.lost = false, 0
}

// told returns the beginnings and ends of spells that are to be told.
func (q *queue) told() []uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.spells
	q.spells = nil
	return s
}

// close ends the queue: what still waits is lost, and what comes is too. It
// returns how many records were waiting.
func (q *queue) close() (left uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	left = uint64(q.inFlight)
	for b := q.head; b != nil; b = b.next {
		left += uint64(b.records())
	}
	if q.dropping {
		q.endSpell()
	}
	q.closed = true
	q.dropped += left
	q.head, q.tail, q.spare = nil, nil, nil
	q.size, q.flight, q.inFlight = 0, 0, 0
	return left
}

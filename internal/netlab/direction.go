// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"container/heap"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// maxFrame is the largest frame a line carries, in bytes: what the largest MTU
// of a TAP device needs.
const maxFrame = 1<<16 + 18

// direction is one way of a line. Only the counters and the configuration are
// shared with other goroutines.
type direction struct {
	from, to int // TAP descriptors
	config   lineConfig
	random   *rand.Rand
	queue    frameQueue
	free     []*frame
	scratch  []byte
	latest   time.Duration // when the last frame in order is due
	serial   uint64

	carried, dropped, duplicated, reordered, overflow atomic.Uint64
}

// frame is one frame on its way.
type frame struct {
	due    time.Duration // since the line's start
	serial uint64        // orders frames that are due together
	group  bool          // broadcast or multicast
	copied bool
	data   []byte
}

func newDirection(from, to int, seed, stream uint64) *direction {
	return &direction{from: from, to: to, random: rand.New(rand.NewPCG(seed, stream)), scratch: make([]byte, maxFrame)}
}

func (d *direction) counters() Counters {
	return Counters{
		Carried:    d.carried.Load(),
		Dropped:    d.dropped.Load(),
		Duplicated: d.duplicated.Load(),
		Reordered:  d.reordered.Load(),
		Overflow:   d.overflow.Load(),
	}
}

// accept decides the fate of a frame that came at the time now. Every unicast
// frame draws the same number of random numbers, so that one setting does not
// shift what another draws.
func (d *direction) accept(now time.Duration, data []byte) {
	cfg := d.config.Load()
	if len(data) == 0 || data[0]&1 != 0 {
		d.enqueue(cfg, frame{due: now + cfg.Delay, group: true}, data)
		return
	}
	lost := d.random.Float64() < cfg.Loss
	twice := d.random.Float64() < cfg.Duplicate
	held := d.random.Float64() < cfg.Reorder
	jitter := time.Duration(d.random.Float64() * float64(cfg.Jitter))
	if !lost && cfg.Tamper != nil {
		data = cfg.Tamper(data)
		lost = data == nil
	}
	if lost {
		d.dropped.Add(1)
		return
	}
	due := max(now+cfg.Delay+jitter, d.latest)
	if held {
		d.reordered.Add(1)
		due += cfg.Hold
	} else {
		d.latest = due
	}
	d.enqueue(cfg, frame{due: due}, data)
	if twice {
		d.enqueue(cfg, frame{due: due, copied: true}, data)
	}
}

// enqueue puts a copy of the frame into the queue, if there is room.
func (d *direction) enqueue(cfg *LineConfig, proto frame, data []byte) {
	if len(d.queue) >= cfg.Queue {
		if !proto.group {
			d.overflow.Add(1)
		}
		return
	}
	f := d.take()
	proto.serial, proto.data = d.serial, append(f.data[:0], data...)
	*f = proto
	d.serial++
	heap.Push(&d.queue, f)
}

// count counts a frame as carried, or with -1 takes that back.
func (d *direction) count(f *frame, by int) {
	if f.group {
		return
	}
	d.carried.Add(uint64(by))
	if f.copied {
		d.duplicated.Add(uint64(by))
	}
}

// take gets a frame from the pool.
func (d *direction) take() *frame {
	if n := len(d.free); n > 0 {
		f := d.free[n-1]
		d.free = d.free[:n-1]
		return f
	}
	return &frame{data: make([]byte, 0, 256)}
}

// release gives a frame back to the pool.
func (d *direction) release(f *frame) { d.free = append(d.free, f) }

// frameQueue is a heap of frames, the next due first.
type frameQueue []*frame

// next is when the next frame is due; false when there is none.
func (q frameQueue) next() (time.Duration, bool) {
	if len(q) == 0 {
		return 0, false
	}
	return q[0].due, true
}

func (q *frameQueue) pop() *frame { return heap.Pop(q).(*frame) }

// Len is part of heap.Interface.
func (q frameQueue) Len() int { return len(q) }

// Less is part of heap.Interface.
func (q frameQueue) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].serial < q[j].serial
}

// Swap is part of heap.Interface.
func (q frameQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is part of heap.Interface.
func (q *frameQueue) Push(x any) { *q = append(*q, x.(*frame)) }

// Pop is part of heap.Interface.
func (q *frameQueue) Pop() any {
	old := *q
	f := old[len(old)-1]
	*q = old[:len(old)-1]
	return f
}

// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"time"

	"connmonitor/internal/vitals"
)

// When a target goes silent its name is looked up again, but a link that fails
// silences every target behind it at once, and a dead host stays silent for
// weeks. So the look-ups of one name are at least silenceGap apart, and those of
// many names are spread over silenceSpread.
const (
	silenceGap    = 30 * time.Second
	silenceSpread = 2 * time.Second
)

// key is what two watches must have in common to share their look-ups.
type key struct {
	name   string
	family vitals.Family
}

// entry is one followed name. All but key is guarded by the resolver's mutex.
type entry struct {
	key
	watches []*Watch
	addr    netip.Addr // the zero Addr until one is known
	fault   *failure   // of the last look-up, nil when it worked
	asked   time.Duration
	took    time.Duration // the last look-up
	due     time.Duration
	serial  uint64 // breaks ties, so that equals are served in their order
	backoff time.Duration
	index   int // in the queue; -1 while a look-up is in flight
}

// file writes down what a look-up gave, queues the next one, and tells the
// watches when it is news.
func (r *Resolver) file(e *entry, addr netip.Addr, fault *failure) {
	if len(e.watches) == 0 {
		r.forget(e)
		return
	}
	news := e.fault.kindOf() != fault.kindOf()
	r.setFault(e, fault)
	e.asked = r.now()
	if fault != nil {
		e.backoff = min(max(2*e.backoff, r.o.MinBackoff), r.o.MaxBackoff)
		r.push(e, e.asked+jitter(e.backoff))
	} else {
		news = r.setAddr(e, addr) || news
		e.backoff = 0
		r.push(e, e.asked+jitter(r.o.Refresh))
	}
	if news {
		r.news = append(r.news, e.watches...)
	}
}

// setAddr takes a new address and reports whether it is another one.
func (r *Resolver) setAddr(e *entry, addr netip.Addr) bool {
	if addr == e.addr {
		return false
	}
	if e.addr.IsValid() {
		r.changes.Add(1)
	}
	e.addr = addr
	return true
}

// setFault keeps the count of failing names right.
func (r *Resolver) setFault(e *entry, fault *failure) {
	if e.fault != nil {
		r.failing--
	}
	if fault != nil {
		r.failing++
	}
	e.fault = fault
}

// forget drops an entry that nobody watches.
func (r *Resolver) forget(e *entry) {
	r.setFault(e, nil)
	delete(r.entries, e.key)
}

// hasten brings the next look-up of a silent target's name forward. A name that
// fails is tried often as it is, and one in flight is being asked for.
func (r *Resolver) hasten(e *entry) {
	if e.index < 0 || e.fault != nil {
		return
	}
	earliest := max(r.now(), e.asked+silenceGap)
	if e.due <= earliest+silenceSpread {
		return
	}
	e.due = earliest + rand.N(silenceSpread)
	heap.Fix(&r.queue, e.index)
	r.rouse()
}

// jitter is d give or take a tenth: what began together does not stay together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

func (r *Resolver) push(e *entry, due time.Duration) {
	r.serial++
	e.due, e.serial = due, r.serial
	heap.Push(&r.queue, e)
}

func (r *Resolver) pop() *entry { return heap.Pop(&r.queue).(*entry) }

// queue is a heap (container/heap) of entries by the time they are due. What is
// overdue stays at its head in the order it became due, so a name that fails
// again and again cannot overtake one that waits for its first look-up.
type queue []*entry

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].serial < q[j].serial
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}

// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"container/list"
	"context"
	"sync"
	"time"

	"connmonitor/internal/heartbeat"
)

// CacheOptions tune what is asked for in the background, reverse names and AS
// numbers; the zero value of each field means its default.
type CacheOptions struct {
	// Entries is the most answers that are kept, those that are waited for
	// included; 16,384. One more pushes out the one that was wanted least
	// recently.
	Entries int
	// Queue is the most questions that wait for their turn; 4,096. What comes
	// while it is full is not asked, and counted; whoever wants it again asks
	// again.
	Queue int
	// Parallel is the most look-ups at the same time; 16.
	Parallel int
	// Life is how long an answer counts, give or take a tenth; 1 hour. It is
	// fixed because net.Resolver does not tell the TTL of a record. An older
	// answer is still given, and asked for again.
	Life time.Duration
	// NoneLife is the same for the answer that there is nothing (RFC 2308);
	// 15 minutes.
	NoneLife time.Duration
	// Retry is the pause after a look-up that failed, give or take a tenth;
	// 1 minute. Until then the last answer stands.
	Retry time.Duration
	// Timeout is how long one look-up may take; 10 s.
	Timeout time.Duration
}

func (o CacheOptions) withDefaults() CacheOptions {
	setSize(&o.Entries, 16_384)
	setSize(&o.Queue, 4096)
	setSize(&o.Parallel, 16)
	setDefault(&o.Life, time.Hour)
	setDefault(&o.NoneLife, 15*time.Minute)
	setDefault(&o.Retry, time.Minute)
	setDefault(&o.Timeout, 10*time.Second)
	return o
}

func setSize(n *int, value int) {
	if *n <= 0 {
		*n = value
	}
}

// question asks for a value; current is the one that is known. An error of the
// kind notFound is an answer: there is none.
type question[K comparable, V any] func(ctx context.Context, k K, current V) (V, error)

// cache gives what is known at once, and has what is not, or not any more, asked
// for by run. Nobody waits for a name server but who wants to.
type cache[K comparable, V any] struct {
	o     CacheOptions
	ask   question[K, V]
	epoch time.Time
	wake  chan struct{} // holds a token when a question has come
	pulse *heartbeat.Pulse

	mu       sync.Mutex
	slots    map[K]*slot[K, V]
	used     list.List     // the slots that nothing is under way for, last used first
	queue    list.List     // the slots that wait to be asked for, in their order
	news     chan struct{} // closed when an answer is filed; nil when nobody waits
	inFlight int
	stats    CacheStats
}

// slot is what is known of one key. It is in the list used or in the queue, or
// is being asked for.
type slot[K comparable, V any] struct {
	key     K
	value   V
	known   bool // value was answered, be it that there is none
	expires time.Duration
	place   *list.Element
	pending bool // queued or in flight
}

func newCache[K comparable, V any](o CacheOptions, ask question[K, V]) *cache[K, V] {
	return &cache[K, V]{
		o:     o.withDefaults(),
		ask:   ask,
		epoch: time.Now(),
		wake:  make(chan struct{}, 1),
		pulse: heartbeat.New(),
		slots: make(map[K]*slot[K, V]),
	}
}

// get returns what is known of k, and has it asked for when it is not known or
// too old.
func (c *cache[K, V]) get(k K) (value V, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.want(k); s != nil {
		return s.value, s.known
	}
	return value, false
}

// want finds the slot of k and queues its question when that is due. It returns
// nil when there is no room for it.
func (c *cache[K, V]) want(k K) *slot[K, V] {
	s := c.slots[k]
	if s != nil && s.pending {
		return s
	}
	if s != nil {
		c.used.MoveToFront(s.place)
		if time.Since(c.epoch) < s.expires {
			return s
		}
	}
	if c.queue.Len() >= c.o.Queue {
		c.stats.Dropped++
		return s
	}
	if s == nil {
		if s = c.add(k); s == nil {
			c.stats.Dropped++
			return nil
		}
	} else {
		c.used.Remove(s.place)
	}
	s.pending, s.place = true, c.queue.PushBack(s)
	c.rouse()
	return s
}

// add makes a slot, in the place of the one least recently used when all are
// taken. It returns nil when each of them is being asked for.
func (c *cache[K, V]) add(k K) *slot[K, V] {
	if len(c.slots) >= c.o.Entries {
		oldest := c.used.Back()
		if oldest == nil {
			return nil
		}
		delete(c.slots, c.used.Remove(oldest).(*slot[K, V]).key)
		c.stats.Evicted++
	}
	s := &slot[K, V]{key: k}
	c.slots[k] = s
	return s
}

func (c *cache[K, V]) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run asks until ctx is done, and returns when the look-ups in flight have ended.
func (c *cache[K, V]) run(ctx context.Context) {
	var lookups sync.WaitGroup
	defer lookups.Wait()
	for ctx.Err() == nil {
		c.dispatch(ctx, &lookups)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-c.pulse.Asked():
			c.pulse.Beat()
		}
	}
}

// dispatch starts what waits, as far as there is room.
func (c *cache[K, V]) dispatch(ctx context.Context, lookups *sync.WaitGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.inFlight < c.o.Parallel && c.queue.Len() > 0 {
		s := c.queue.Remove(c.queue.Front()).(*slot[K, V])
		s.place = nil
		c.inFlight++
		current := s.value
		lookups.Go(func() { c.lookUp(ctx, s, current) })
	}
}

// lookUp asks for one key and files the answer.
func (c *cache[K, V]) lookUp(ctx context.Context, s *slot[K, V], current V) {
	asking, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	value, err := c.ask(asking, s.key, current)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	c.stats.Lookups++
	c.file(s, value, err)
	if c.news != nil {
		close(c.news)
		c.news = nil
	}
	c.rouse()
}

// file writes down what a look-up gave. A failure leaves what was known.
func (c *cache[K, V]) file(s *slot[K, V], value V, err error) {
	var none V
	life := c.o.Life
	switch {
	case err == nil:
		s.value, s.known = value, true
	case classify(err) == notFound:
		s.value, s.known, life = none, true, c.o.NoneLife
	default:
		life = c.o.Retry
		c.stats.Failures++
	}
	s.expires = time.Since(c.epoch) + jitter(life)
	s.pending, s.place = false, c.used.PushFront(s)
}

// wait returns when each of keys has been asked for and answered, be it by a
// failure; with the error of ctx when that comes first. More keys than the queue
// holds are queued as it empties.
func (c *cache[K, V]) wait(ctx context.Context, keys []K) error {
	ahead := 0 // how many of keys have been queued
	for {
		news := c.advance(&keys, &ahead)
		if len(keys) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// advance cuts off the keys at the front that are settled, and queues of the
// others as many as there is room for. It returns what tells of news.
func (c *cache[K, V]) advance(keys *[]K, ahead *int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	for *ahead < len(*keys) && c.room() {
		c.want((*keys)[*ahead])
		*ahead++
	}
	for len(*keys) > 0 {
		k := (*keys)[0]
		if s := c.slots[k]; s == nil && c.room() {
			c.want(k) // it was pushed out
			break
		} else if s == nil || s.pending {
			break
		}
		*keys, *ahead = (*keys)[1:], max(*ahead-1, 0)
	}
	if c.news == nil {
		c.news = make(chan struct{})
	}
	return c.news
}

// room reports whether a key that has no slot would get one, and its question
// a place in the queue.
func (c *cache[K, V]) room() bool {
	return c.queue.Len() < c.o.Queue && (len(c.slots) < c.o.Entries || c.used.Len() > 0)
}

// CacheStats are the figures of a cache since it was made.
type CacheStats struct {
	Lookups  uint64 // look-ups that have ended, failed ones too
	Failures uint64 // those that say nothing, not even that there is nothing
	Dropped  uint64 // questions that found no room and were not asked
	Evicted  uint64 // answers pushed out by others

	Entries  int // keys of which something is kept at this moment
	Queued   int // questions that wait
	InFlight int // look-ups at this moment
}

func (c *cache[K, V]) figures() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries, s.Queued, s.InFlight = len(c.slots), c.queue.Len(), c.inFlight
	return s
}

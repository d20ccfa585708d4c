// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// oracle is what a cache asks: what each key answers now, and when it was asked.
type oracle struct {
	delay time.Duration

	mu     sync.Mutex
	answer map[int]string // "" is none
	fault  error          // of all look-ups
	asked  map[int][]time.Time
	order  []int
	now    int
	most   int
}

func newOracle() *oracle {
	return &oracle{answer: make(map[int]string), asked: make(map[int][]time.Time)}
}

func (o *oracle) set(k int, value string, fault error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer[k], o.fault = value, fault
}

func (o *oracle) times(k int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked[k])
}

func (o *oracle) ask(ctx context.Context, k int, _ string) (string, error) {
	o.mu.Lock()
	o.asked[k] = append(o.asked[k], time.Now())
	o.order = append(o.order, k)
	o.now++
	o.most = max(o.most, o.now)
	o.mu.Unlock()
	if o.delay > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(o.delay):
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now--
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case o.fault != nil:
		return "", o.fault
	case o.answer[k] == "":
		return "", errNotFound
	}
	return o.answer[k], nil
}

// runCache runs scenario in a bubble of fake time with a cache beside it.
func runCache(t *testing.T, o CacheOptions, source *oracle, scenario func(t *testing.T, c *cache[int, string])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(o, source.ask)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run(ctx)
		}()
		defer func() {
			cancel()
			<-ended
		}()
		scenario(t, c)
	})
}

func wantValue(t *testing.T, c *cache[int, string], k int, want string, wantKnown bool) {
	t.Helper()
	if got, known := c.get(k); got != want || known != wantKnown {
		t.Errorf("get(%d) = %q, %v, want %q, %v", k, got, known, want, wantKnown)
	}
}

// What is known is given at once, for its life; an older answer until there is
// a newer one.
func TestCacheLife(t *testing.T) {
	source := newOracle()
	source.delay = time.Second
	source.set(1, "one", nil)
	runCache(t, CacheOptions{}, source, func(t *testing.T, c *cache[int, string]) {
		wantValue(t, c, 1, "", false)
		pass(time.Second)
		wantValue(t, c, 1, "one", true)
		pass(53 * time.Minute)
		source.set(1, "two", nil)
		wantValue(t, c, 1, "one", true)
		pass(2 * time.Second)
		wantValue(t, c, 1, "one", true) // less than 54 minutes old
		pass(14 * time.Minute)
		wantValue(t, c, 1, "one", true) // more than 66, and asked for now
		pass(time.Second)
		wantValue(t, c, 1, "two", true)
		if n := source.times(1); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
		pass(24 * time.Hour)
		if n := source.times(1); n != 2 {
			t.Errorf("asked %d times although nobody wanted it, want 2", n)
		}
	})
}

// That there is nothing is known too, for a shorter time; and what was there
// before is gone.
func TestCacheOfNothing(t *testing.T) {
	source := newOracle()
	runCache(t, CacheOptions{}, source, func(t *testing.T, c *cache[int, string]) {
		wantValue(t, c, 1, "", false)
		pass(0)
		wantValue(t, c, 1, "", true)
		source.set(1, "one", nil)
		pass(13 * time.Minute)
		wantValue(t, c, 1, "", true)
		pass(0)
		wantValue(t, c, 1, "", true)
		pass(4 * time.Minute)
		wantValue(t, c, 1, "", true)
		pass(0)
		wantValue(t, c, 1, "one", true)
		source.set(1, "", nil)
		pass(67 * time.Minute)
		wantValue(t, c, 1, "one", true)
		pass(0)
		wantValue(t, c, 1, "", true)
	})
}

// A failure is neither an answer nor a reason to forget one.
func TestCacheFailure(t *testing.T) {
	source := newOracle()
	source.set(1, "one", errServer)
	runCache(t, CacheOptions{}, source, func(t *testing.T, c *cache[int, string]) {
		for range 100 { // wanted again and again, asked once
			wantValue(t, c, 1, "", false)
			pass(0)
		}
		if n := source.times(1); n != 1 {
			t.Errorf("asked %d times within a minute, want 1", n)
		}
		source.set(1, "one", nil)
		pass(67 * time.Second)
		wantValue(t, c, 1, "", false)
		pass(0)
		wantValue(t, c, 1, "one", true)
		for _, err := range []error{errServer, errTimeout, errors.New("no permission"), context.DeadlineExceeded} {
			source.set(1, "", err)
			pass(67 * time.Minute)
			wantValue(t, c, 1, "one", true)
			pass(0)
			wantValue(t, c, 1, "one", true)
		}
		if s := c.figures(); s.Failures != 5 || s.Lookups != 6 || s.InFlight != 0 || s.Queued != 0 || s.Entries != 1 {
			t.Errorf("figures %+v, want 5 failures of 6 look-ups, one entry", s)
		}
	})
}

// A name server that does not answer costs the time-out, and its place is free
// again.
func TestCacheTimeout(t *testing.T) {
	source := newOracle()
	source.delay = time.Hour
	runCache(t, CacheOptions{Timeout: 3 * time.Second, Parallel: 1}, source, func(t *testing.T, c *cache[int, string]) {
		c.get(1)
		c.get(2)
		pass(2 * time.Second)
		if s := c.figures(); s.InFlight != 1 || s.Queued != 1 {
			t.Errorf("figures %+v, want one in flight and one waiting", s)
		}
		pass(4 * time.Second)
		if s := c.figures(); s.InFlight != 0 || s.Failures != 2 {
			t.Errorf("figures %+v, want two failures", s)
		}
	})
}

// Many who want the same share one look-up; the look-ups of many are bounded
// and come in their order.
func TestCacheSharesAndBoundsLookups(t *testing.T) {
	source := newOracle()
	source.delay = time.Second
	for k := range 100 {
		source.set(k, "v", nil)
	}
	runCache(t, CacheOptions{Parallel: 4, Queue: 50}, source, func(t *testing.T, c *cache[int, string]) {
		for k := range 4 {
			c.get(k)
		}
		pass(0) // they keep the loop busy for a second
		for range 10 {
			for k := range 100 {
				wantValue(t, c, k, "", false)
			}
		}
		if s := c.figures(); s.InFlight != 4 || s.Queued != 50 || s.Entries != 54 || s.Dropped != 460 {
			t.Errorf("figures %+v, want 4 in flight, 50 waiting and 460 dropped", s)
		}
		pass(15 * time.Second)
		if source.most != 4 || len(source.order) != 54 {
			t.Errorf("%d look-ups, %d at once, want 54, 4", len(source.order), source.most)
		}
		for i, k := range source.order { // four begin at once, in any order
			if k/4 != i/4 {
				t.Fatalf("%d was asked for at place %d", k, i)
			}
		}
		for k := range 100 {
			if got, known := c.get(k); known != (k < 54) {
				t.Errorf("get(%d) = %q, %v", k, got, known)
			}
		}
	})
}

// The answer that was wanted least recently makes room.
func TestCacheEviction(t *testing.T) {
	source := newOracle()
	runCache(t, CacheOptions{Entries: 3}, source, func(t *testing.T, c *cache[int, string]) {
		for k := range 5 {
			source.set(k, fmt.Sprint(k), nil)
		}
		for k := range 3 {
			c.get(k)
			pass(0)
		}
		wantValue(t, c, 0, "0", true)
		wantValue(t, c, 3, "", false) // in the place of 1
		pass(0)
		for _, k := range []int{0, 2, 3} {
			wantValue(t, c, k, fmt.Sprint(k), true)
		}
		if s := c.figures(); s.Entries != 3 || s.Evicted != 1 {
			t.Errorf("figures %+v, want three entries, one evicted", s)
		}
		wantValue(t, c, 1, "", false)
	})
}

// What is being asked for is not pushed out, so that its answer has a place.
func TestCacheFullOfQuestions(t *testing.T) {
	source := newOracle()
	source.delay = time.Second
	source.set(0, "0", nil)
	source.set(9, "9", nil)
	runCache(t, CacheOptions{Entries: 2, Parallel: 1}, source, func(t *testing.T, c *cache[int, string]) {
		c.get(0)
		c.get(1)
		wantValue(t, c, 9, "", false)
		if s := c.figures(); s.Dropped != 1 || s.Entries != 2 {
			t.Errorf("figures %+v, want one dropped", s)
		}
		pass(3 * time.Second)
		wantValue(t, c, 0, "0", true)
		wantValue(t, c, 9, "", false)
		pass(2 * time.Second)
		wantValue(t, c, 9, "9", true)
	})
}

// Waiting takes as long as the look-ups, for more keys than the queue and even
// the cache holds.
func TestCacheWait(t *testing.T) {
	for _, o := range []CacheOptions{{}, {Queue: 5, Parallel: 4}, {Queue: 3, Entries: 10}, {Entries: 1, Queue: 1, Parallel: 1}} {
		source := newOracle()
		source.delay = 10 * time.Millisecond
		runCache(t, o, source, func(t *testing.T, c *cache[int, string]) {
			var keys []int
			for k := range 200 {
				if k%3 != 0 {
					source.set(k, "v", nil)
				}
				keys = append(keys, k, k/2)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := c.wait(ctx, keys); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			for k := range 200 {
				if source.times(k) == 0 {
					t.Errorf("%+v: %d was not asked for", o, k)
				}
			}
			if o.Entries == 0 {
				wantValue(t, c, 1, "v", true)
				wantValue(t, c, 199, "v", true)
				wantValue(t, c, 198, "", true)
			}
		})
	}
}

func TestCacheWaitEndsAtItsDeadline(t *testing.T) {
	source := newOracle()
	source.delay = time.Hour
	runCache(t, CacheOptions{Timeout: time.Hour}, source, func(t *testing.T, c *cache[int, string]) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		if err := c.wait(ctx, []int{1, 2}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v, want 2s", took)
		}
		if err := c.wait(t.Context(), nil); err != nil {
			t.Errorf("nothing to wait for: %v", err)
		}
	})
}

// A failure ends the waiting too.
func TestCacheWaitForAFailure(t *testing.T) {
	source := newOracle()
	source.set(1, "", errServer)
	runCache(t, CacheOptions{}, source, func(t *testing.T, c *cache[int, string]) {
		if err := c.wait(t.Context(), []int{1}); err != nil {
			t.Error(err)
		}
		wantValue(t, c, 1, "", false)
	})
}

func TestCacheProves(t *testing.T) {
	runCache(t, CacheOptions{}, newOracle(), func(t *testing.T, c *cache[int, string]) {
		beats := 0
		c.pulse.Ask(func() { beats++ })
		synctest.Wait()
		if beats != 1 {
			t.Errorf("%d beats, want 1", beats)
		}
	})
}

// Nothing is asked before run.
func TestCacheBeforeRun(t *testing.T) {
	source := newOracle()
	c := newCache(CacheOptions{}, source.ask)
	for range 3 {
		wantValue(t, c, 1, "", false)
	}
	if s := c.figures(); s.Queued != 1 || s.Lookups != 0 {
		t.Errorf("figures %+v, want one question waiting", s)
	}
}

// A million addresses, as of a network that is walked through, leave 16,384
// names of the greatest length and no more.
func TestMemoryOfNames(t *testing.T) {
	long := strings.Repeat("a.", 126) + "b"
	n := NewNames(func(context.Context, string) ([]string, error) {
		return []string{strings.Clone(long)}, nil
	}, CacheOptions{Queue: 20_000})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var addrs []netip.Addr
	for i := range 1_000_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if n.Lookup(a); i%50 == 0 {
			addrs = append(addrs, a)
		}
	}
	if err := n.Wait(t.Context(), addrs[:1000]); err != nil {
		t.Error(err)
	}
	if err := n.Wait(t.Context(), addrs); err != nil { // 20,000, each answered
		t.Error(err)
	}
	addrs = nil
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	s := n.Stats()
	if s.Entries > 16_384 || s.Evicted == 0 || s.Dropped == 0 {
		t.Errorf("stats %+v, want at most 16,384 entries", s)
	}
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d KiB for %d names of 253 bytes", grown>>10, s.Entries)
	if grown > 16<<20 {
		t.Errorf("%d bytes, want less than 16 MiB", grown)
	}
	runtime.KeepAlive(n)
}

// The lists and the map tell the same whatever happens.
func TestCacheHoldsTogether(t *testing.T) {
	source := newOracle()
	source.delay = time.Second
	for k := range 40 {
		source.set(k, fmt.Sprint(k), nil)
	}
	runCache(t, CacheOptions{Entries: 20, Queue: 8, Parallel: 3, Life: 20 * time.Second}, source, func(t *testing.T, c *cache[int, string]) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 5000 {
			k := r.IntN(40)
			if got, known := c.get(k); known && got != fmt.Sprint(k) {
				t.Fatalf("get(%d) = %q", k, got)
			}
			pass(time.Duration(r.IntN(500)) * time.Millisecond)
			c.mu.Lock()
			if n := c.used.Len() + c.queue.Len() + c.inFlight; n != len(c.slots) || n > 20 || c.queue.Len() > 8 || c.inFlight > 3 {
				t.Fatalf("%d used, %d waiting, %d in flight, %d in all", c.used.Len(), c.queue.Len(), c.inFlight, len(c.slots))
			}
			c.mu.Unlock()
		}
	})
}

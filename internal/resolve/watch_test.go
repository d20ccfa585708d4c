// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

func TestWatchesOfANameShareItsLookups(t *testing.T) {
	z := newZone()
	z.delay = time.Second
	z.set("name", four1, six1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, first := watch(r, "name")
		_, second := watch(r, "name")
		other := new(diary)
		r.Watch("name", vitals.Family6, other.note)
		pass(time.Second)
		wantOne(t, first, four1)
		wantOne(t, second, four1)
		wantOne(t, other, six1)
		_, late := watch(r, "name")
		pass(0)
		wantOne(t, late, four1)
		wantNone(t, first)
		if n := len(z.times("ip name")); n != 1 {
			t.Errorf("%d look-ups for three watches, want 1", n)
		}
		if s := r.Stats(); s.Names != 2 {
			t.Errorf("stats %+v, want 2 names", s)
		}
		z.set("name", four2)
		pass(6 * time.Minute)
		for _, d := range []*diary{first, second, late} {
			if u := wantOne(t, d, four2); !u.Changed {
				t.Errorf("update %+v, want a change", u)
			}
		}
	})
}

// A target that goes silent has its name looked up soon, yet not more often than
// every 30 s however long it stays silent.
func TestRefreshIsSoonAndRateLimited(t *testing.T) {
	z := newZone()
	z.set("name", four1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		w, d := watch(r, "name")
		same, _ := watch(r, "name")
		pass(time.Minute)
		z.set("name", four2)
		w.Refresh()
		same.Refresh()
		pass(2 * time.Second)
		d.take()
		asked := z.times("ip name")
		if len(asked) != 2 {
			t.Fatalf("%d look-ups 2 s after Refresh, want 2", len(asked))
		}
		for range 600 {
			w.Refresh()
			same.Refresh()
			pass(time.Second)
		}
		asked = z.times("ip name")[1:]
		if len(asked) < 18 || len(asked) > 21 {
			t.Errorf("%d look-ups in ten minutes of silence, want about 20", len(asked))
		}
		for i := 1; i < len(asked); i++ {
			if p := asked[i].Sub(asked[i-1]); p < 30*time.Second || p > 32*time.Second {
				t.Errorf("look-up after %v, want 30 to 32 s", p)
			}
		}
	})
}

// When a link fails, all its targets go silent at once.
func TestRefreshesOfManyAreSpread(t *testing.T) {
	const names = 500
	z := newZone()
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		var watches []*Watch
		for i := range names {
			z.set(fmt.Sprint("n", i), four1)
			w, _ := watch(r, fmt.Sprint("n", i))
			watches = append(watches, w)
		}
		pass(time.Minute)
		for _, w := range watches {
			w.Refresh()
		}
		pass(time.Second)
		// Half of 500 with a deviation of 11: 150 to 350 is nine of them.
		if n := r.Stats().Lookups - names; n < 150 || n > 350 {
			t.Errorf("%d look-ups within 1 s, want about half of %d", n, names)
		}
		pass(time.Second)
		if n := r.Stats().Lookups - names; n != names {
			t.Errorf("%d look-ups within 2 s, want %d", n, names)
		}
	})
}

// Refresh does not shorten the back-off of a name that fails.
func TestRefreshLeavesTheBackoff(t *testing.T) {
	z := newZone()
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		w, _ := watch(r, "name")
		for range 300 {
			w.Refresh()
			pass(time.Second)
		}
		checkBackoff(t, z.times("ip name"))
	})
}

func TestCloseEndsLookups(t *testing.T) {
	z := newZone()
	z.set("name", four1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		first, d := watch(r, "name")
		second, kept := watch(r, "name")
		pass(time.Second)
		wantOne(t, d, four1)
		wantOne(t, kept, four1)
		first.Close()
		first.Close()
		first.Refresh()
		z.set("name", four2)
		pass(6 * time.Minute)
		wantNone(t, d)
		wantOne(t, kept, four2)
		second.Close()
		before := len(z.times("ip name"))
		pass(time.Hour)
		if n := len(z.times("ip name")); n != before || r.Stats().Names != 0 {
			t.Errorf("%d look-ups after the last Close, stats %+v", n-before, r.Stats())
		}
	})
}

func TestCloseDuringALookup(t *testing.T) {
	z := newZone()
	z.delay = time.Second
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		w, d := watch(r, "gone")
		z.set("back", four1)
		again, before := watch(r, "back")
		pass(500 * time.Millisecond)
		w.Close()
		again.Close()
		_, after := watch(r, "back") // joins the look-up in flight
		pass(500 * time.Millisecond)
		wantNone(t, d)
		wantNone(t, before)
		wantOne(t, after, four1)
		if s := r.Stats(); s.Names != 1 || s.Failing != 0 {
			t.Errorf("stats %+v, want one name and none failing", s)
		}
		if n := len(z.times("ip back")); n != 1 {
			t.Errorf("%d look-ups, want 1", n)
		}
	})
}

// A name that fails leaves the count of failing ones with its last watch.
func TestCloseOfAFailingName(t *testing.T) {
	z := newZone()
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		w, _ := watch(r, "name")
		pass(0)
		w.Close()
		if s := r.Stats(); s.Failing != 0 || s.Names != 0 {
			t.Errorf("stats %+v, want no name", s)
		}
	})
}

// Close waits for the notification in progress, and none follows. (The wait is
// for a mutex, which is why there is no bubble of fake time here.)
func TestCloseWaitsForNotify(t *testing.T) {
	z := newZone()
	z.set("name", four1)
	r := New(Options{Lookup: z.lookup})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	var inside atomic.Bool
	entered := make(chan struct{})
	w := r.Watch("name", vitals.FamilyAny, func(Update) {
		inside.Store(true)
		close(entered)
		for range 10_000 {
			runtime.Gosched()
		}
		inside.Store(false)
	})
	<-entered
	w.Close()
	if inside.Load() {
		t.Error("Close returned while notify ran")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
}

// A notify may use the resolver, and close watches that are not its own.
func TestNotifyMayUseTheResolver(t *testing.T) {
	z := newZone()
	z.set("name", four1)
	z.set("next", four2)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		next := new(diary)
		other, _ := watch(r, "name")
		self := make(chan *Watch, 1) // notify may run before Watch has returned
		self <- r.Watch("name", vitals.FamilyAny, func(Update) {
			r.Watch("next", vitals.FamilyAny, next.note)
			r.Stats()
			(<-self).Refresh()
			other.Close()
		})
		pass(0)
		wantOne(t, next, four2)
	})
}

// 100,000 names must not be felt: about 300 bytes each.
func TestMemoryOfAWatch(t *testing.T) {
	const names = 20_000
	var before, after runtime.MemStats
	name := make([]string, names)
	for i := range name {
		name[i] = fmt.Sprint("host", i, ".example.net")
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := New(Options{Lookup: newZone().lookup})
	for i := range name {
		r.Watch(name[i], vitals.FamilyAny, func(Update) {})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(r)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / names
	t.Logf("%d bytes a watched name", each)
	if each > 640 {
		t.Errorf("%d bytes a watched name, want about 400", each)
	}
}

// Contract 1.8: a fault is told when it begins, changes and ends. The port of
// our own socket in its text is no change.
func TestSameFailureInOtherWordsIsNoNews(t *testing.T) {
	z := newZone()
	z.fail("name", errTimeout)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, d := watch(r, "name")
		pass(0)
		for port := range 5 {
			z.fail("name", &net.DNSError{Err: fmt.Sprintf("read udp 192.0.2.9:%d: i/o timeout", port), IsTimeout: true})
			pass(67 * time.Second)
		}
		wantOne(t, d, netip.Addr{})
		z.fail("name", errServer)
		pass(67 * time.Second)
		wantOne(t, d, netip.Addr{})
	})
}

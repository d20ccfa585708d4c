// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/vitals"
)

// Pain 3: one bad name stops nothing; original defect 31: an unresolvable host
// is not dropped for good.
func TestPain3UnresolvedNameIsTriedWithBackoffUntilItJoins(t *testing.T) {
	z := newZone()
	z.set("good", four1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, bad := watch(r, "bad")
		_, good := watch(r, "good")
		pass(0)
		wantOne(t, good, four1)
		if u := wantOne(t, bad, netip.Addr{}); !errors.Is(u.Err, errNotFound) || u.Changed {
			t.Errorf("update of the bad name %+v, want the look-up's error", u)
		}
		if s := r.Stats(); s.Failing != 1 || s.Names != 2 || s.Failures != 1 || s.Lookups != 2 {
			t.Errorf("stats %+v, want 1 of 2 names failing after 2 look-ups", s)
		}
		pass(5 * time.Minute)
		wantNone(t, bad) // the same failure again is no news
		checkBackoff(t, z.times("ip bad"))

		z.set("bad", four2)
		pass(67 * time.Second)
		if u := wantOne(t, bad, four2); u.Err != nil || u.Changed || u.Previous.IsValid() {
			t.Errorf("first address reported as %+v", u)
		}
		if s := r.Stats(); s.Failing != 0 || s.Changes != 0 {
			t.Errorf("stats %+v, want nothing failing and no change", s)
		}
	})
}

func checkBackoff(t *testing.T, asked []time.Time) {
	t.Helper()
	if len(asked) < 9 {
		t.Fatalf("asked %d times in 5 minutes, want at least 9", len(asked))
	}
	want := time.Second
	for i := 1; i < len(asked); i++ {
		pause := asked[i].Sub(asked[i-1])
		if pause < want*9/10 || pause > want*11/10 {
			t.Errorf("pause %d is %v, want %v give or take a tenth", i, pause, want)
		}
		want = min(2*want, time.Minute)
	}
}

// A success begins the back-off anew.
func TestBackoffStartsAnewAfterSuccess(t *testing.T) {
	z := newZone()
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		watch(r, "name")
		pass(3 * time.Minute)
		z.set("name", four1)
		pass(67 * time.Second)
		z.fail("name", errServer)
		fine := len(z.times("ip name"))
		pass(11 * time.Minute)
		checkBackoff(t, z.times("ip name")[fine:])
	})
}

// Pain 4: a name is not resolved once and for ever.
func TestPain4NameIsRefreshedAndAChangeToldOnce(t *testing.T) {
	z := newZone()
	z.set("name", four1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, d := watch(r, "name")
		pass(0)
		if u := wantOne(t, d, four1); u.Changed {
			t.Error("the first address was called a change")
		}
		pass(31 * time.Minute)
		wantNone(t, d)
		asked := z.times("ip name")
		if len(asked) < 6 {
			t.Errorf("asked %d times in 31 minutes, want 6", len(asked))
		}
		for i := 1; i < len(asked); i++ {
			if p := asked[i].Sub(asked[i-1]); p < 270*time.Second || p > 330*time.Second {
				t.Errorf("refreshed after %v, want 5 minutes give or take a tenth", p)
			}
		}
		z.set("name", four2)
		pass(11 * time.Minute)
		if u := wantOne(t, d, four2); !u.Changed || u.Previous != four1 || u.Err != nil {
			t.Errorf("update %+v, want a change from %v", u, four1)
		}
		if s := r.Stats(); s.Changes != 1 {
			t.Errorf("stats %+v, want one change", s)
		}
	})
}

// Round-robin and reordered answers are no change, also when the list itself
// changes around the address.
func TestRoundRobinIsNoChange(t *testing.T) {
	z := newZone()
	z.set("name", four1, four2)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, d := watch(r, "name")
		pass(0)
		wantOne(t, d, four1)
		for _, answer := range [][]netip.Addr{{four2, four1}, {four3, four2, four1}, {six1, four1}} {
			z.set("name", answer...)
			pass(6 * time.Minute)
			wantNone(t, d)
		}
		z.set("name", four3, four2)
		pass(6 * time.Minute)
		if u := wantOne(t, d, four3); !u.Changed {
			t.Error("an address that the name no longer lists was kept")
		}
	})
}

// Pain 4 and "DNS as a measured event": the last known address stays while the
// DNS is down, in whatever way it is; the failure is told when it begins, when
// it changes and when it ends.
func TestPain4AddressIsKeptWhileDNSFails(t *testing.T) {
	z := newZone()
	z.set("name", four1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, d := watch(r, "name")
		pass(0)
		wantOne(t, d, four1)
		for i, err := range []error{errServer, errTimeout, errNotFound, errors.New("no permission")} {
			z.fail("name", err)
			pass(7 * time.Minute)
			if u := wantOne(t, d, four1); !errors.Is(u.Err, err) || u.Changed || u.Previous != four1 {
				t.Errorf("failure %d: update %+v, want %v kept and %v", i, u, four1, err)
			}
		}
		z.set("name", netip.IPv4Unspecified())
		pass(67 * time.Second)
		if u := wantOne(t, d, four1); u.Err == nil {
			t.Error("an answer of 0.0.0.0 was taken")
		}
		z.set("name", four2, four1)
		pass(67 * time.Second)
		if u := wantOne(t, d, four1); u.Err != nil || u.Changed {
			t.Errorf("update %+v, want the end of the failure and no change", u)
		}
	})
}

// A look-up that answers nothing gives its slot back after the time-out.
func TestHangingLookupIsEnded(t *testing.T) {
	z := newZone()
	z.delay = time.Hour
	run(t, Options{Lookup: z.lookup, Timeout: 3 * time.Second}, func(t *testing.T, r *Resolver) {
		_, d := watch(r, "name")
		pass(2 * time.Second)
		if s := r.Stats(); s.InFlight != 1 {
			t.Errorf("stats %+v, want one in flight", s)
		}
		pass(time.Second)
		if s := r.Stats(); s.InFlight != 0 || s.Failures != 1 {
			t.Errorf("stats %+v, want none in flight and one failure", s)
		}
		if u := wantOne(t, d, netip.Addr{}); !errors.Is(u.Err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", u.Err)
		}
	})
}

// What a look-up took is known when it has ended, of the last one.
func TestTook(t *testing.T) {
	var delay atomic.Int64
	delay.Store(int64(40 * time.Millisecond))
	lookup := func(context.Context, string, string) ([]netip.Addr, error) {
		time.Sleep(time.Duration(delay.Load()))
		return []netip.Addr{four1}, nil
	}
	run(t, Options{Lookup: lookup}, func(t *testing.T, r *Resolver) {
		w, _ := watch(r, "name")
		pass(30 * time.Millisecond)
		if took := w.Took(); took != 0 {
			t.Errorf("%v, before it has ended", took)
		}
		pass(time.Second)
		if took := w.Took(); took != 40*time.Millisecond {
			t.Errorf("the look-up took %v, want 40 ms", took)
		}
		delay.Store(int64(70 * time.Millisecond))
		pass(6 * time.Minute)
		if took := w.Took(); took != 70*time.Millisecond {
			t.Errorf("the last look-up took %v, want 70 ms", took)
		}
	})
}

// Pain 20: nobody's family changes because half of the DNS is down.
func TestPain20FamilyIsStable(t *testing.T) {
	z := newZone()
	z.set("name", six1, four1)
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		_, d := watch(r, "name")
		pass(0)
		wantOne(t, d, four1) // IPv4 before IPv6, whatever the order

		// Only the question for IPv4 fails: net.Resolver returns the rest.
		z.set("name", six1)
		z.fail("ip4 name.", errServer)
		pass(6 * time.Minute)
		if u := wantOne(t, d, four1); u.Err == nil || u.Changed {
			t.Errorf("update %+v, want IPv4 kept and an error", u)
		}
		z.fail("ip4 name.", nil)
		pass(67 * time.Second)
		if u := wantOne(t, d, six1); !u.Changed || u.Err != nil {
			t.Errorf("update %+v, want the change to IPv6: the name has no IPv4 any more", u)
		}
		confirmed := len(z.times("ip4 name."))
		z.set("name", four1, six2, six1)
		pass(11 * time.Minute)
		wantNone(t, d) // the current address is still listed
		if n := len(z.times("ip4 name.")); n != confirmed {
			t.Errorf("IPv4 was asked for %d times more although the address is settled", n-confirmed)
		}
	})
}

func TestParallelLookupsAreBoundedAndServedInOrder(t *testing.T) {
	const names = 10_000
	z := newZone()
	z.delay = 100 * time.Millisecond
	z.fail("", errServer)
	run(t, Options{Lookup: z.lookup, MinBackoff: time.Second}, func(t *testing.T, r *Resolver) {
		for i := range names {
			r.Watch(fmt.Sprint("n", i), vitals.FamilyAny, func(Update) {})
		}
		// One round takes 10,000 / 64 x 100 ms = 15.7 s, far longer than the
		// first back-off: the names that failed must not overtake the waiting.
		pass(16 * time.Second)
		if z.most != 64 {
			t.Errorf("%d look-ups at once, want 64", z.most)
		}
		last := z.times("ip n0")[0]
		for i := range names {
			asked := z.times(fmt.Sprint("ip n", i))
			if len(asked) == 0 || asked[0].Before(last) {
				t.Fatalf("n%d was asked for at %v, before or without its turn", i, asked)
			}
			last = asked[0]
		}
		pass(15 * time.Second)
		if s := r.Stats(); z.most != 64 || s.Names != names || s.Failing != names {
			t.Errorf("%d look-ups at once and stats %+v, want 64 and all failing", z.most, s)
		}
	})
}

// Names that began together must not stay together.
func TestRefreshesAreSpread(t *testing.T) {
	const names = 1000
	z := newZone()
	run(t, Options{Lookup: z.lookup}, func(t *testing.T, r *Resolver) {
		for i := range names {
			z.set(fmt.Sprint("n", i), four1)
			watch(r, fmt.Sprint("n", i))
		}
		pass(331 * time.Second)
		second := make(map[int64]int)
		for i := range names {
			asked := z.times(fmt.Sprint("ip n", i))
			if len(asked) != 2 {
				t.Fatalf("n%d was asked for %d times, want 2", i, len(asked))
			}
			second[asked[1].Unix()]++
		}
		// 1000 over 60 s: 16.7 a second; one with 60 has odds below 1e-13.
		for s, n := range second {
			if n > 60 {
				t.Errorf("%d refreshes in second %d, want about 17", n, s)
			}
		}
	})
}

func TestCancellationEndsRunAndTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone()
		z.delay = 5 * time.Second
		r := New(Options{Lookup: z.lookup})
		d := new(diary)
		w := r.Watch("name", vitals.FamilyAny, d.note)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		pass(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		wantNone(t, d)
		if s := r.Stats(); s.InFlight != 0 || s.Failures != 0 {
			t.Errorf("stats %+v, want nothing in flight and no failure", s)
		}
		w.Refresh()
		w.Close()
		r.Watch("other", vitals.FamilyAny, d.note).Close()
	})
}

func TestNothingHappensBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone()
		d := new(diary)
		r := New(Options{Lookup: z.lookup})
		r.Watch("name", vitals.FamilyAny, d.note)
		r.Watch("name", vitals.FamilyAny, d.note)
		pass(time.Hour)
		wantNone(t, d)
		if n := len(z.times("ip name")); n != 0 {
			t.Errorf("%d look-ups before Run", n)
		}
	})
}

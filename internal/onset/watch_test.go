// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// watched plays traces a minute apart and collects what changes.
type watched struct {
	watch   Watch
	scratch Scratch
	now     time.Time
	last    vitals.Path
	changes []vitals.OnsetChange
}

func newWatched() *watched { return &watched{now: time.Unix(1e9, 0)} }

func (w *watched) take(p vitals.Path) {
	w.now = w.now.Add(time.Minute)
	w.watch.Take(&p, w.now, &w.scratch)
	w.last = p
	w.changes = append(w.changes, p.OnsetChanges...)
}

// play plays n traces of a network.
func (w *watched) play(r *rand.Rand, n network, count int, recent bool) {
	for range count {
		w.take(n.trace(r, recent))
	}
}

// of are the changes of one fault.
func (w *watched) of(fault vitals.Fault) (all []vitals.OnsetChange) {
	for _, c := range w.changes {
		if c.Before != nil && c.Before.Fault == fault || c.After != nil && c.After.Fault == fault {
			all = append(all, c)
		}
	}
	return all
}

// TestWatchQuietNetworks: routers that limit their answers, single outages and
// spikes change nothing, in 200 traces each.
func TestWatchQuietNetworks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const networks = 24
	alarms := 0
	for range networks {
		w, n := newWatched(), build(r)
		for range 4 {
			w.play(r, n, 49, false)
			p := n.trace(r, false) // a burst of loss takes all of one trace
			for k := range p.Hops {
				p.Hops[k] = vitals.Hop{Sent: 1}
			}
			p.End = vitals.EndHops
			w.take(p)
		}
		if len(w.changes) > 0 {
			alarms++
			t.Logf("%d hops: %+v", len(n.loss), *w.changes[0].After)
		}
	}
	if alarms > 0 {
		t.Errorf("%d of %d networks without a fault gave an alarm", alarms, networks)
	}
}

// TestWatchLossBeginsAndEnds: one change each, at the place, in time, and none
// meanwhile, but where it is when that was not known at first.
func TestWatchLossBeginsAndEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const networks = 24
	missed, wrong, more, late := 0, 0, 0, 0
	for range networks {
		w, good := newWatched(), build(r)
		bad := good
		bad.loss = make([]float64, len(good.loss))
		bad.onset = 1 + r.IntN(len(good.loss))
		for k := bad.onset - 1; k < len(bad.loss); k++ {
			bad.loss[k] = 0.3
		}
		w.play(r, good, 50, false)
		began := w.now
		w.play(r, bad, 40, false)
		during := len(w.of(vitals.FaultLoss))
		switch {
		case during == 0:
			missed++
			continue
		case during > 1 && (during > 2 || !vaguely(w.changes[0].After)):
			more++
		}
		f := w.changes[0].After
		if f == nil || bad.onset <= f.Before.TTL || bad.onset > f.At.TTL {
			wrong++
		}
		if f != nil && (f.Since.Before(began) || f.Since.After(began.Add(15*time.Minute))) {
			late++
		}
		if w.last.Onset.Loss == nil {
			t.Error("the loss goes on, and is not said any more")
		}
		w.play(r, good, 60, false)
		if n := len(w.of(vitals.FaultLoss)); n != during+1 || w.last.Onset.Loss != nil {
			t.Errorf("%d changes when it had ended, %d before", n, during)
		}
	}
	t.Logf("of %d: %d missed, %d wrong, %d changed their place, %d with another begin", networks, missed, wrong, more, late)
	if missed > 0 || wrong > networks/20 || more > networks/20 || late > networks/20 {
		t.Error("too many")
	}
}

// vaguely tells that a fault was said to be anywhere on the path.
func vaguely(f *vitals.OnsetFault) bool {
	return anywhere(Place{Before: f.Before.TTL, At: f.At.TTL}, f.Destination)
}

// TestWatchShift: a shift begins, and goes back or stays.
func TestWatchShift(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const networks = 24
	missed, wrong, more, late := 0, 0, 0, 0
	for i := range networks {
		w, n := newWatched(), build(r)
		n.move(r)
		n.shift = 30
		w.play(r, n, 50, false)
		began := w.now
		w.play(r, n, 30, true)
		all := w.of(vitals.FaultShift)
		if len(all) == 0 {
			missed++
			continue
		}
		if len(all) > 1 {
			more++
		}
		f := all[0].After
		if f == nil || n.shifted <= f.Before.TTL || n.shifted > f.At.TTL || (f.Is-f.Was-30*time.Millisecond).Abs() > 10*time.Millisecond {
			wrong++
		}
		if f != nil && (f.Since.Sub(began)-time.Minute).Abs() > 2*time.Minute {
			late++
		}
		lasts := i%2 == 0
		w.play(r, n, 60, lasts)
		all = w.of(vitals.FaultShift)
		if end := all[len(all)-1]; end.After != nil || end.Lasting != lasts || w.last.Onset.Shift != nil {
			t.Errorf("the last change is %+v, lasting %v", end, lasts)
		}
	}
	t.Logf("of %d: %d missed, %d wrong, %d told again, %d with another begin", networks, missed, wrong, more, late)
	if missed > networks/20 || wrong > networks/20 || more > networks/20 || late > networks/20 {
		t.Error("too many")
	}
}

// TestWatchOutage: what stops to answer at all is loss where it stops, and is so
// for as long as nothing answers.
func TestWatchOutage(t *testing.T) {
	w := newWatched()
	n := network{loss: make([]float64, 6), limit: make([]float64, 6), silent: make([]bool, 6), rtt: []float64{1, 2, 3, 4, 5, 6}}
	r := rand.New(rand.NewPCG(7, 8))
	w.play(r, n, 50, false)
	dead := n
	dead.loss = []float64{0, 0, 0, 1, 1, 1}
	w.play(r, dead, 4*Most, false)
	if len(w.changes) != 1 || w.last.Onset.Loss == nil {
		t.Fatalf("%d changes: %+v", len(w.changes), w.changes)
	}
	f := w.last.Onset.Loss
	if f.Before.TTL != 3 || f.At.TTL != 4 || f.Before.Addr != netip.MustParseAddr("192.0.2.3") {
		t.Errorf("%+v", f)
	}
	w.play(r, n, 5, false)
	if len(w.changes) != 2 || w.changes[1].After != nil {
		t.Errorf("%d changes: %+v", len(w.changes), w.changes)
	}
}

// TestWatchMarksRateLimits: a router that loses answers of its own is marked, and
// no other.
func TestWatchMarksRateLimits(t *testing.T) {
	w := newWatched()
	n := network{loss: make([]float64, 5), limit: []float64{0, 0.5, 0, 0, 0}, silent: make([]bool, 5), rtt: []float64{1, 2, 3, 4, 5}}
	w.play(rand.New(rand.NewPCG(9, 10)), n, 50, false)
	for k := range w.last.Hops {
		if w.last.Hops[k].Limited != (k == 1) {
			t.Errorf("hop %d: limited %v", k+1, w.last.Hops[k].Limited)
		}
	}
	if len(w.changes) > 0 {
		t.Errorf("%+v", w.changes)
	}
}

func BenchmarkTake(b *testing.B) {
	r := rand.New(rand.NewPCG(11, 12))
	n := build(r)
	for len(n.loss) != 12 {
		n = build(r)
	}
	w := newWatched()
	w.play(r, n, Most, false)
	p := n.trace(r, false)
	b.ReportAllocs()
	for b.Loop() {
		w.watch.Take(&p, w.now, &w.scratch)
	}
}

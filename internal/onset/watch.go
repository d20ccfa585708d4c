// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math"
	"slices"
	"time"

	"connmonitor/internal/vitals"
)

// Watch keeps the last traces of one target and says where faults begin, once it
// is sure: what one trace or two show is no change. Its zero value knows nothing.
type Watch struct {
	window      Window
	loss, shift stated
}

// Scratch is room that Watches share which are asked one after the other. Its
// zero value will do.
type Scratch struct {
	traces []vitals.Path
	ends   []arrival
}

// arrival is how the destination fared in one trace.
type arrival struct {
	rtt  float64 // ns; 0: it did not answer, or nobody knows
	lost bool    // a probe to it was lost
}

// stated is what is said of one kind of fault.
type stated struct {
	now    *vitals.OnsetFault // nil: there is none
	seen   Place              // what the last traces show instead
	streak int                // how many of them in a row
	gone   int                // traces in a row that show none
}

const (
	// agreeing is how many findings in a row must say the same before it is
	// believed, moving those that say that it is elsewhere.
	agreeing = 2
	moving   = 4
	// vague is how many must have found it somewhere on the path before that is said:
	// with more traces they may tell where.
	vague = 8
	// fewestLossy is in how many traces the destination must have been lost: a
	// single outage of a trace is no loss that begins somewhere.
	fewestLossy = 3
	// fewestGood is how many traces in a row the destination must have answered
	// before loss is over, and chance how likely so many are by chance if it goes on.
	fewestGood = 3
	chance     = 0.001
	// gone is for how many traces a fault that is not found any more, and not
	// surely over, is still said: faint ones come and go with each trace.
	gone = Most / 2
	// newest is how many of the destination's last RTTs tell whether a shift is
	// over.
	newest = 5
)

// Take takes the next trace, and puts into it what is known with it. Its hops must
// be as trace made them. The work of a call is that of Find for Most traces.
func (w *Watch) Take(p *vitals.Path, now time.Time, s *Scratch) {
	w.window.Add(p, now)
	s.traces = w.window.Traces(s.traces)
	f := Find(s.traces)
	s.arrivals(&f)
	w.mark(p, &f)
	known := f.Destination > 0 && (f.Verdict == Clean || f.Verdict == Faulty)
	forget := w.takeLoss(p, &f, known, s)
	if forget == 0 {
		forget = w.takeShift(p, &f, known, s)
	}
	p.Onset = &vitals.Onset{Traces: f.Traces, Loss: w.loss.now, Shift: w.shift.now}
	w.window.Forget(forget)
}

// arrivals finds out how the destination fared.
func (s *Scratch) arrivals(f *Finding) {
	s.ends = s.ends[:0]
	for i := range s.traces {
		p, a := &s.traces[i], arrival{}
		switch n := len(p.Hops); {
		case n == 0:
		case p.End == vitals.EndReached:
			end := &p.Hops[n-1]
			a = arrival{rtt: float64(end.RTT), lost: end.Received < end.Sent}
		case p.End == vitals.EndUnreachable:
			a.lost = true
		case f.Destination > 0 && n >= f.Destination:
			a.lost = p.Hops[f.Destination-1].Sent > 0
		case f.Destination == 0:
			a.lost = true
		}
		s.ends = append(s.ends, a)
	}
}

// mark marks the hops whose loss, or RTT, is their own.
func (w *Watch) mark(p *vitals.Path, f *Finding) {
	for k := range min(len(p.Hops), len(f.Hops)) {
		h, e := &p.Hops[k], &f.Hops[k]
		if h.Silent() || h.Addr == e.Addr {
			h.Limited, h.Slow = e.Limited, e.Slow
		}
	}
}

// takeLoss takes what a finding says of loss, and returns how many traces are to
// be forgotten because they tell of what is over.
func (w *Watch) takeLoss(p *vitals.Path, f *Finding, known bool, s *Scratch) (forget int) {
	first, last, lossy := s.lossy()
	place := f.Loss
	if lossy < fewestLossy {
		place = Place{}
	}
	if w.loss.now != nil && s.recovered(first, last, lossy) {
		w.loss.say(p, nil, false)
		return last + 1
	}
	if !known {
		return 0 // a destination that does not answer at all says no more than before
	}
	if !w.loss.agrees(place, f.Destination) {
		return 0
	}
	end := &f.Hops[f.Destination-1]
	fault := &vitals.OnsetFault{
		Fault: vitals.FaultLoss, Since: w.window.At(max(first, 0)),
		Lost: end.Lost, Known: end.Known,
	}
	w.loss.tell(p, f, place, fault)
	return 0
}

// lossy are the first and the last trace that lost probes to the destination, and
// how many did; -1 where none.
func (s *Scratch) lossy() (first, last, n int) {
	first, last = -1, -1
	for i, a := range s.ends {
		if !a.lost {
			continue
		}
		if n++; first < 0 {
			first = i
		}
		last = i
	}
	return first, last, n
}

// recovered reports whether the destination has answered for so long that loss as
// it was would have shown.
func (s *Scratch) recovered(first, last, lossy int) bool {
	good := 0
	for _, a := range s.ends[last+1:] {
		if a.rtt > 0 {
			good++
		}
	}
	if good < fewestGood || lossy == 0 {
		return false
	}
	// Of the share no more is taken for sure than so few traces tell.
	share := min(least(lossy, last-first+1, z95), 0.99)
	return float64(good)*math.Log1p(-share) < math.Log(chance)
}

// takeShift is takeLoss for a shift of RTT. As the window moves on, what was
// before looks ever more like what is, so one that is not found again has not
// ended.
func (w *Watch) takeShift(p *vitals.Path, f *Finding, known bool, s *Scratch) (forget int) {
	now := w.shift.now
	if now != nil {
		since := w.window.since(now.Since)
		if since == 0 {
			w.shift.say(p, nil, true)
			return 0
		}
		if back := s.wentBack(now, since); back > 0 {
			w.shift.say(p, nil, false)
			return back
		}
	}
	if !known || !f.Shift.Found || now != nil && !further(now, f.Hops[f.Destination-1].Recent) {
		w.shift.streak = 0
		return 0
	}
	if w.shift.again(f.Shift) < agreeing {
		return 0
	}
	end := &f.Hops[f.Destination-1]
	fault := &vitals.OnsetFault{
		Fault: vitals.FaultShift, Since: w.window.At(s.turn(end.Base, end.Recent)), Was: end.Base, Is: end.Recent,
	}
	w.shift.say(p, f.at(f.Shift, fault), false)
	return 0
}

// since is the first trace at or after a time.
func (w *Window) since(t time.Time) int {
	for i := range w.rows {
		if !w.At(i).Before(t) {
			return i
		}
	}
	return len(w.rows)
}

// wentBack is how many traces there are until the RTT went back to what it was
// before a shift, where it did; else 0.
func (s *Scratch) wentBack(f *vitals.OnsetFault, since int) int {
	var late [newest]float64
	at, n := len(s.ends), 0
	for at > since && n < newest {
		if at--; s.ends[at].rtt > 0 {
			late[n] = s.ends[at].rtt
			n++
		}
	}
	slices.Sort(late[:])
	was, is := float64(f.Was), float64(f.Is)
	back := func(rtt float64) bool { return math.Abs(rtt-was) < math.Abs(rtt-is)/2 }
	if n < newest || !back(median(late[:])) {
		return 0
	}
	for at > since && (s.ends[at].rtt == 0 || back(s.ends[at].rtt)) {
		at--
	}
	return at + 1
}

// turn is the trace at which the RTT went over from one value to another: where
// the fewest before are nearer to the new one, and behind it to the old.
func (s *Scratch) turn(was, is time.Duration) int {
	best, at, score := 0, 0, 0
	for i, a := range s.ends {
		if a.rtt == 0 {
			continue
		}
		if math.Abs(a.rtt-float64(was)) < math.Abs(a.rtt-float64(is)) {
			score++
		} else {
			score--
		}
		if score > best {
			best, at = score, i+1
		}
	}
	return min(at, len(s.ends)-1)
}

// further reports whether a shift has gone on, or another way, by as much again as
// would be one.
func further(f *vitals.OnsetFault, is time.Duration) bool {
	moved := math.Abs(float64(is - f.Is))
	return moved > math.Max(math.Abs(float64(f.Is-f.Was))/2, math.Max(leastShift, leastShare*float64(f.Is)))
}

// again counts in how many findings in a row a fault is at a place.
func (s *stated) again(place Place) int {
	if !overlap(place, s.seen) {
		s.streak = 0
	}
	s.seen = place
	s.streak++
	return s.streak
}

// agrees takes where the last traces show loss, and reports whether enough in a
// row did to say so, or that there is none.
func (s *stated) agrees(place Place, destination int) bool {
	switch {
	case !place.Found && s.now == nil:
		s.streak = 0
		return false
	case !place.Found:
		s.streak = 0
		s.gone++
		return s.gone >= gone
	case s.now == nil && anywhere(place, destination):
		return s.again(place) >= vague
	case s.now == nil:
		return s.again(place) >= agreeing
	case s.is(place, destination):
		s.streak, s.gone = 0, 0
		return true
	}
	s.gone = 0
	return s.again(place) >= moving
}

// place is the one that is said.
func (s *stated) place() Place {
	return Place{Found: true, Before: s.now.Before.TTL, At: s.now.At.TTL}
}

// is reports whether a place is no other than the one that is said. To know where
// it is, after it was said to be anywhere, is news.
func (s *stated) is(place Place, destination int) bool {
	if s.now == nil || anywhere(s.place(), s.now.Destination) && !anywhere(place, destination) {
		return false
	}
	return overlap(place, s.place())
}

// anywhere reports whether a place is the whole path.
func anywhere(p Place, destination int) bool { return p.Before == 0 && p.At == destination && p.At > 1 }

// overlap reports whether two places may be the same. It is false for the zero
// Place.
func overlap(a, b Place) bool { return a.Before < b.At && b.Before < a.At }

// tell says what has been agreed on: loss at a place, or none. That it is where it
// was is no change, but the figures are those of now, and the place is what both
// say.
func (s *stated) tell(p *vitals.Path, f *Finding, place Place, fault *vitals.OnsetFault) {
	switch {
	case !place.Found:
		s.say(p, nil, false)
	case !s.is(place, f.Destination):
		s.say(p, f.at(place, fault), false)
	default:
		was := s.now
		fault.Since = was.Since
		s.now = f.at(place, fault)
		if fault.Before.TTL < was.Before.TTL {
			fault.Before = was.Before
		}
		if fault.At.TTL > was.At.TTL {
			fault.At = was.At
		}
	}
}

// say says another thing than before.
func (s *stated) say(p *vitals.Path, fault *vitals.OnsetFault, lasting bool) {
	p.OnsetChanges = append(p.OnsetChanges, vitals.OnsetChange{Before: s.now, After: fault, Lasting: lasting})
	*s = stated{now: fault}
}

// at is a fault with its place.
func (f *Finding) at(place Place, fault *vitals.OnsetFault) *vitals.OnsetFault {
	fault.Destination = f.Destination
	fault.Before, fault.At = f.hop(place.Before), f.hop(place.At)
	return fault
}

func (f *Finding) hop(ttl int) vitals.OnsetHop {
	h := vitals.OnsetHop{TTL: ttl}
	if ttl > 0 {
		h.Addr = f.Hops[ttl-1].Addr
	}
	return h
}

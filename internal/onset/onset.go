// SPDX-License-Identifier: Apache-2.0

// Package onset tells where on a path a fault begins: from what the hops
// answered in the last traces of one target it names the link behind which loss,
// or a shift of RTT, stays to the destination.
//
// What a router says of itself is no evidence of the path. A router answers
// with a limited rate (RFC 1812, 4.3.2.8) and from a slow processor, so loss and
// delay that a later hop does not show are its own. The fault is at most what
// every later hop shows; only that is looked for.
//
// Probes measure round trips: a fault of the way back from a hop and all behind
// it looks like a fault of the way there. A hop in front of the fault that by
// chance loses as many of its own answers as the path does cannot be told from
// the path; the fault is then named one link early.
//
// The room is pure: what to do with a finding, and how to escape it, is left to
// who shows it.
package onset

import (
	"net/netip"
	"time"

	"connmonitor/internal/vitals"
)

// Verdict is what the traces say as a whole.
type Verdict uint8

// The verdicts.
const (
	// NoEvidence: there is no trace, or none says anything of the destination.
	NoEvidence Verdict = iota
	// Clean: the destination answers, without loss or a shift worth a word.
	Clean
	// Faulty: the destination answers, and Loss or Shift (or both) is found.
	Faulty
	// Ends: the destination never answers, and nothing beyond hop Last does.
	Ends
	// Silent: nobody answers at all.
	Silent
)

// Hop is the evidence of one TTL, summed over the traces that count.
type Hop struct {
	// Addr is who answered last; the zero Addr when nobody did.
	Addr netip.Addr
	// Known and Lost count the first probes of each trace. A hop that was asked
	// again because it was silent counts as often as its neighbours: an outage
	// would else weigh more where it was looked at longer.
	Known, Lost int
	// Limited tells that the hop loses answers that later hops do not lose: its
	// own rate limit, not loss of the path.
	Limited bool
	// Slow tells that the hop's RTT shifted and that of a later one did not: its
	// own processor, not delay of the path.
	Slow bool
	// Balanced tells that more than one address answers here in turns.
	Balanced bool
	// Base and Recent are the median RTTs of the earlier and of the newest part
	// of the window; both 0 where there are too few answers.
	Base, Recent time.Duration

	answers  int // of all traces that count
	endKnown int // the destination's probes in the traces that asked this hop
	endLost  int
	excluded bool // its losses are no evidence of the path
}

// Loss is the share of probes lost, 0..1; 0 when none is known.
func (h *Hop) Loss() float64 { return ratio(h.Lost, h.Known) }

// answering tells that the hop's losses mean something: one that never
// answers is only discreet.
func (h *Hop) answering() bool { return h.answers > 0 && h.Known > 0 }

// Place says between which hops something begins: behind Before and not behind
// At. What lies between the two, if anything, cannot tell.
type Place struct {
	Found bool
	// Before is the TTL of the last hop that is shown to be free of it; 0 is the
	// vantage point itself.
	Before int
	// At is the TTL of the first hop that is shown to have it.
	At int
}

// Finding is what Find found.
type Finding struct {
	Verdict Verdict
	// Given is the number of traces in the window, Traces that of those that
	// took the present route; only these count.
	Given, Traces int
	// Hops[i] is the evidence of TTL i+1, up to the destination, or to the
	// deepest hop that was asked when that never answered.
	Hops []Hop
	// Destination is the TTL of the destination; 0 when it never answered.
	Destination int
	// Last is the TTL of the last hop that answers.
	Last int
	// Unreachable tells that in the newest trace a router reported the
	// destination unreachable.
	Unreachable bool
	// Loss and Shift say where loss and a shift of RTT begin.
	Loss, Shift Place
}

// MaxTTL is the largest TTL there is (RFC 791, 3.1); what a trace says beyond
// it is not read.
const MaxTTL = 255

// Find looks for where a fault begins, in the traces of one target by one flow,
// the oldest first. It never fails: counts that make no sense are cut to what
// is possible, and too little evidence is NoEvidence or Clean. Its work is
// proportional to traces times hops (and the logarithm of traces, for medians).
func Find(traces []vitals.Path) Finding {
	f := Finding{Given: len(traces)}
	r := present(traces)
	f.Traces, f.Destination = len(r.traces), r.length
	if f.Traces == 0 {
		return f
	}
	f.Hops = collect(traces, r)
	newest := &traces[r.traces[len(r.traces)-1]]
	f.Unreachable = newest.End == vitals.EndUnreachable
	for i := range f.Hops {
		if f.Hops[i].answers > 0 {
			f.Last = i + 1
		}
	}
	if f.Destination == 0 {
		f.Verdict = ending(&f)
		return f
	}
	end := &f.Hops[f.Destination-1]
	if !end.answering() {
		return f
	}
	exclude(f.Hops)
	f.Loss = placeLoss(f.Hops)
	f.Shift = placeShift(f.Hops, traces, r.traces)
	f.Verdict = Clean
	if f.Loss.Found || f.Shift.Found {
		f.Verdict = Faulty
	}
	return f
}

// fewestBeyond is how many probes beyond the last answering hop must have been
// lost before it is said that nothing answers there.
const fewestBeyond = 3

// ending is the verdict on traces that never reached the destination.
func ending(f *Finding) Verdict {
	beyond := 0
	for i := f.Last; i < len(f.Hops); i++ {
		beyond += f.Hops[i].Known
	}
	switch {
	case f.Last > 0 && (f.Unreachable || beyond >= fewestBeyond):
		return Ends
	case f.Last == 0 && beyond >= fewestBeyond:
		return Silent
	}
	return NoEvidence
}

// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math"
	"slices"
	"time"

	"connmonitor/internal/vitals"
)

const (
	// fewestRecent and fewestBase are how many RTTs a part of the window must
	// hold before its median is compared.
	fewestRecent = 5
	fewestBase   = 10
	// surely is how many standard errors a difference of medians must lie away
	// from what it is compared with.
	surely = 3.3
	// leastShift and leastShare bound what is a shift at all: a millisecond, and
	// a tenth of what it was.
	leastShift = float64(time.Millisecond)
	leastShare = 0.1
	// leastScore is the least standard score of the rank sums: what a shift of
	// all of the smallest window just reaches.
	leastScore = 3.0
	// leastError is the least standard error of a median: clocks and schedulers
	// are not better than that.
	leastError = float64(50 * time.Microsecond)
)

// drift is by how much the RTT of a hop moved, in ns, with its standard error.
type drift struct {
	by, doubt, score float64
	known            bool
}

// placeShift compares the newest quarter of the traces with those before it. A
// hop shows the shift of the destination when it surely moved by more than half
// of it, and is free of it when it surely moved by less.
func placeShift(hops []Hop, traces []vitals.Path, route []int) Place {
	recent := max(fewestRecent, len(route)/4)
	if len(route)-recent < fewestBase {
		return Place{}
	}
	base, late := make([]float64, 0, len(route)), make([]float64, 0, len(route))
	var drifts [MaxTTL]drift
	for k := range hops {
		base = rtts(base[:0], traces, route[:len(route)-recent], k)
		late = rtts(late[:0], traces, route[len(route)-recent:], k)
		drifts[k] = compare(&hops[k], base, late)
	}
	end := drifts[len(hops)-1]
	was := float64(hops[len(hops)-1].Base)
	size := math.Abs(end.by)
	if !end.known || size < max(leastShift, leastShare*was, surely*end.doubt) || math.Abs(end.score) < leastScore {
		// The destination did not move: what moved at all moved alone.
		markSlow(hops[:len(hops)-1], drifts[:len(hops)-1], 0)
		return Place{}
	}
	return follow(hops, drifts[:len(hops)], end.by/2)
}

// follow finds the last hop that is free of the shift, and the first behind it
// that has it.
func follow(hops []Hop, drifts []drift, half float64) Place {
	place := Place{Found: true, At: len(hops)}
	sign := math.Copysign(1, half)
	for k := len(hops) - 2; k >= 0; k-- {
		d := drifts[k]
		switch away := sign * (d.by - half); {
		case !d.known || math.Abs(away) <= surely*d.doubt:
		case away > 0:
			place.At = k + 1
		default:
			place.Before = k + 1
			markSlow(hops[:k], drifts[:k], math.Abs(half))
			return place
		}
	}
	return place
}

// markSlow marks the hops whose RTT moved by more than least, though that of a
// later one did not.
func markSlow(hops []Hop, drifts []drift, least float64) {
	for k := range hops {
		d := drifts[k]
		least := max(least, leastShift, leastShare*float64(hops[k].Base))
		hops[k].Slow = d.known && math.Abs(d.by) > least+surely*d.doubt && math.Abs(d.score) >= leastScore
	}
}

// rtts appends the RTTs of a hop, in ns, sorted.
func rtts(to []float64, traces []vitals.Path, route []int, k int) []float64 {
	for _, i := range route {
		p := &traces[i]
		if k >= len(p.Hops) || p.End == vitals.EndUnreachable && k == len(p.Hops)-1 {
			continue
		}
		if h := &p.Hops[k]; !h.Shared && h.Received > 0 && h.RTT > 0 {
			to = append(to, float64(h.RTT))
		}
	}
	slices.Sort(to)
	return to
}

// compare compares two sorted samples, and overwrites them.
func compare(h *Hop, base, late []float64) drift {
	if len(base) < fewestBase || len(late) < fewestRecent {
		return drift{}
	}
	was, is := median(base), median(late)
	h.Base, h.Recent = time.Duration(was), time.Duration(is)
	d := drift{by: is - was, score: rankSum(base, late), known: true}
	// 1.4826 makes the median absolute deviation one standard deviation of a
	// normal distribution, 1.2533 is the standard error of a median for one.
	error2 := func(sorted []float64, middle float64) float64 {
		e := 1.4826 * 1.2533 * deviation(sorted, middle)
		return e * e / float64(len(sorted))
	}
	d.doubt = max(leastError, math.Sqrt(error2(base, was)+error2(late, is)))
	return d
}

// deviation is the median absolute deviation; it overwrites the values.
func deviation(values []float64, middle float64) float64 {
	for i, v := range values {
		values[i] = math.Abs(v - middle)
	}
	slices.Sort(values)
	return median(values)
}

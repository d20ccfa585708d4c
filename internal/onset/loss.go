// SPDX-License-Identifier: Apache-2.0

package onset

import "math"

const (
	// floor is the loss that nobody is sent out for: only loss that is surely
	// above it is a finding.
	floor = 0.005
	// fewestLost is how many probes must be lost from the onset on, at all hops
	// together.
	fewestLost = 3
	// doubt is by how much (as a logarithm) the data may be less likely with
	// another place than with the likeliest before that place is ruled out: one
	// in a thousand.
	doubt = 7.5
	// fewestKnown is how many probes a hop must have been asked before its loss
	// is believed to be that of the path; with fewer, two routers in a row that
	// limit their answers look like it too often.
	fewestKnown = 30
	// limiting is the share of routers that limit their answers noticeably.
	limiting = 0.1
	// confidence is how much likelier (as a logarithm) hops must be to show the
	// loss of the path than one of their own.
	confidence = 4.2
)

// exclude marks the hops that lose answers of their own: more than the hop
// behind them that surely loses the least. Suspicion suffices to leave a hop
// out of the evidence, for that only makes the place wider; to say that a
// router limits its answers takes more.
func exclude(hops []Hop) {
	end := &hops[len(hops)-1]
	floor := end
	for k := len(hops) - 2; k >= 0; k-- {
		h := &hops[k]
		if !h.answering() {
			continue
		}
		h.excluded = exceeds(h.Lost, h.Known, floor.Lost, floor.Known, z99) || elsewhen(h, end)
		h.Limited = h.Lost >= fewestLost && exceeds(h.Lost, h.Known, floor.Lost, floor.Known, z999)
		if most(h.Lost, h.Known, z95) < most(floor.Lost, floor.Known, z95) {
			floor = h
		}
	}
}

// elsewhen reports whether the traces that asked the hop are not like the
// others: the destination lost more, or less, in them. The hop was then asked at
// another time than the loss happened.
func elsewhen(h, end *Hop) bool {
	known, lost := end.Known-h.endKnown, end.Lost-h.endLost
	if known <= 0 || h.endKnown <= 0 {
		return false
	}
	return exceeds(lost, known, h.endLost, h.endKnown, z99) || exceeds(h.endLost, h.endKnown, lost, known, z99)
}

// placeLoss finds where loss that persists to the destination begins. The hops
// in front of the onset lose no more than is let pass, those behind it lose
// more; the onset is where that describes the answers best, and the place spans
// all onsets that are not ruled out.
func placeLoss(hops []Hop) Place {
	var ttls [MaxTTL]int
	n := 0
	for k := range hops {
		if hops[k].answering() && !hops[k].excluded {
			ttls[n] = k + 1
			n++
		}
	}
	evidence := ttls[:n]
	first, last, best := split(hops, evidence)
	if !material(hops, evidence[best:]) {
		return Place{}
	}
	last = confirm(hops, evidence, last)
	place := Place{Found: true, At: evidence[last]}
	if first > 0 {
		place.Before = evidence[first-1]
	}
	return place
}

// confirm goes on from the last likely onset until the hops show the loss of the
// path beyond the doubt that it is their own.
func confirm(hops []Hop, evidence []int, last int) int {
	lost, known := sum(hops, evidence[last:])
	share := ratio(lost, known)
	for belief := 0.0; last < len(evidence)-1; last++ {
		h := &hops[evidence[last]-1]
		if belief += trust(h, share); belief >= confidence && h.Known >= fewestKnown {
			break
		}
	}
	return last
}

// trust is how much likelier it is, as a logarithm, that the hop shows the loss
// of the path than that it loses as much of its own: one router in ten does, and
// any share is as likely as another, so that of n probes any number is lost with
// 1/(n+1). That a hop loses less than those behind it is no reason for doubt: the
// path may lose more further on.
func trust(h *Hop, share float64) float64 {
	lost := int(math.Round(max(h.Loss(), share) * float64(h.Known)))
	choose := lgamma(h.Known+1) - lgamma(lost+1) - lgamma(h.Known-lost+1)
	return choose + likelihood(lost, h.Known, share) - math.Log(limiting/float64(h.Known+1))
}

func lgamma(n int) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

// material reports whether the hops from the onset on, and the last of them by
// itself, lose more than is let pass.
func material(hops []Hop, evidence []int) bool {
	lost, known := sum(hops, evidence)
	end := &hops[evidence[len(evidence)-1]-1]
	return lost >= fewestLost && least(lost, known, z999) >= floor &&
		end.Lost > 0 && least(end.Lost, end.Known, z95) >= floor
}

func sum(hops []Hop, evidence []int) (lost, known int) {
	for _, ttl := range evidence {
		lost += hops[ttl-1].Lost
		known += hops[ttl-1].Known
	}
	return lost, known
}

// split returns the likeliest onset as an index of evidence, and the first and
// the last that are not ruled out. The loss behind the onset is taken to be no
// more than the destination's, which no router's own loss raises.
func split(hops []Hop, evidence []int) (first, last, best int) {
	var scores [MaxTTL]float64
	allLost, allKnown := sum(hops, evidence)
	end := hops[evidence[len(evidence)-1]-1].Loss()
	lost, known := 0, 0
	for i, ttl := range evidence {
		front := min(ratio(lost, known), floor)
		behind := max(min(ratio(allLost-lost, allKnown-known), end), floor)
		scores[i] = likelihood(lost, known, front) + likelihood(allLost-lost, allKnown-known, behind)
		if scores[i] > scores[best] {
			best = i
		}
		lost += hops[ttl-1].Lost
		known += hops[ttl-1].Known
	}
	first, last = best, best
	for i := range evidence {
		if scores[i] >= scores[best]-doubt {
			first, last = min(first, i), max(last, i)
		}
	}
	return first, last, best
}

// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"net/netip"
	"slices"

	"connmonitor/internal/vitals"
)

// route is the way that the newest trace took.
type route struct {
	traces   []int // indices of the traces that took it, the oldest first
	length   int   // TTL of the destination; 0 when none of the traces reached it
	balanced [MaxTTL]bool
}

// fewestRuns is how many runs of one address make a hop a load balanced one. A
// route that moves makes two, one that moves and moves back three.
const fewestRuns = 4

// present finds the present route: that of the newest trace, and of all older
// ones that fit it. Two fit when they answer with the same address at every TTL
// where both answer (contract 1.6), but for hops where addresses take turns,
// and reach the destination at the same TTL.
func present(traces []vitals.Path) route {
	var r route
	balance(traces, &r.balanced)
	r.length = length(traces, &r.balanced)
	var addrs [MaxTTL]netip.Addr
	reached := false
	for i, p := range slices.Backward(traces) {
		if len(p.Hops) == 0 || !r.fits(&p, &addrs) {
			continue
		}
		r.traces = append(r.traces, i)
		reached = reached || p.End == vitals.EndReached
		for k := range compared(&p, r.length) {
			if a := address(&p.Hops[k]); a.IsValid() && !addrs[k].IsValid() {
				addrs[k] = a
			}
		}
	}
	if !reached {
		r.length = 0
	}
	slices.Reverse(r.traces)
	return r
}

// address is who answered a probe of this very trace.
func address(h *vitals.Hop) netip.Addr {
	if h.Shared {
		return netip.Addr{}
	}
	return h.Addr
}

// compared is how many hops of a trace tell its route: not the router that
// reports the destination unreachable, which answers for a hop that may not be
// its own, nor what lies beyond the destination.
func compared(p *vitals.Path, length int) int {
	n := min(len(p.Hops), MaxTTL)
	if p.End == vitals.EndUnreachable {
		n = max(n-1, 0)
	}
	if length > 0 {
		n = min(n, length)
	}
	return n
}

func (r *route) fits(p *vitals.Path, addrs *[MaxTTL]netip.Addr) bool {
	if p.End == vitals.EndReached && len(p.Hops) != r.length {
		return false
	}
	for k := range compared(p, r.length) {
		a := address(&p.Hops[k])
		if a.IsValid() && addrs[k].IsValid() && a != addrs[k] && !r.balanced[k] {
			return false
		}
	}
	return true
}

// length is the TTL of the destination in the newest trace that reached it. A
// trace in which every probe with that TTL was lost shows the destination
// further away than it is, so the two before it are asked as well.
func length(traces []vitals.Path, balanced *[MaxTTL]bool) int {
	var first *vitals.Path
	n, seen := 0, 0
	for i := len(traces) - 1; i >= 0 && seen < 3; i-- {
		p := &traces[i]
		if p.End != vitals.EndReached || len(p.Hops) == 0 || len(p.Hops) > MaxTTL {
			continue
		}
		seen++
		switch {
		case first == nil:
			first, n = p, len(p.Hops)
		case len(p.Hops) < n && agree(first, p, balanced) && !address(&first.Hops[len(p.Hops)-1]).IsValid():
			n = len(p.Hops)
		}
	}
	return n
}

func agree(a, b *vitals.Path, balanced *[MaxTTL]bool) bool {
	for k := range min(len(a.Hops), len(b.Hops)) {
		x, y := address(&a.Hops[k]), address(&b.Hops[k])
		if x.IsValid() && y.IsValid() && x != y && !balanced[k] {
			return false
		}
	}
	return true
}

// balance finds the hops where addresses take turns.
func balance(traces []vitals.Path, balanced *[MaxTTL]bool) {
	var last [MaxTTL]netip.Addr
	var runs [MaxTTL]int
	for i := range traces {
		p := &traces[i]
		for k := range compared(p, 0) {
			if a := address(&p.Hops[k]); a.IsValid() && a != last[k] {
				last[k] = a
				runs[k]++
				balanced[k] = runs[k] >= fewestRuns
			}
		}
	}
}

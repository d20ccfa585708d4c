// SPDX-License-Identifier: Apache-2.0

package onset

import "connmonitor/internal/vitals"

// collect sums up what each hop answered in the traces of the route.
func collect(traces []vitals.Path, r route) []Hop {
	depth := r.length
	for _, i := range r.traces {
		if r.length == 0 {
			depth = max(depth, min(len(traces[i].Hops), MaxTTL))
		}
	}
	hops := make([]Hop, depth)
	for _, i := range r.traces {
		add(hops, &traces[i], r.length)
	}
	for k := range hops {
		hops[k].Balanced = r.balanced[k]
	}
	return hops
}

// add adds one trace.
func add(hops []Hop, p *vitals.Path, length int) {
	each := probes(p)
	n := min(len(p.Hops), len(hops))
	if length > 0 {
		n = compared(p, length)
	}
	var endKnown, endLost int
	switch {
	case length > 0 && p.End == vitals.EndUnreachable:
		// The router that says so speaks for the destination.
		endKnown, endLost = 1, 1
		hops[length-1].Known++
		hops[length-1].Lost++
		n = min(n, length-1)
	case length > 0 && n == length:
		endKnown, endLost, _ = count(&p.Hops[length-1], each)
	}
	for k := range n {
		known, lost, answers := count(&p.Hops[k], each)
		if known == 0 {
			continue
		}
		h := &hops[k]
		h.Known += known
		h.Lost += lost
		h.answers += answers
		h.endKnown += endKnown
		h.endLost += endLost
		if answers > 0 && p.Hops[k].Addr.IsValid() {
			h.Addr = p.Hops[k].Addr
		}
	}
}

// probes is how many probes every hop of the trace was asked with; what a hop
// was asked more was asked because it was silent.
func probes(p *vitals.Path) int {
	each := 0
	for k := range min(len(p.Hops), MaxTTL) {
		if h := &p.Hops[k]; !h.Shared && h.Sent > 0 && (each == 0 || int(h.Sent) < each) {
			each = int(h.Sent)
		}
	}
	return each
}

// count is the evidence of one hop of one trace. Shared answers and what our
// own side spoiled are none; counts that contradict each other are cut.
func count(h *vitals.Hop, each int) (known, lost, answers int) {
	if h.Shared || h.Unknown >= h.Sent {
		return 0, 0, 0
	}
	known = int(h.Sent - h.Unknown)
	answers = min(int(h.Received), known)
	lost = known - answers
	known = min(known, each)
	return known, min(lost, known), answers
}

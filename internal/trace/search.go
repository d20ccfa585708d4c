// SPDX-License-Identifier: Apache-2.0

package trace

// sampling reports whether answers of the sampled TTL may still come.
func (r *run) sampling(now int64) bool {
	if r.sampled == 0 {
		return false
	}
	h := &r.hops[r.sampled-1]
	return h.pending > 0 && now-h.asked < min(max(leastPatient, 3*h.rtt), r.timeout)
}

// search asks further TTLs while the end of the path is not known. A window of
// them is out at the same time; a hop that has been silent for a while no
// longer counts, and while nothing comes at all the window doubles, so that
// even 255 TTLs have been asked well within the time-out.
func (r *run) search(now int64, send func(ttl int)) (next int64, over bool) {
	patience := min(max(leastPatient, 3*r.slowest), r.timeout/8)
	if now-max(r.widened, r.left) >= patience {
		r.window = min(2*r.window, 255)
		r.widened = now
	}
	out, last := 0, len(r.hops)
	for k := range r.hops[:r.top] {
		if h := &r.hops[k]; !h.answered() && !h.skipped && now-h.asked < patience {
			out++
		}
	}
	// Nothing lies behind the destination, which is given twice its last time.
	hold := max(patience, min(2*r.memory.rtt, r.timeout))
	if known := r.guess(); known > 0 && now-r.begun-r.late < hold {
		last = min(last, known)
	}
	for out < r.window && r.top < last {
		r.top++
		send(r.top)
		if !r.hops[r.top-1].skipped {
			out++
		}
	}
	if r.top < len(r.hops) {
		return now + patience/4, false
	}
	return r.searchEnd(now, patience, send)
}

// guess is the TTL at which the destination is expected: where it was, or, when it
// was never seen, where that of the trace before was, until a router answers there;
// 0: nowhere.
func (r *run) guess() int {
	if known := r.memory.length(); known > 0 {
		return known
	}
	if guess := r.routers.length; guess > 0 && guess <= len(r.hops) && !r.hops[guess-1].answered() {
		return guess
	}
	return 0
}

// searchEnd waits for the answers to the last TTLs, and asks the largest again.
func (r *run) searchEnd(now, patience int64, send func(ttl int)) (next int64, over bool) {
	last := &r.hops[len(r.hops)-1]
	if !last.answered() && last.tries < askDestination && now-last.asked >= patience {
		send(len(r.hops))
	}
	if !last.answered() && last.tries < askDestination {
		return last.asked + patience, false
	}
	for k := len(r.hops) - 1; k >= 0 && !r.hops[k].answered(); k-- {
		if r.hops[k].pending > 0 {
			return now + r.timeout, false // its verdict comes by itself
		}
	}
	return r.wait(now, send)
}

// wait waits for the hops before the end: each silent one for 100 ms, or three
// times the RTT of the next answering hop if that is longer. One that was asked
// several times shall tell what became of each.
func (r *run) wait(now int64, send func(ttl int)) (next int64, over bool) {
	last := r.top
	if r.end > 0 {
		last = r.end
		for r.top < last {
			r.top++
			send(r.top)
		}
	}
	if last < 1 {
		return 0, true
	}
	next = int64(-1)
	after := r.hops[last-1].rtt
	for k := last - 1; k >= 0; k-- {
		h := &r.hops[k]
		if h.skipped {
			continue
		}
		t, awaited := h.asked+min(max(leastPatient, 3*after), r.timeout), h.pending > 0
		switch {
		case h.answered():
			after = h.rtt
			t = h.others()
		case r.doubtful(k + 1):
			t = r.doubt(k+1, now, send)
			awaited = h.pending > 0 || h.first == 0
		}
		if awaited && now < t && (next < 0 || t < next) {
			next = t
		}
	}
	return next, next < 0
}

// others is until when the other answers of a hop are awaited that was asked
// several times, and has answered: what has not come a little after the first did
// is lost, and not only late.
func (h *hop) others() int64 {
	if h.tries < 2 {
		return 0
	}
	return h.asked + h.rtt + max(h.rtt/2, leastPatient/20)
}

// doubt asks the hop before the end again, all at once, when it should have
// answered by now were it the destination, and returns until when to wait for it:
// no less than for any silent hop.
func (r *run) doubt(ttl int, now int64, send func(ttl int)) (until int64) {
	h, end := &r.hops[ttl-1], &r.hops[r.end-1]
	first := h.asked
	if h.first != 0 {
		first = h.first
	}
	patience := min(max(leastPatient, 3*end.rtt), r.timeout)
	if due := first + end.rtt + leastPatient/20; now < due {
		return due
	}
	if h.first == 0 {
		h.first = first
		for h.tries < askBefore {
			send(ttl)
		}
	}
	return max(first+patience, min(h.asked+max(leastPatient/2, 2*end.rtt), h.asked+r.timeout))
}

// doubtful reports whether a silent hop must be asked again: the one before
// the end of the path, unless the end is where it was found before.
func (r *run) doubtful(ttl int) bool {
	if r.end == 0 || ttl != r.end-1 {
		return false
	}
	return !r.reached || !r.memory.agrees(r.end)
}

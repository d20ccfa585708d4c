// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// run is one trace under way.
type run struct {
	hops    []hop // by TTL-1
	top     int   // TTLs 1..top were asked
	end     int   // TTL of the destination, or of who reported it unreachable; 0: not known
	reached bool  // end is the destination
	window  int   // how many unanswered TTLs may be out
	begun   int64
	widened int64 // when the window last grew because nothing came
	slowest int64 // the largest RTT of an answer
	timeout int64
	memory  *Memory
	udp     bool // probes are UDP, so that "port unreachable" is the destination's answer
	sending bool
	refused int
	cause   syscall.Errno
}

// hop is what one TTL answered.
type hop struct {
	from     rawsock.Addr
	rtt      int64
	asked    int64 // when it was asked last, mono ns
	tries    uint8
	pending  uint8 // probes without a verdict
	refused  uint8 // probes that our own side spoiled
	answered bool
}

const (
	firstWindow  = 8
	leastPatient = int64(100 * time.Millisecond)
	// askDestination is how often the largest TTL is asked when nothing
	// answers there (contract 1.6).
	askDestination = 3
	// askBefore is how often the hop before the destination is asked while it
	// is silent: were it the destination itself, of which the answer was lost,
	// the path would seem a hop longer than it is. At 20 % loss seven misses
	// are one in 80,000.
	askBefore = 7
)

func newRun(e *target, udp bool, now int64) *run {
	r := &run{
		hops: make([]hop, e.plan.Hops), window: firstWindow, begun: now, widened: now,
		timeout: int64(e.plan.Timeout), memory: e.memory, udp: udp,
	}
	// What was found last time is asked all at once.
	r.window = max(r.window, min(e.memory.length(), e.plan.Hops))
	return r
}

// take takes the verdict of one probe.
func (r *run) take(ttl uint8, v *prober.Result, to rawsock.Addr, now int64) {
	h := &r.hops[ttl-1]
	h.pending--
	switch v.Verdict {
	case prober.Replied, prober.Expired, prober.Unreachable:
	case prober.Unknown:
		r.refused++
		h.refused++
		r.cause = v.Errno
		return
	default:
		return
	}
	if h.answered || v.Local {
		return // that our own host knows no neighbour is no hop's answer
	}
	h.answered, h.from, h.rtt = true, v.From, int64(v.RTT)
	arrived := v.Verdict == prober.Replied ||
		v.Verdict == prober.Unreachable && (v.From.Same(to) || r.udp && portUnreachable(v))
	ends := arrived || v.Verdict == prober.Unreachable
	r.slowest = max(r.slowest, h.rtt)
	r.widened = now
	if ends && (r.end == 0 || int(ttl) < r.end) {
		r.end, r.reached = int(ttl), arrived
	}
}

// portUnreachable: ICMP type 3 code 3 (RFC 792), ICMPv6 type 1 code 4 (RFC
// 4443). A host with several addresses may send it from another one than was
// asked.
func portUnreachable(v *prober.Result) bool {
	return v.Type == wire.TypeDestinationUnreachable && v.Code == wire.CodePortUnreachable ||
		v.Type == wire.Type6DestinationUnreachable && v.Code == wire.Code6PortUnreachable
}

// plan asks what is to be asked now; next is when to look again unless an
// answer comes before, over that the trace is finished.
func (r *run) plan(now int64, ask func(ttl, try uint8)) (next int64, over bool) {
	send := func(ttl int) {
		h := &r.hops[ttl-1]
		h.tries++
		h.pending++
		h.asked = now
		ask(uint8(ttl), h.tries)
	}
	if now-r.begun >= 2*r.timeout {
		return 0, true
	}
	if r.end == 0 {
		next, over = r.search(now, send)
	} else {
		next, over = r.wait(now, send)
	}
	return min(next, r.begun+2*r.timeout), over
}

// search asks further TTLs while the end of the path is not known. A window of
// them is out at the same time; a hop that has been silent for a while no
// longer counts, and while nothing comes at all the window doubles, so that
// even 255 TTLs have been asked well within the time-out.
func (r *run) search(now int64, send func(ttl int)) (next int64, over bool) {
	patience := min(max(leastPatient, 3*r.slowest), r.timeout/8)
	if now-r.widened >= patience {
		r.window = min(2*r.window, 255)
		r.widened = now
	}
	out, last := 0, len(r.hops)
	for k := range r.hops[:r.top] {
		if h := &r.hops[k]; !h.answered && now-h.asked < patience {
			out++
		}
	}
	if known := r.memory.length(); known > 0 && now-r.begun < patience {
		last = min(last, known) // nothing lies behind the destination
	}
	for ; out < r.window && r.top < last; out++ {
		r.top++
		send(r.top)
	}
	if r.top < len(r.hops) {
		return now + patience/4, false
	}
	return r.searchEnd(now, patience, send)
}

// searchEnd waits for the answers to the last TTLs, and asks the largest again.
func (r *run) searchEnd(now, patience int64, send func(ttl int)) (next int64, over bool) {
	last := &r.hops[len(r.hops)-1]
	if !last.answered && last.tries < askDestination && now-last.asked >= patience {
		send(len(r.hops))
	}
	if !last.answered && last.tries < askDestination {
		return last.asked + patience, false
	}
	for k := len(r.hops) - 1; k >= 0 && !r.hops[k].answered; k-- {
		if r.hops[k].pending > 0 {
			return now + r.timeout, false // its verdict comes by itself
		}
	}
	return r.wait(now, send)
}

// wait waits for the hops before the end: each silent one for 100 ms, or three
// times the RTT of the next answering hop if that is longer.
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
	for k := last - 2; k >= 0; k-- {
		h := &r.hops[k]
		if h.answered {
			after = h.rtt
			continue
		}
		patience := min(max(leastPatient, 3*after), r.timeout)
		if now-h.asked >= patience || h.pending == 0 {
			if !r.doubtful(k + 1) {
				continue
			}
			send(k + 1)
			if h.tries < askBefore {
				send(k + 1) // two at a time: loss is what this is for
			}
		}
		if t := h.asked + patience; next < 0 || t < next {
			next = t
		}
	}
	return next, next < 0
}

// doubtful reports whether a silent hop must be asked again: the one before
// the end of the path, unless the end is where it was found before.
func (r *run) doubtful(ttl int) bool {
	if r.end == 0 || ttl != r.end-1 || r.hops[ttl-1].tries >= askBefore {
		return false
	}
	return !r.reached || !r.memory.agrees(r.end)
}

// refuse spoils a trace of which no probe could be sent.
func (r *run) refuse(err error) {
	r.refused++
	if !errors.As(err, &r.cause) {
		r.cause = syscall.EIO
	}
}

// spoiled reports whether our own side left no answer and no silence that
// means anything.
func (r *run) spoiled() bool {
	if r.refused == 0 || !r.reached {
		return r.refused > 0
	}
	// The way came back amid the trace: a hop that was never asked is not silent.
	return slices.ContainsFunc(r.hops[:r.end], func(h hop) bool {
		return !h.answered && h.tries > 0 && h.refused == h.tries
	})
}

// path is the result.
func (r *run) path(v6 bool) *vitals.Path {
	n, end := len(r.hops), vitals.EndHops
	switch {
	case r.end > 0 && r.reached:
		n, end = r.end, vitals.EndReached
	case r.end > 0:
		n, end = r.end, vitals.EndUnreachable
		// A router that looks at the TTL first says "time exceeded" at its own
		// one and "unreachable" to the next, which is no hop of the path.
		if n > 1 && r.hops[n-2].answered && r.hops[n-2].from == r.hops[n-1].from {
			n--
		}
	}
	p := &vitals.Path{Hops: make([]vitals.Hop, n), End: end}
	for i := range p.Hops {
		if h := &r.hops[i]; h.answered {
			p.Hops[i] = vitals.Hop{Addr: h.from.Netip(v6).WithZone(""), RTT: time.Duration(h.rtt)}
		}
	}
	return p
}

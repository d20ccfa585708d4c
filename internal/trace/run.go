// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"net/netip"
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
	other   bool  // it, or who seems to be it, answered from another address
	window  int   // how many unanswered TTLs may be out
	begun   int64
	late    int64 // how long a probe was held back at the most
	left    int64 // when the last one that was leaves
	next    int64 // when it was to be looked at again
	widened int64 // when the window last grew because nothing came
	slowest int64 // the largest RTT of an answer
	timeout int64
	memory  *Memory
	routers *routers
	// expected are the routers by TTL-1, where nobody has answered (expect).
	expected []*router
	udp      bool // probes are UDP, so that "port unreachable" is the destination's answer
	v6       bool
	refused  int
	cause    syscall.Errno
	// sampled is a TTL that is asked several times over, because what it answers
	// has differed; 0: none. samples are the answers.
	sampled int
	samples []netip.Addr
	// cut are those that were heard without a quote, found how many of them were
	// found at a TTL, single is the TTL that is asked alone (alone.go); 0: none is.
	cut           []rawsock.Addr
	found, single int
	second        bool // who was heard meanwhile is looked for, too
	// again are the answers after the first of their TTL.
	again []repeated
}

// repeated is what a TTL that was asked several times has answered again.
type repeated struct {
	ttl uint8
	rtt int64
}

// hop is what one TTL answered. What is looked at for each answer of the trace
// stands first.
type hop struct {
	asked    int64 // when the last probe left, or leaves, mono ns
	rtt      int64
	first    int64 // when before it was asked again in doubt; 0: it was not
	skipped  bool  // not asked: who is there limits its answers
	tries    uint8
	pending  uint8 // probes without a verdict
	refused  uint8 // probes that our own side spoiled
	received uint8 // answers
	from     rawsock.Addr
	reply    vitals.Reply
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
	// moreSamples is how often the sampled TTL is asked besides: that a router which
	// spreads packets evenly over two ways takes one of them ten times in a row,
	// with the probe before, is one in a thousand.
	moreSamples = 8
)

// begin makes a run that is over, or the zero run, a new one.
func (r *run) begin(p *Plan, m *Memory, rs *routers, udp, v6 bool, now int64) {
	hops := slices.Grow(r.hops[:0], p.Hops)[:p.Hops]
	clear(hops)
	*r = run{
		hops: hops, expected: r.expected, window: firstWindow, begun: now, widened: now,
		timeout: int64(p.Timeout), memory: m, routers: rs, udp: udp, v6: v6,
	}
	// What was found last time is asked all at once.
	r.window = max(r.window, min(m.length(), p.Hops))
	r.expect()
}

func (h *hop) answered() bool { return h.received > 0 }

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
	if v.Cut && !r.heard(ttl, v.From) {
		return
	}
	if v.Local {
		return // that our own host knows no neighbour is no hop's answer
	}
	if int(ttl) == r.sampled {
		r.samples = append(r.samples, v.From.Netip(r.v6).WithZone(""))
	}
	if h.received++; h.received > 1 {
		r.again = append(r.again, repeated{ttl, int64(v.RTT)})
		return
	}
	h.from, h.rtt, h.reply = v.From, int64(v.RTT), replyOf(v, r.v6)
	arrived := v.Verdict == prober.Replied ||
		v.Verdict == prober.Unreachable && (v.From.Same(to) || r.udp && portUnreachable(v))
	ends := arrived || v.Verdict == prober.Unreachable
	r.slowest = max(r.slowest, h.rtt)
	r.widened = now
	if ends && (r.end == 0 || int(ttl) < r.end) {
		r.end, r.reached, r.other = int(ttl), arrived, !v.From.Same(to)
		if arrived {
			r.routers.length = r.end
		}
	}
}

// replyOf is what an answer says beside who sent it.
func replyOf(v *prober.Result, v6 bool) vitals.Reply {
	a := vitals.Reply{TTL: v.TTL, Type: v.Type, Code: v.Code}
	if v.Quote == nil {
		return a
	}
	a.Quotes, a.QuotedTTL = true, v.Quote.TTL
	if !v.Quote.To.IsZero() {
		a.Rewritten = v.Quote.To.Netip(v6)
	}
	for _, l := range v.Quote.Labels.Entries[:v.Quote.Labels.N] {
		a.Labels = append(a.Labels, vitals.Label{Value: l.Label(), TrafficClass: l.TrafficClass(), Bottom: l.Bottom(), TTL: l.TTL()})
	}
	return a
}

// portUnreachable: ICMP type 3 code 3 (RFC 792), ICMPv6 type 1 code 4 (RFC
// 4443). A host with several addresses may send it from another one than was
// asked.
func portUnreachable(v *prober.Result) bool {
	return v.Type == wire.TypeDestinationUnreachable && v.Code == wire.CodePortUnreachable ||
		v.Type == wire.Type6DestinationUnreachable && v.Code == wire.Code6PortUnreachable
}

// plan asks what is to be asked now; next is when to look again unless an
// answer comes before, over that the trace is finished. ask returns when the probe
// leaves: who asks for more than may be sent waits for that too. Where it is not
// timed, but an answer has come, nothing is decided after a pause of this process.
func (r *run) plan(now int64, timed bool, ask func(ttl uint8) (leaves int64)) (next int64, over bool) {
	if pause := now - r.next; r.next > 0 && pause > leastPatient {
		if !timed {
			return now, false // the other answers that came meanwhile are told of first
		}
		r.late += pause
	}
	defer func() { r.next = next }()
	send := func(ttl int) {
		h := &r.hops[ttl-1]
		if h.skipped = r.skips(ttl, now); h.skipped {
			return
		}
		h.tries++
		h.pending++
		h.asked = ask(uint8(ttl))
		if h.asked > now {
			r.left, r.late = h.asked, max(r.late, h.asked-now)
		}
	}
	if r.sampled > 0 && r.hops[r.sampled-1].tries == 0 {
		for range moreSamples {
			send(r.sampled)
		}
	}
	if now-r.begun >= 2*r.timeout+r.late {
		return 0, true
	}
	if r.end == 0 {
		next, over = r.search(now, send)
	} else {
		next, over = r.wait(now, send)
	}
	if over && r.sampling(now) {
		next, over = now+leastPatient/4, false
	}
	return min(next, r.begun+2*r.timeout+r.late), over
}

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
		return !h.answered() && h.tries > 0 && h.refused == h.tries
	})
}

// path is the result.
func (r *run) path() *vitals.Path {
	n, end, refused := len(r.hops), vitals.EndHops, r.refuses()
	switch {
	case refused:
		n, end = r.end-1, vitals.EndUnreachable
	case r.end > 0 && r.reached:
		n, end = r.end, vitals.EndReached
	case r.end > 0:
		n, end = r.end, vitals.EndUnreachable
	}
	p := &vitals.Path{Hops: make([]vitals.Hop, n), End: end}
	for i := range p.Hops {
		h := &r.hops[i]
		p.Hops[i] = vitals.Hop{Sent: h.tries, Received: h.received, Unknown: h.refused}
		if h.answered() {
			p.Hops[i].Addr, p.Hops[i].RTT = h.from.Netip(r.v6).WithZone(""), time.Duration(h.rtt)
			p.Hops[i].Reply = h.reply
		}
	}
	if refused {
		// What it says to the TTL behind its own is no hop of the path, but what it
		// has to say.
		said := r.hops[n].reply
		p.Hops[n-1].Reply.Type, p.Hops[n-1].Reply.Code = said.Type, said.Code
	}
	r.repeat(p)
	return p
}

// refuses reports whether the end is a router's that looks at the TTL first: it
// says "time exceeded" at its own one and "unreachable" to the next. That of a port
// a firewall says as well; a host would not have let the TTL expire.
func (r *run) refuses() bool {
	if r.end < 2 || r.reached && !r.other {
		return false
	}
	before, end := &r.hops[r.end-2], &r.hops[r.end-1]
	return before.answered() && before.from == end.from && isExpired(before.reply.Type, r.v6)
}

// repeat puts into a path the RTTs of hops that have answered several times.
func (r *run) repeat(p *vitals.Path) {
	for _, a := range r.again {
		if int(a.ttl) > len(p.Hops) {
			continue
		}
		h := &p.Hops[a.ttl-1]
		if h.RTTs == nil {
			h.RTTs = append(make([]time.Duration, 0, h.Received), h.RTT)
		}
		h.RTTs = append(h.RTTs, time.Duration(a.rtt))
	}
}

// runs are those that are over, to be used again.
type runs []*run

// mostSpare is how many are kept at most: some megabytes.
const mostSpare = 512

func (rs *runs) take() *run {
	n := len(*rs)
	if n == 0 {
		return &run{}
	}
	r := (*rs)[n-1]
	*rs = (*rs)[:n-1]
	return r
}

func (rs *runs) giveBack(r *run) {
	if len(*rs) < mostSpare {
		r.memory, r.samples = nil, nil
		*rs = append(*rs, r)
	}
}

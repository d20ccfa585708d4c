// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
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

// refuse spoils a trace of which no probe could be sent.
func (r *run) refuse(err error) {
	r.refused++
	if !errors.As(err, &r.cause) {
		r.cause = syscall.EIO
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

// SPDX-License-Identifier: Apache-2.0

package pmtu

import (
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// steps are what a round consists of: one probe after the other.
type steps interface {
	// next is the probe that is to be sent; false when the steps are at their end.
	next() (size, ttl int, ok bool)
	// take takes what became of it.
	take(a *answer)
	// tries is how often the probe has been lost so far, for its time-out.
	tries() int
}

// run is what is under way of a target.
type run struct {
	steps     steps
	timeout   int64
	slowest   int64 // the largest RTT of an answer
	sent      int
	spoiled   int
	cause     syscall.Errno
	differing vitals.MTU // what the search before found, where it differs from what is known
	repeats   int
}

// answer is a verdict in the words of this room.
type answer struct {
	kind      answerKind
	size, ttl int // of the probe
	from      rawsock.Addr
	told      int // reported: the next hop's MTU
	rtt       int64
	errno     syscall.Errno
}

type answerKind uint8

const (
	lost     answerKind = iota // or answered by what says nothing of the size
	passed                     // it came to the target
	expired                    // it came to the router of its TTL
	reported                   // a router says that it is too large
	refused                    // our own kernel says so
	spoiled                    // by our own side
)

func answerOf(v *prober.Result, to rawsock.Addr) answer {
	a := answer{from: v.From, told: v.MTU, rtt: int64(v.RTT), errno: v.Errno}
	switch {
	case v.Verdict == prober.Replied, v.Verdict == prober.Late:
		a.kind = passed
	case v.Verdict == prober.Expired:
		a.kind = expired
	case v.Verdict == prober.Unknown && v.Errno == syscall.EMSGSIZE:
		a.kind = refused
	case v.Verdict == prober.Unknown:
		a.kind = spoiled
	case v.Verdict == prober.Unreachable && v.Local:
	case v.Verdict == prober.Unreachable && isTooBig(v):
		a.kind = reported
	case v.Verdict == prober.Unreachable && v.From.Same(to):
		a.kind = passed
	}
	return a
}

// isTooBig: ICMP type 3 code 4 (RFC 1191), ICMPv6 type 2 (RFC 4443, 3.2), whose
// code is of no meaning. ICMP has no type 2.
func isTooBig(v *prober.Result) bool {
	return v.Type == wire.TypeDestinationUnreachable && v.Code == wire.CodeFragmentationNeeded ||
		v.Type == wire.Type6PacketTooBig
}

// mostSpoiled is how often our own side may spoil a probe of a round until that
// is given up.
const mostSpoiled = 3

// take takes an answer; false says that the round is spoiled. What our own side
// spoiled is asked again, but in a check, where it is no evidence.
func (r *run) take(a *answer) bool {
	if a.kind == spoiled {
		r.spoiled++
		r.cause = a.errno
		if c, ok := r.steps.(*check); ok {
			c.cause = a.errno
			c.take(a)
			return true
		}
		return r.spoiled < mostSpoiled
	}
	if a.kind != lost {
		r.slowest = max(r.slowest, a.rtt)
	}
	r.steps.take(a)
	return true
}

const (
	// mostTries is how often a size is asked until silence is evidence: at 20 %
	// loss of ordinary packets that misleads once in 600 times, and not twice.
	mostTries     = 4
	leastPatience = int64(250 * time.Millisecond)
)

// patience is how long the next probe is waited for: four times the slowest
// answer, and each time it is lost twice as long.
func (r *run) patience() int64 {
	if _, ok := r.steps.(*check); ok || r.slowest == 0 {
		return r.timeout
	}
	return min(max(leastPatience, 4*r.slowest)<<r.steps.tries(), r.timeout)
}

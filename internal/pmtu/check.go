// SPDX-License-Identifier: Apache-2.0

package pmtu

import (
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// check looks whether what is known still holds, by three probes at most: one
// of the known size, one that is larger, and a third by what these came to.
type check struct {
	known  vitals.MTU
	router rawsock.Addr
	base   int
	above  int // the size of the larger probe
	stage  stage
	behind bool // a look at a black hole is one hop behind it

	doubt   bool // something has changed, or seems to
	missed  bool // the known size was lost
	alive   bool // though a small one was not
	kept    bool // the known size passed
	silence bool // the router did not report
	told    bool // it did
	nearer  bool // the black hole's hop did not answer
	there   bool // it did
	cause   syscall.Errno
}

type stage uint8

const (
	askKnown stage = iota
	askAbove
	askBase // after a loss of the known size: is the target there at all?
	askHole
	askNothing
)

// raiseAfter is the time between two attempts to go up to the interface's MTU
// at once (RFC 8201, 4; RFC 1191, 6.3), in ns.
const raiseAfter = int64(10 * time.Minute)

func newCheck(e *target, v6 bool, now int64) *check {
	c := &check{known: e.known, base: least(v6), above: e.known.Size + 1}
	if e.known.Router.IsValid() {
		c.router, _ = rawsock.AddrFrom(e.known.Router) // it has no zone, so no error
	}
	if e.known.Interface > e.known.Size && now-e.raised >= raiseAfter {
		c.above, e.raised = e.known.Interface, now
	}
	e.beyond = !e.beyond
	c.behind = e.beyond
	return c
}

func (c *check) tries() int { return 0 }

// next is for steps.
func (c *check) next() (size, ttl int, ok bool) {
	switch {
	case c.doubt || c.stage == askNothing:
		return 0, 0, false
	case c.stage == askKnown:
		return c.known.Size, 0, true
	case c.stage == askAbove:
		return c.above, 0, true
	case c.stage == askBase:
		return c.base, 0, true
	}
	return c.known.Size + 1, c.holeAt(), true
}

// holeAt is the TTL by which a black hole is looked at: that of the last router
// which a large packet came to, or the one behind.
func (c *check) holeAt() int {
	if c.behind {
		return min(c.known.TTL+1, 255)
	}
	return c.known.TTL
}

// take is for steps.
func (c *check) take(a *answer) {
	switch c.stage {
	case askKnown:
		c.takeKnown(a)
		c.stage = askAbove
		if c.above > mostSize {
			c.stage = c.third()
		}
	case askAbove:
		c.takeAbove(a)
		c.stage = c.third()
	case askBase:
		c.alive = a.kind == passed
		c.stage = askNothing
	case askHole:
		c.takeHole(a)
		c.stage = askNothing
	}
}

func (c *check) third() stage {
	switch {
	case c.missed:
		return askBase
	case c.known.Limit == vitals.LimitBlackHole && c.known.TTL > 0 && c.kept:
		return askHole
	}
	return askNothing
}

func (c *check) takeKnown(a *answer) {
	switch a.kind {
	case passed:
		c.kept = true
	case reported, refused:
		c.doubt = true
	case lost, expired:
		c.missed = true
	}
}

// takeAbove takes what became of the larger probe: it must fail as before.
func (c *check) takeAbove(a *answer) {
	own := c.known.Limit == vitals.LimitInterface
	switch a.kind {
	case spoiled:
	case passed:
		c.doubt = true
	case refused:
		c.doubt = !own
	case reported:
		c.told = true
		c.doubt = c.known.Limit != vitals.LimitReported || !a.from.Same(c.router)
	default:
		c.doubt = own // our own kernel has begun to take it
		c.silence = c.known.Limit == vitals.LimitReported && c.kept
	}
}

func (c *check) takeHole(a *answer) {
	switch {
	case a.kind == spoiled:
	case a.kind == reported, a.kind == passed, a.kind == refused:
		c.doubt = true
	case a.kind == expired && c.behind:
		c.doubt = true
	case a.kind == expired:
		c.there = true
		c.doubt = !a.from.Same(c.router)
	case !c.behind:
		c.nearer = true
	}
}

// mostMisses is in how many rounds in a row something must have been missing
// until it is looked for: the loss of one packet is no change.
const mostMisses = 2

// end takes the round into the target's memory, and reports whether what is
// known must be looked for anew.
func (c *check) end(e *target) bool {
	count(&e.misses, c.missed && c.alive, c.kept)
	count(&e.silence, c.silence, c.told)
	count(&e.strays, c.nearer, c.there)
	if c.doubt || e.misses >= mostMisses || e.silence > mostMisses || e.strays >= mostMisses {
		e.misses, e.silence, e.strays = 0, 0, 0
		return true
	}
	return false
}

// count counts what happens in a row; what is neither one nor the other leaves
// the count alone.
func count(n *uint8, more, none bool) {
	switch {
	case more:
		*n++
	case none:
		*n = 0
	}
}

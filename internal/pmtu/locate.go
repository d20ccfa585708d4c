// SPDX-License-Identifier: Apache-2.0

package pmtu

import (
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// locate finds the last router that a packet comes to which is too large for
// the path: TTL after TTL it is asked with a large probe, and where that is
// lost with a small one too, for a router may be silent for its own reasons.
type locate struct {
	search *search
	hops   int
	ttl    int
	large  int  // large probes lost at this TTL
	small  int  // small ones
	near   bool // a small one was answered here
	isLow  bool // the probe that is out is small

	last   rawsock.Addr // the last router that a large one came to
	lastAt int          // its TTL, 0: none
	over   bool
	passed bool // a large one came to the target: there is no limit any more
}

func newLocate(s *search, hops int) *locate {
	return &locate{search: s, hops: hops, ttl: 1}
}

func (l *locate) tries() int { return max(l.large, l.small) }

// next is for steps.
func (l *locate) next() (size, ttl int, ok bool) {
	if l.over || l.ttl > l.hops {
		return 0, 0, false
	}
	l.isLow = !l.near && l.small < l.large
	if l.isLow {
		return l.search.low, l.ttl, true
	}
	return l.search.high, l.ttl, true
}

// take is for steps.
func (l *locate) take(a *answer) {
	switch {
	case a.size != l.search.high:
		l.takeSmall(a)
	case a.kind == expired:
		l.last, l.lastAt = a.from, l.ttl
		l.forward()
	case a.kind == reported:
		l.takeReport(a)
	case a.kind == passed, a.kind == refused:
		l.over, l.passed = true, true
	default:
		l.large++
		l.judge()
	}
}

func (l *locate) takeSmall(a *answer) {
	if a.kind == expired || a.kind == passed {
		l.near = true
	} else {
		l.small++
	}
	l.judge()
}

// judge ends the search where small packets come and large ones do not, and
// leaves a TTL where neither does.
func (l *locate) judge() {
	switch {
	case l.near && l.large >= mostTries:
		l.over = true
	case !l.near && l.large >= mostTries && l.small >= mostTries:
		l.forward()
	}
}

func (l *locate) forward() {
	l.ttl++
	l.large, l.small, l.near = 0, 0, false
}

// takeReport takes the report of a router that looked at the TTL first, as all
// should (RFC 1812, 5.2.1.2): it is the one before. One that has not sent the
// answer of the TTL before looks at the size first, and is this one.
func (l *locate) takeReport(a *answer) {
	l.over = true
	if l.lastAt == l.ttl-1 && l.lastAt > 0 && !l.last.Same(a.from) || l.ttl == 1 {
		l.lastAt = l.ttl
	} else {
		l.lastAt = l.ttl - 1
	}
	l.last = a.from
	l.search.reporter = a.from
}

// value is the result. Where a router reports, it is named also when it was
// not met.
func (l *locate) value(v6 bool) vitals.MTU {
	m := l.search.value()
	at, addr := l.lastAt, l.last
	if m.Limit == vitals.LimitReported && !addr.Same(l.search.reporter) {
		at, addr = 0, l.search.reporter
	}
	if !addr.IsZero() {
		m.Router, m.TTL = addr.Netip(v6).WithZone(""), at
	}
	return m
}

// SPDX-License-Identifier: Apache-2.0

package pmtu

import (
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// search finds the largest size that passes. First the smallest must, else
// silence says nothing; then the interface's MTU is found by what our own
// kernel takes; then what lies between.
type search struct {
	v6   bool
	base int // the smallest size
	low  int // the largest that passed; 0: none has yet
	high int // the smallest that did not

	taken   int // the largest that our kernel took
	refused int // the smallest that it did not

	size  int // what is being asked
	lost  int // how often that was lost
	lied  int // of these, how often a report was nonsense
	sure  int // high is known as well as it can be
	doubt int // how many reports turned out wrong

	reporter rawsock.Addr // who reported high; zero: nobody did
	told     int          // the MTU that was reported last
	agree    int          // how many reports in a row told it
	dead     bool
}

// newSearch searches as if nothing were known: what is known is doubted then.
// likely, when it is not 0, is the size that is tried first.
func newSearch(v6 bool, likely int) *search {
	b := least(v6)
	return &search{v6: v6, base: b, taken: b, high: mostSize + 1, refused: mostSize + 1, told: likely}
}

func (s *search) tries() int { return s.lost }

// found reports whether the search came to a result.
func (s *search) found() bool { return !s.dead && s.low > 0 }

// next is for steps.
func (s *search) next() (size, ttl int, ok bool) {
	size, ok = s.choose()
	if size != s.size {
		s.size, s.lost, s.lied = size, 0, 0
	}
	return size, 0, ok
}

func (s *search) choose() (size int, ok bool) {
	switch {
	case s.dead:
		return 0, false
	case s.low == 0:
		return s.base, true
	case s.refused-s.taken > 1:
		return s.edge(), true
	case s.high-s.low <= 1:
		return s.high, !s.certain()
	case s.told > s.low && s.told < s.high:
		return s.told, true
	case s.told != s.low && s.high == s.refused: // nothing larger than our link's MTU is known to fail
		return s.taken, true
	case s.told == s.low:
		return s.low + 1, true
	}
	return half(s.low, s.high, s.told), true
}

// edge is the size by which the interface's MTU is looked for. What the kernel
// does not take costs nothing, so the largest that links have come first; but
// what is larger than Ethernet's is taken seldom.
func (s *search) edge() int {
	const ethernet = 1500
	if s.taken < ethernet && s.refused > ethernet+1 {
		return ethernet + 1
	}
	if c := between(s.taken, s.refused); len(c) > 0 {
		return c[len(c)-1]
	}
	return half(s.taken, s.refused, 0)
}

// certain reports whether high needs no further probe: our own kernel refuses
// it, two reports agree, or it was looked at a second time.
func (s *search) certain() bool {
	return s.high == s.refused || s.high == s.sure || s.isReported() && s.told == s.low && s.agree > 1
}

func (s *search) isReported() bool { return !s.reporter.IsZero() }

// take is for steps.
func (s *search) take(a *answer) {
	if a.kind == refused {
		s.refuse(a.size)
		return
	}
	s.taken = max(s.taken, a.size)
	switch {
	case a.kind == passed:
		s.pass(a.size)
	case a.kind == reported && s.plausible(a):
		s.report(a)
	default:
		s.miss(a)
	}
}

func (s *search) refuse(size int) {
	s.refused = min(s.refused, size)
	s.taken = min(s.taken, size-1)
	s.low = min(s.low, size-1)
	if size <= s.high {
		s.high, s.reporter = size, rawsock.Addr{}
	}
	s.dead = size <= s.base
}

// pass takes a size that passed. One that should not have makes what was
// believed void.
func (s *search) pass(size int) {
	s.low = max(s.low, size)
	switch {
	case size >= s.high:
	case s.isReported() && size == s.told+1: // the router said it would not
	default:
		return
	}
	if s.isReported() {
		s.doubt++
	}
	s.high, s.reporter, s.told, s.agree = s.refused, rawsock.Addr{}, 0, 0
}

// mostDoubt is how many reports may turn out wrong until none is believed.
const mostDoubt = 3

// plausible reports whether a report may be true: it tells an MTU that the
// probe really exceeds and that is no less than the least of the family; or
// none, as IPv4 routers before RFC 1191 do.
func (s *search) plausible(a *answer) bool {
	if s.doubt >= mostDoubt || a.size <= s.base {
		return false
	}
	if s.v6 {
		return a.told >= noReport6 && a.told < a.size
	}
	return a.told == 0 || a.told >= noReport4 && a.told < a.size
}

func (s *search) report(a *answer) {
	told := a.told
	if told == 0 {
		told = plateau(a.size)
	}
	if told == s.told && a.told != 0 {
		s.agree++
	} else {
		s.told, s.agree = told, 1
	}
	s.fail(a.size, a.from)
}

// fail takes a size that does not pass. The second time that is sure.
func (s *search) fail(size int, by rawsock.Addr) {
	if size == s.high {
		s.sure = size
	}
	if size <= s.high {
		s.high, s.reporter = size, by
	}
	s.size = 0 // to be counted anew when it is asked again
}

// miss counts a size that was lost, or whose report is nonsense.
func (s *search) miss(a *answer) {
	s.lost++
	if a.kind == reported {
		s.lied++
	}
	switch {
	case s.refused-s.taken > 1 && s.low > 0:
		s.size = 0 // the kernel took it: more is not asked yet
	case s.lost < mostTries:
	case s.low == 0:
		s.dead = true
	case s.lied == s.lost:
		s.fail(a.size, a.from)
	default:
		s.fail(a.size, rawsock.Addr{})
	}
}

// limit is what keeps larger packets back.
func (s *search) limit() vitals.Limit {
	switch {
	case s.high == s.refused:
		return vitals.LimitInterface
	case s.isReported():
		return vitals.LimitReported
	}
	return vitals.LimitBlackHole
}

// value is what is known without the hop.
func (s *search) value() vitals.MTU {
	return vitals.MTU{Size: s.low, Interface: s.refused - 1, Limit: s.limit()}
}

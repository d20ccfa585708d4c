// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"net/netip"

	"connmonitor/internal/vitals"
)

// suspect is what answers at a TTL where something else is remembered, as long as
// that may be a router that spreads packets and took another way by chance.
type suspect struct {
	ttl     int        // 0: there is none
	addr    netip.Addr // what answered first
	answers int        // in a row of which none is remembered
	various bool       // they were of several
	// unanswered tells that it was silent when it was asked to make sure.
	unanswered bool
}

const (
	// enoughAnswers make a change at a TTL out of chance: those in a row that are
	// not remembered, with those of each remembered way before. That a router which
	// spreads evenly over two ways takes one of them so often and the other then is
	// one in a million. Where they are of several ways there may be more, and it
	// takes enoughVarious.
	enoughAnswers = 20
	enoughVarious = 60
	// leastAnswers are needed however long the other way was taken, for it may be
	// the rarer one; and leastUnanswered of who does not answer when it is asked.
	leastAnswers    = 1 + moreSamples
	leastUnanswered = 2
)

// suspects counts answers at a TTL of which none is remembered.
func (m *Memory) suspects(ttl int, answers ...netip.Addr) {
	if m.suspect.ttl != ttl {
		m.suspect = suspect{ttl: ttl, addr: answers[0]}
	}
	for _, a := range answers {
		m.suspect.answers++
		m.suspect.various = m.suspect.various || a != m.suspect.addr
	}
}

// believes reports whether what differs in a trace can be no chance any more.
func (m *Memory) believes(p *vitals.Path) bool {
	ttl, s := m.firstDiffering(p), &m.suspect
	if ttl == 0 {
		return true // nothing but where the path ends
	}
	least, enough := leastAnswers, enoughAnswers
	if s.unanswered {
		least = leastUnanswered
	}
	if s.various {
		enough = enoughVarious
	}
	return s.ttl == ttl && s.answers >= least && s.answers+m.hops[ttl-1].each() >= enough
}

// suspected reports whether a trace shows again what was silent when it was asked
// to make sure, and that is to be believed.
func (m *Memory) suspected(p *vitals.Path) bool {
	s := &m.suspect
	return s.unanswered && s.ttl == m.firstDiffering(p) && p.Hops[s.ttl-1].Addr == s.addr && m.believes(p)
}

// each is how often each way of a crossing has been taken on the average.
func (c crossing) each() int {
	total := uint32(0)
	for _, m := range c {
		total += m.seen
	}
	return int(total) / max(1, len(c))
}

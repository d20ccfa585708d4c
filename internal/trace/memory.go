// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"net/netip"

	"connmonitor/internal/vitals"
)

// Memory is the last route that was recorded for a target. The zero value
// remembers none.
type Memory struct {
	hops    []netip.Addr // by TTL-1; the zero Addr where nothing has answered yet
	reached bool         // the last of hops is the destination
	known   bool
	doubt   bool // the last trace disagreed on whether the destination is reached
}

// sameness is how a trace compares with the memory.
type sameness uint8

const (
	same      sameness = iota
	unlikely           // only whether the destination is reached differs
	different          // an address, or the TTL of the destination, differs
)

// compare compares a trace with the memory, by the rules of contract 1.6: at
// every TTL where both have an answer the address must be the same, and when
// both reached the destination they did so at the same TTL. RTTs and silence
// do not count.
func (m *Memory) compare(p *vitals.Path) sameness {
	if !m.known {
		return same // there is nothing to differ from
	}
	for i := range min(len(m.hops), len(p.Hops)) {
		if a := p.Hops[i].Addr; a.IsValid() && m.hops[i].IsValid() && a != m.hops[i] {
			return different
		}
	}
	reached := p.End == vitals.EndReached
	switch {
	case reached != m.reached:
		return unlikely
	case reached && len(p.Hops) != len(m.hops):
		return different
	}
	return same
}

// record takes a trace into the memory and reports whether it is to be printed:
// the first one, one that differs, and the second in a row that disagrees on
// whether the destination is reached.
func (m *Memory) record(p *vitals.Path) bool {
	s := m.compare(p)
	switch {
	case !m.known, s == different, s == unlikely && m.doubt:
		m.replace(p)
		return true
	case s == unlikely:
		m.doubt = true
		return false
	}
	m.doubt = false
	m.merge(p)
	return false
}

func (m *Memory) replace(p *vitals.Path) {
	*m = Memory{known: true, reached: p.End == vitals.EndReached}
	m.merge(p)
}

// merge adds what a later trace of the same route knows more.
func (m *Memory) merge(p *vitals.Path) {
	for i, h := range p.Hops {
		if i == len(m.hops) {
			m.hops = append(m.hops, netip.Addr{})
		}
		if h.Addr.IsValid() {
			m.hops[i] = h.Addr
		}
	}
}

// length is the TTL of the destination, 0 when it is not known.
func (m *Memory) length() int {
	if !m.reached {
		return 0
	}
	return len(m.hops)
}

// agrees reports whether the destination was found at ttl before.
func (m *Memory) agrees(ttl int) bool { return m.known && m.length() == ttl }

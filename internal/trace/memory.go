// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"net/netip"
	"slices"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Memory is the route that was recorded for a flow. At most TTLs that is one
// address; where a router spreads the packets of one flow it is the set of those
// that they cross. The zero value remembers none.
type Memory struct {
	hops    []crossing // by TTL-1; empty where nothing has answered yet
	silence []uint8    // by TTL-1: traces in which nobody answered, since somebody did
	ends    crossing   // the TTLs of the destination, as addresses (endAt)
	rtt     int64      // of the destination's last answer, ns
	suspect suspect
	reached bool // the destination was
	known   bool
	doubt   bool // the last trace disagreed on whether the destination is reached
}

// crossing is what was seen at one TTL.
type crossing []member

// member is one address of a set.
type member struct {
	addr   netip.Addr
	seen   uint32 // answers
	missed uint32 // answers of others since its last
}

// sameness is how a trace compares with the memory.
type sameness uint8

const (
	same      sameness = iota
	unlikely           // only whether the destination is reached differs
	different          // an address, or the TTL of the destination, differs
)

// compare compares a trace with the memory, by the rules of contract 1.6: at
// every TTL where both have an answer the address must be one of the set, and
// when both reached the destination they did so at the same TTL. RTTs and silence
// do not count.
func (m *Memory) compare(p *vitals.Path) sameness {
	if !m.known {
		return same // there is nothing to differ from
	}
	if m.firstDiffering(p) > 0 {
		return different
	}
	reached := p.End == vitals.EndReached
	switch {
	case reached != m.reached:
		return unlikely
	case reached && !m.ends.has(endAt(len(p.Hops))):
		return different
	}
	return same
}

// spread reports whether of the answers at a TTL some are remembered and some are
// not.
func (m *Memory) spread(ttl int, answers []netip.Addr) bool {
	if ttl == 0 || ttl > len(m.hops) {
		return false
	}
	known := 0
	for _, a := range answers {
		if m.hops[ttl-1].has(a) {
			known++
		}
	}
	return known > 0 && known < len(answers)
}

// firstDiffering is the first TTL at which a trace shows an address that is not
// remembered where others are; 0: none.
func (m *Memory) firstDiffering(p *vitals.Path) int {
	for i := range min(len(m.hops), len(p.Hops)) {
		if a := p.Hops[i].Addr; a.IsValid() && len(m.hops[i]) > 0 && !m.hops[i].has(a) {
			return i + 1
		}
	}
	return 0
}

// record takes a trace into the memory and reports whether it is to be printed:
// the first one, one that differs, the second in a row that disagrees on whether
// the destination is reached, and one by which an address of a set has gone. But
// for the first, change tells what has.
func (m *Memory) record(p *vitals.Path) (printed bool, change *vitals.RouteChange) {
	s := m.compare(p)
	switch {
	case !m.known:
		m.replace(p)
		return true, nil
	case s == different, s == unlikely && m.doubt:
		change = m.change(p, m.differsAt(p))
		m.replace(p)
		return true, change
	case s == unlikely:
		m.doubt = true
		return false, nil
	}
	m.doubt = false
	if ttl, gone := m.merge(p); ttl > 0 {
		change = m.change(p, ttl)
		if gone.IsValid() && ttl <= len(change.Before) { // else it is a TTL of the destination
			change.Before[ttl-1] = gone
		}
	}
	return change != nil, change
}

// differsAt is the first TTL at which a trace that differs does.
func (m *Memory) differsAt(p *vitals.Path) int {
	if ttl := m.firstDiffering(p); ttl > 0 {
		return ttl
	}
	if m.reached {
		return min(m.length(), len(p.Hops))
	}
	return len(p.Hops)
}

func (m *Memory) change(p *vitals.Path, first int) *vitals.RouteChange {
	c := &vitals.RouteChange{
		First: first, Before: m.route(), ReachedBefore: m.reached, Reached: p.End == vitals.EndReached,
		After: make([]netip.Addr, len(p.Hops)),
	}
	for i, h := range p.Hops {
		c.After[i] = h.Addr
	}
	return c
}

// route is what is remembered, one address a TTL.
func (m *Memory) route() []netip.Addr {
	last := len(m.hops)
	if n := m.length(); n > 0 {
		last = min(last, n)
	}
	addrs := make([]netip.Addr, last)
	for i, c := range m.hops[:last] {
		if len(c) > 0 {
			addrs[i] = c[len(c)-1].addr
		}
	}
	return addrs
}

// also puts into a path the other addresses that were seen at its TTLs.
func (m *Memory) also(p *vitals.Path) {
	for i := range min(len(m.hops), len(p.Hops)) {
		if len(m.hops[i]) < 2 {
			continue
		}
		for _, other := range m.hops[i] {
			if other.addr != p.Hops[i].Addr {
				p.Hops[i].Also = append(p.Hops[i].Also, other.addr)
			}
		}
	}
}

func (m *Memory) replace(p *vitals.Path) {
	*m = Memory{known: true, reached: p.End == vitals.EndReached}
	m.merge(p)
}

// merge adds what a later trace of the same route knows more, and returns the
// first TTL at which an address that was crossed now and then has gone, and which;
// 0 where none has.
func (m *Memory) merge(p *vitals.Path) (ttl int, gone netip.Addr) {
	m.grow(len(p.Hops))
	for i := range p.Hops {
		h := &p.Hops[i]
		if h.Addr.IsValid() {
			if lost := m.hops[i].see(h.Addr); lost.IsValid() && ttl == 0 {
				ttl, gone = i+1, lost
			}
			m.silence[i] = 0
			if m.suspect.ttl == i+1 {
				m.suspect = suspect{}
			}
		}
	}
	if p.End == vitals.EndReached {
		m.rtt = int64(p.Hops[len(p.Hops)-1].RTT)
	}
	if p.End == vitals.EndReached && m.ends.see(endAt(len(p.Hops))).IsValid() && ttl == 0 {
		ttl = len(p.Hops)
	}
	return ttl, gone
}

// grow makes room for so many TTLs, with one address at each that is new.
func (m *Memory) grow(ttls int) {
	more := ttls - len(m.hops)
	if more <= 0 {
		return
	}
	m.hops = slices.Grow(m.hops, more)
	m.silence = append(m.silence, make([]uint8, more)...)
	for room := make([]member, more); len(room) > 0; room = room[1:] {
		m.hops = append(m.hops, room[:0:1])
	}
}

// at is what was seen at a TTL.
func (m *Memory) at(ttl int) crossing {
	if ttl > len(m.hops) {
		return nil
	}
	return m.hops[ttl-1]
}

// quiet is in how many traces nobody has answered at a TTL that should have.
func (m *Memory) quiet(ttl int) uint8 {
	if ttl > len(m.silence) {
		return 0
	}
	return m.silence[ttl-1]
}

// silent counts such a trace.
func (m *Memory) silent(ttl int) {
	if ttl <= len(m.silence) && m.silence[ttl-1] < math.MaxUint8 {
		m.silence[ttl-1]++
	}
}

// length is the largest TTL at which the destination was found, 0 when it is not
// known.
func (m *Memory) length() int {
	if !m.reached {
		return 0
	}
	most := 0
	for _, e := range m.ends {
		most = max(most, int(e.addr.As4()[3]))
	}
	return most
}

// agrees reports whether the destination was found at ttl before.
func (m *Memory) agrees(ttl int) bool { return m.known && m.reached && m.ends.has(endAt(ttl)) }

// endAt is a TTL of the destination as a member of a crossing.
func endAt(ttl int) netip.Addr { return netip.AddrFrom4([4]byte{3: byte(ttl)}) }

// addrOf is an address without its zone, as sockets know it.
func addrOf(a netip.Addr) rawsock.Addr {
	r, _ := rawsock.AddrFrom(a.WithZone("")) // only zones can be wrong
	return r
}

func (c crossing) has(a netip.Addr) bool {
	return slices.ContainsFunc(c, func(m member) bool { return m.addr == a })
}

func (c crossing) hasAny(addrs []netip.Addr) bool { return slices.ContainsFunc(addrs, c.has) }

// see counts an answer, and returns a member that has not been seen for so long
// that it has gone; the zero Addr where none has.
func (c *crossing) see(a netip.Addr) (gone netip.Addr) {
	if len(*c) == 1 && (*c)[0].addr == a {
		(*c)[0].seen++
		return gone
	}
	if !c.has(a) {
		*c = append(*c, member{addr: a})
	}
	total := uint32(0)
	for i := range *c {
		m := &(*c)[i]
		if m.missed++; m.addr == a {
			m.seen, m.missed = m.seen+1, 0
		}
		total += m.seen
	}
	*c = slices.DeleteFunc(*c, func(m member) bool {
		if !m.gone(total) {
			return false
		}
		gone = m.addr
		return true
	})
	return gone
}

// unlikelyAbsence is how improbable it must be that an address which is still
// crossed was not seen for as long, so that of a hundred thousand traces none
// shows a change that there was not.
const unlikelyAbsence = 1e-6

// gone reports whether a member that was seen in so many of total answers would
// have been seen since, if packets still crossed it. How large a part of them does
// is not known, and known the less the fewer answers there were until its last:
// that it is missing in the next ones is likely as Laplace's rule of succession
// has it, the product of (n-s+1+i)/(n+1+i) over those, i from 0, after s of n.
func (m member) gone(total uint32) bool {
	if m.missed == 0 {
		return false
	}
	n, s, missed := float64(total-m.missed), float64(m.seen), float64(m.missed)
	return rising(n-s+1, missed)-rising(n+1, missed) < math.Log(unlikelyAbsence)
}

// rising is the logarithm of x (x+1) ... (x+k-1).
func rising(x, k float64) float64 {
	of, _ := math.Lgamma(x + k)
	by, _ := math.Lgamma(x)
	return of - by
}

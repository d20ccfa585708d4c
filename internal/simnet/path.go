// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// way is a path to a host, or one of several.
type way struct {
	hops []hop
	loop int // so many at the end come again and again; 0: they lead to the host
}

// hop is one router of a way: of several a flow takes one, of none comes
// nothing.
type hop struct {
	routers []*router
	spread  bool // each packet takes one, not each flow
	rtt     int64
}

// tunnel is a label switched path (RFC 3031): the routers that switch, by their
// numbers on the path.
type tunnel struct {
	first, last int
	// pipe: the TTL of the packet is not copied into the label (RFC 3443), so
	// nothing ends within. Else the packet's own stays as it was at the first.
	pipe bool
}

// namedWay and namedHop are a way and a hop before the routers are looked up.
type namedWay struct {
	hops []namedHop
	loop int
}

type namedHop struct {
	names  []string
	spread bool
	rtt    int64
}

// path reads a statement about the ways to a host.
func (a *args) path() action {
	to := a.address()
	ways, spread := []namedWay{{}}, false
	for a.more() {
		w := &ways[len(ways)-1]
		switch word := a.word(); word {
		case "or", "and":
			if spread = word == "and"; len(ways) > 1 {
				a.fail("of several ways more than two are not known")
			}
			ways = append(ways, namedWay{})
		case "loop":
			if w.loop = a.number(254); w.loop == 0 || w.loop > len(w.hops) {
				a.fail("%d of %d routers cannot loop", w.loop, len(w.hops))
			}
		case "silent":
			w.hops = append(w.hops, namedHop{})
		default:
			w.hops = append(w.hops, a.hop(word))
		}
		if len(ways[len(ways)-1].hops) > 254 {
			a.fail("a path has at most 254 routers")
		}
	}
	return func(n *Net) error { return n.setPath(to, ways, spread) }
}

func (a *args) hop(word string) namedHop {
	names, rtt, ok := strings.Cut(word, "@")
	d, err := time.ParseDuration(rtt)
	if !ok || err != nil || d < 0 {
		a.fail("%q is no hop: silent or NAME[|NAME...]@RTT or NAME[&NAME...]@RTT", word)
	}
	separator, spread := "|", strings.Contains(names, "&")
	if spread {
		separator = "&"
	}
	return namedHop{strings.Split(names, separator), spread, int64(d)}
}

func (n *Net) setPath(to netip.Addr, named []namedWay, spread bool) error {
	ways := make([]way, len(named))
	for i, w := range named {
		ways[i] = way{make([]hop, len(w.hops)), w.loop}
		for k, h := range w.hops {
			p := &ways[i].hops[k]
			p.rtt, p.spread = h.rtt, h.spread
			for _, name := range h.names {
				r := n.routers[name]
				if r == nil {
					return fmt.Errorf("there is no router %q", name)
				}
				if r.addr.Is4() != to.Is4() {
					return fmt.Errorf("router %q is of another family than %s", name, to)
				}
				p.routers = append(p.routers, r)
			}
		}
	}
	h := n.hosts[to]
	if h == nil {
		return fmt.Errorf("there is no host %s", to)
	}
	h.ways, h.spread = ways, spread
	return nil
}

// tunnel reads a statement about a label switched path.
func (a *args) tunnel() action {
	to := a.address()
	t := tunnel{first: a.number(254), last: a.number(254)}
	switch w := a.word(); w {
	case "uniform":
	case "pipe":
		t.pipe = true
	default:
		a.fail("a tunnel is uniform or pipe, not %q", w)
	}
	if a.err == nil && (t.first < 1 || t.last < t.first) {
		a.fail("a tunnel cannot lead from %d to %d", t.first, t.last)
	}
	return func(n *Net) error {
		h := n.hosts[to]
		if h == nil {
			return fmt.Errorf("there is no host %s", to)
		}
		h.tunnels = append(h.tunnels, t)
		return nil
	}
}

// way is the one that a packet of a flow takes to a host.
func (n *Net) way(h *host, flow uint32) *way {
	switch {
	case len(h.ways) == 0:
		return &n.direct
	case len(h.ways) == 1:
		return &h.ways[0]
	case h.spread:
		return &h.ways[n.rng.IntN(len(h.ways))]
	}
	return &h.ways[scatter(flow, mostHops)%uint32(len(h.ways))]
}

// length is the number of routers of a way; that of one that goes round is more
// than any TTL.
func (w *way) length() int {
	if w.loop > 0 {
		return mostHops
	}
	return len(w.hops)
}

// at is the hop of an index, and the RTT to it: each time round takes as long.
func (w *way) at(i int) (h *hop, rtt int64) {
	if i < len(w.hops) {
		return &w.hops[i], w.hops[i].rtt
	}
	past := i - len(w.hops)
	begin := len(w.hops) - w.loop
	before := int64(0)
	if begin > 0 {
		before = w.hops[begin-1].rtt
	}
	h = &w.hops[begin+past%w.loop]
	return h, h.rtt + int64(1+past/w.loop)*(w.hops[len(w.hops)-1].rtt-before)
}

// longest is the number of routers of the longest way.
func (h *host) longest() (most int) {
	for i := range h.ways {
		most = max(most, len(h.ways[i].hops))
	}
	return most
}

// hidden reports whether the router of an index is within a tunnel of which
// nobody is seen.
func (h *host) hidden(i int) bool {
	for _, t := range h.tunnels {
		if t.pipe && i+1 >= t.first && i+1 <= t.last {
			return true
		}
	}
	return false
}

// uncounted is how far the TTL of a packet has fallen behind at the router of an
// index, for within a tunnel that of the label alone is counted down.
func (h *host) uncounted(i int) int {
	for _, t := range h.tunnels {
		if !t.pipe && i+1 >= t.first && i+1 <= t.last {
			return i + 1 - t.first
		}
	}
	return 0
}

// pick is the router of a hop that a packet of a flow takes; nil: nobody.
func (n *Net) pick(h *hop, flow uint32, i int) *router {
	switch {
	case len(h.routers) == 0:
		return nil
	case len(h.routers) == 1:
		return h.routers[0]
	case h.spread:
		return h.routers[n.rng.IntN(len(h.routers))]
	}
	return h.routers[scatter(flow, i)%uint32(len(h.routers))]
}

// scatter is the hash by which the router of an index chooses.
func scatter(flow uint32, i int) uint32 {
	x := (flow ^ uint32(i)*0x9e3779b9) * 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}

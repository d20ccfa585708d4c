// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// natHops is the length of a chain of which the second router translates.
const natHops = 5

// translation is what a router does to addresses, and what a trace shows of it.
type translation struct {
	name  string
	setUp func(top *netlab.Topology, asked, behind netip.Addr)
	// asked tells that what is traced is an address that only the translator knows,
	// for the server behind it.
	asked bool
	// hides tells that the errors of the translator and of those behind it come as
	// if the destination had sent them, for so Linux translates them.
	hides bool
	// quoted tells that they quote the probe with the address that it was given.
	quoted bool
}

var translations = []translation{
	{
		name:  "source NAT",
		setUp: func(top *netlab.Topology, _, _ netip.Addr) { top.Routers[1].SourceNAT(top.Links[2].A) },
	},
	{
		name:  "destination NAT",
		setUp: func(top *netlab.Topology, asked, behind netip.Addr) { top.Routers[1].DestinationNAT(asked, behind) },
		asked: true, hides: true,
	},
	{
		name:  "stateless NAT",
		setUp: func(top *netlab.Topology, asked, behind netip.Addr) { top.Routers[1].StatelessNAT(asked, behind) },
		asked: true, quoted: true,
	},
}

// shown are the addresses that a trace shows, and the destinations that the
// quoted probes had by then.
func (n *translation) shown(top *netlab.Topology, method vitals.Method, to, behind netip.Addr) (route, rewritten []netip.Addr) {
	route, rewritten = routeTo(top, natHops, to), make([]netip.Addr, natHops)
	if n.quoted && method == vitals.MethodUDP { // "port unreachable" quotes it too
		rewritten[natHops-1] = behind
	}
	for i := 1; i < natHops-1; i++ {
		if n.hides {
			route[i] = to
		}
		if n.quoted {
			rewritten[i] = behind
		}
	}
	return route, rewritten
}

// TestNATHidesNoHop: behind a translator every hop is there, by every method, and
// where the probe that is quoted was rewritten the hop says so.
func TestNATHidesNoHop(t *testing.T) {
	t.Parallel()
	for _, n := range translations {
		top := netlab.Chain(t, natHops)
		b := run(t, top.Client, Options{})
		key := uint32(0)
		for i, behind := range pair(top.Links[natHops-1].B) {
			to := []netip.Addr{top.Host4(7), top.Host6(7)}[i]
			n.setUp(top, to, behind)
			if !n.asked {
				to = behind
			}
			for name, method := range methods {
				route, rewritten := n.shown(top, method, to, behind)
				what := fmt.Sprintf("%s, %s to %s", n.name, name, to)
				w := b.add(key, to, flows(method, 2))
				for _, r := range b.of(t, key, 5) {
					wantFlows(t, what, r, 2, vitals.EndReached, route...)
					wantRewritten(t, what, r, rewritten)
				}
				if changes, _ := b.repeated(key, 5); changes != 1 {
					t.Errorf("%s: %d changes", what, changes)
				}
				w.Remove()
				key++
			}
		}
		b.account()
	}
}

// wantRewritten checks which destinations the quoted probes had.
func wantRewritten(t *testing.T, what string, r result, want []netip.Addr) {
	t.Helper()
	for _, p := range followed(r.Path) {
		var got []netip.Addr
		for _, h := range p.Hops {
			got = append(got, h.Reply.Rewritten)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: rewritten to %v, want %v", what, got, want)
		}
	}
}

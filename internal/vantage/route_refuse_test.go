// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"net/netip"
	"testing"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// TestRefusalsAreMarked: a firewall that refuses, in whatever words, ends the path
// of every method, at its own hop, which says why; also by port unreachable, with
// which a destination answers UDP.
func TestRefusalsAreMarked(t *testing.T) {
	t.Parallel()
	refusals := []struct{ host, with, mark string }{
		{"10.98.9.1", "icmp type net-unreachable", "!N"},
		{"10.98.9.2", "icmp type host-unreachable", "!H"},
		{"10.98.9.3", "icmp type prot-unreachable", "!P"},
		{"10.98.9.4", "icmp type port-unreachable", ""},
		{"10.98.9.5", "icmp type admin-prohibited", "!X"},
		{"fd98::91", "icmpv6 type no-route", "!N"},
		{"fd98::92", "icmpv6 type admin-prohibited", "!X"},
		{"fd98::93", "icmpv6 type addr-unreachable", "!H"},
		{"fd98::94", "icmpv6 type port-unreachable", ""},
	}
	top := netlab.Chain(t, 5)
	b := run(t, top.Client, Options{})
	for i, c := range refusals {
		top.Routers[2].Reject(c.host, c.with)
		for name, method := range methods {
			what, to := fmt.Sprintf("%s, %s", name, c.with), netip.MustParseAddr(c.host)
			key := uint32(100*i) + uint32(method)
			w := b.add(key, to, flows(method, 2))
			r := b.of(t, key, 1)[0]
			wantFlows(t, what, r, 2, vitals.EndUnreachable, routeTo(top, 4, to)[:3]...)
			for _, p := range followed(r.Path) {
				mark := wire.Mark4
				if to.Is6() {
					mark = wire.Mark6
				}
				last := p.Hops[len(p.Hops)-1].Reply
				if got := mark(last.Type, last.Code, 0); got != c.mark || !last.Quotes {
					t.Errorf("%s: marked %q, want %q: %+v", what, got, c.mark, last)
				}
			}
			w.Remove()
		}
	}
}

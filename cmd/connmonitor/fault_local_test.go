// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"connmonitor/internal/netlab"
)

// localFault is one thing that goes wrong on the client, and is put right
// again. Hosts behind r1 are concerned, those on the client's loopback are not.
type localFault struct {
	name        string
	prepare     func(top *netlab.Topology) // nil: nothing
	spoil, mend func(top *netlab.Topology)
	source      bool     // targets say which address or device they leave by
	causes      []string // regular expressions
}

const (
	noNetwork  = "network is unreachable"
	noDevice   = "network is down"
	noSource   = "invalid argument|cannot assign requested address"
	noRoom     = "no buffer space available"
	notAllowed = "operation not permitted"
)

// out is the client's only way out.
func out(top *netlab.Topology) *netlab.Endpoint { return top.Links[0].A }

// by is the router at its other end.
func by(top *netlab.Topology) *netlab.Endpoint { return top.Links[0].B }

var localFaults = []localFault{
	{
		name:   "link-down",
		spoil:  func(top *netlab.Topology) { top.Links[0].Down() },
		mend:   func(top *netlab.Topology) { top.Links[0].Up() },
		causes: []string{noNetwork, noDevice},
	},
	{
		name: "no-default-route",
		prepare: func(top *netlab.Topology) {
			top.Client.Unroute(top.Farm4.String())
			top.Client.Unroute(top.Farm6.String())
			addDefaultRoutes(top)
		},
		spoil: func(top *netlab.Topology) {
			top.Client.Unroute("0.0.0.0/0")
			top.Client.Unroute("::/0")
		},
		mend:   addDefaultRoutes,
		causes: []string{noNetwork},
	},
	{
		name:   "address-removed",
		spoil:  removeAddresses,
		mend:   addAddresses,
		causes: []string{noNetwork, noSource},
	},
	{
		name:   "source-removed",
		spoil:  removeAddresses,
		mend:   addAddresses,
		source: true,
		causes: []string{noNetwork, noSource},
	},
	{
		name: "dropped-at-the-device",
		spoil: func(top *netlab.Topology) {
			top.Client.NFT(fmt.Sprintf("table netdev refuse { chain egress { type filter hook egress device %q priority 0\n"+
				"icmp type echo-request drop\nicmpv6 type echo-request drop\n}\n}", out(top).Device))
		},
		mend:   func(top *netlab.Topology) { top.Client.NFT("delete table netdev refuse") },
		causes: []string{noRoom},
	},
	{
		name: "firewall",
		spoil: func(top *netlab.Topology) {
			top.Client.NFT(fmt.Sprintf("table inet refuse { chain output { type filter hook output priority 0\n"+
				"ip daddr %s drop\nip6 daddr %s drop\n}\n}", top.Farm4, top.Farm6))
		},
		mend:   func(top *netlab.Topology) { top.Client.NFT("delete table inet refuse") },
		causes: []string{notAllowed},
	},
}

func addDefaultRoutes(top *netlab.Topology) {
	top.Client.Route("0.0.0.0/0", by(top).Addr4)
	top.Client.Route("::/0", by(top).Addr6)
}

func removeAddresses(top *netlab.Topology) {
	top.Client.IP("addr", "del", out(top).Addr4.String()+"/30", "dev", out(top).Device)
	top.Client.IP("addr", "del", out(top).Addr6.String()+"/64", "dev", out(top).Device)
}

// addAddresses undoes removeAddresses. With its last address of IPv4 the kernel
// took the routes and the neighbour. It takes an address of IPv6 for its own a
// moment after it was given, and what is answered before is lost, so the route
// comes last.
func addAddresses(top *netlab.Topology) {
	top.Client.Unroute(top.Farm6.String())
	top.Client.IP("addr", "add", out(top).Addr4.String()+"/30", "dev", out(top).Device)
	top.Client.IP("addr", "add", out(top).Addr6.String()+"/64", "dev", out(top).Device, "nodad")
	top.Client.IP("neigh", "replace", by(top).Addr4.String(), "lladdr", by(top).MAC, "dev", out(top).Device, "nud", "permanent")
	top.Links[0].Settle()
	top.Client.Route(top.Farm4.String(), by(top).Addr4)
	top.Client.Route(top.Farm6.String(), by(top).Addr6)
}

// TestFaultLocal lets each fault come and go twice. While it lasts nothing is
// printed of the hosts that it concerns, the others are measured, and when it is
// over all goes on by itself.
func TestFaultLocal(t *testing.T) {
	t.Parallel()
	for _, f := range localFaults {
		for _, v6 := range []bool{false, true} {
			t.Run(f.name+"/"+family(v6), func(t *testing.T) {
				t.Parallel()
				f.test(t, v6)
			})
		}
	}
}

func family(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// untouched are hosts that no fault of a link concerns.
var untouched = []string{"127.0.0.1", "::1"}

func (f *localFault) test(t *testing.T, v6 bool) {
	top := netlab.Chain(t, 2)
	if f.prepare != nil {
		f.prepare(top)
	}
	first := top.Host4(1)
	if v6 {
		first = top.Host6(1)
	}
	_, hosts := span(first, 2)
	p := start(t, top.Client, setup{stdin: f.targets(top, hosts)})
	const rounds = 2
	for range rounds {
		p.more(3, append(hosts, untouched...)...)
		f.comeAndGo(p, top, hosts)
	}
	p.more(5, hosts...)
	p.terminates()
	p.lossless()
	log := entries(t, p.err.text())
	for _, h := range hosts {
		episodes(t, log, h, rounds, f.causes...)
	}
	onlyOf(t, log, hosts)
}

// targets is a configuration of the hosts, and of two that no fault concerns.
func (f *localFault) targets(top *netlab.Topology, hosts []string) string {
	source := ""
	switch {
	case f.source && strings.Contains(hosts[0], ":"):
		source = " source=" + out(top).Addr6.String()
	case f.source:
		source = " source=" + out(top).Addr4.String()
	}
	all := strings.Join(untouched, "\n") + "\n" + strings.Join(hosts, source+"\n") + source + "\n"
	return "* ping=50 numpings=2 json=1\n" + all
}

func (f *localFault) comeAndGo(p *program, top *netlab.Topology, hosts []string) {
	p.t.Helper()
	mark := len(p.err.text())
	f.spoil(top)
	for _, h := range hosts {
		p.spoils(mark, h)
	}
	before := tally(p.out.text())
	p.more(15, untouched...) // on the same schedule: the fault lasts for many bursts
	now := tally(p.out.text())
	for _, h := range hosts {
		if n := now[h] - before[h]; n > 1 { // one may have been on its way to us
			p.t.Errorf("%s: %d records of bursts that never left", h, n)
		}
	}
	f.mend(top)
	for _, h := range hosts {
		p.says(mark, "WW: "+h+outAgain)
	}
}

// spoils waits until the log tells after mark that the pings of a host are
// spoiled; that they are told as lost ends the test.
func (p *program) spoils(mark int, host string) {
	p.t.Helper()
	line := "EE: PingError: " + host + spoiledBy
	lost := false
	p.until(line, func() bool {
		lost = strings.Contains(p.out.text(), `"loss":100}`)
		return lost || strings.Contains(p.err.text()[mark:], line)
	})
	if lost {
		p.t.Fatalf("%s: what its own host spoiled is told as loss; the log says %q", host, p.err.text()[mark:])
	}
}

// onlyOf checks that the log speaks of these hosts only.
func onlyOf(t *testing.T, log []entry, hosts []string) {
	t.Helper()
	for _, e := range log {
		host, _, _ := strings.Cut(e.text, ": ")
		if !slices.Contains(hosts, host) && !busy(e) {
			t.Errorf("unexpected line %+v", e)
		}
	}
}

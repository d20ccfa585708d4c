// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// tally counts results as they come: cloning them all for each would take longer
// than the traces.
type tally struct {
	next    int // result that is not counted yet
	traces  map[uint32]int
	changes map[uint32]int
	last    map[uint32]*vitals.Path
}

func newTally() *tally {
	return &tally{traces: map[uint32]int{}, changes: map[uint32]int{}, last: map[uint32]*vitals.Path{}}
}

func (y *tally) take(all []result) {
	for ; y.next < len(all); y.next++ {
		r := all[y.next]
		y.traces[r.Key]++
		y.last[r.Key] = r.Path
		if r.Changed {
			y.changes[r.Key]++
		}
	}
}

// wait waits until enough holds, which looks at the tally.
func (y *tally) wait(t *testing.T, b *bench, what string, enough func() bool) {
	t.Helper()
	b.until(t, what, func(all []result) bool {
		y.take(all)
		return enough()
	})
}

// least is the smallest count of so many targets.
func least(counts map[uint32]int, targets int) int {
	if len(counts) < targets {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(counts)))
}

// traced is a target of a test of flows.
type traced struct {
	to     netip.Addr
	method vitals.Method
	flows  int
}

func (c traced) String() string {
	return fmt.Sprintf("%s by method %d, %d flows", c.to, c.method, c.flows)
}

// everyWay are targets of a topology by every method, in both families: of each so
// many with one flow, with 4 and with 16. Their keys are their indices.
func everyWay(b *bench, top *netlab.Topology, each map[int]int) []traced {
	var all []traced
	for count, copies := range each {
		for range copies {
			for _, method := range methods {
				for _, to := range []netip.Addr{top.Host4(len(all) + 1), top.Host6(len(all) + 1)} {
					s := flows(method, count)
					s.Hops = 8 // so many are asked where a busy machine is late to read what came
					b.add(uint32(len(all)), to, s)
					all = append(all, traced{to, method, count})
				}
			}
		}
	}
	return all
}

// oneEach is for everyWay.
var oneEach = map[int]int{1: 1, 4: 1, 16: 1}

// owners are the nodes by their addresses.
func owners(top *netlab.Topology) map[netip.Addr]*netlab.Node {
	all := make(map[netip.Addr]*netlab.Node)
	for _, l := range top.Links {
		for _, e := range []*netlab.Endpoint{l.A, l.B} {
			all[e.Addr4], all[e.Addr6] = e.Node, e.Node
		}
	}
	return all
}

// crossings makes a router note which flows it forwards to whom.
const crossings = `table inet crossings {
	set flows4 { type ipv4_addr . inet_service; flags dynamic; size 65535; }
	set flows6 { type ipv6_addr . inet_service; flags dynamic; size 65535; }
	chain forward {
		type filter hook forward priority 0;
		meta nfproto ipv4 udp dport 33434 add @flows4 { ip daddr . udp sport }
		meta nfproto ipv6 udp dport 33434 add @flows6 { ip6 daddr . udp sport }
		meta nfproto ipv4 tcp flags syn add @flows4 { ip daddr . tcp sport }
		meta nfproto ipv6 tcp flags syn add @flows6 { ip6 daddr . tcp sport }
	}
}`

// crossed counts the flows that a router has forwarded, by their destination.
func crossed(t *testing.T, n *netlab.Node) map[netip.Addr]int {
	t.Helper()
	out, err := n.Command(t.Context(), "nft", "-n", "list", "table", "inet", "crossings").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	all := make(map[netip.Addr]int)
	for _, m := range regexp.MustCompile(`([0-9a-f.:]+) \. \d+`).FindAllStringSubmatch(string(out), -1) {
		if to, err := netip.ParseAddr(m[1]); err == nil {
			all[to]++
		}
	}
	return all
}

// TestDiamondsAreNoChange: ten thousand traces, of one flow, of 4 and of 16, by
// every method, through diamonds of two ways and of four that choose by addresses,
// and by ports, are no change; and the ways that they show are those that the
// routers have seen the flows take.
func TestDiamondsAreNoChange(t *testing.T) {
	t.Parallel()
	for _, layer := range []int{3, 4} {
		t.Run(fmt.Sprintf("by layer %d", layer), func(t *testing.T) { traceDiamonds(t, layer) })
	}
}

func traceDiamonds(t *testing.T, layer int) {
	top := netlab.Diamonds(t, []int{2, 4})
	ways := map[int][]*netlab.Node{2: top.Routers[1:3], 4: top.Routers[4:8]} // by TTL
	for _, n := range top.Routers {
		n.NFT(crossings)
		if layer == 3 {
			n.SpreadByAddress()
		}
	}
	b, y := run(t, top.Client, Options{}), newTally()
	all := everyWay(b, top, map[int]int{1: 5, 4: 2, 16: 1}) // 48 targets
	rounds := 210
	if testing.Short() || raced() {
		rounds = 20
	}
	for n := range rounds {
		y.wait(t, b, "traces", func() bool { return least(y.traces, len(all)) > n })
	}
	b.drained(t)
	t.Logf("%d traces; %+v", y.next, b.probes())
	wantWays(t, top, y, all, ways)
	b.account()
}

// drained waits until all is handed over that was under way.
func (b *bench) drained(t *testing.T) {
	t.Helper()
	b.point.Drain()
	for err := range b.ended {
		if err != nil {
			t.Error(err)
		}
	}
}

// wantWays checks that no trace was a change but the first of each target, and
// that the last of each shows as many flows on each way as crossed it.
func wantWays(t *testing.T, top *netlab.Topology, y *tally, all []traced, ways map[int][]*netlab.Node) {
	t.Helper()
	owner, shown := owners(top), map[*netlab.Node]map[netip.Addr]int{}
	for key, c := range all {
		if n := y.changes[uint32(key)]; n != 1 {
			t.Errorf("%s: %d changes in %d traces, want the first alone", c, n, y.traces[uint32(key)])
		}
		paths := followed(y.last[uint32(key)])
		if len(paths) != c.flows {
			t.Errorf("%s: %d paths", c, len(paths))
		}
		for _, p := range paths {
			if len(p.Hops) != 6 || p.End != vitals.EndReached {
				t.Errorf("%s: %v", c, p)
				continue
			}
			for ttl, nodes := range ways {
				n := owner[p.Hops[ttl-1].Addr]
				if !slices.Contains(nodes, n) {
					t.Errorf("%s: %v at TTL %d is none of the ways", c, p.Hops[ttl-1].Addr, ttl)
				}
				if shown[n] == nil {
					shown[n] = map[netip.Addr]int{}
				}
				shown[n][c.to]++
			}
		}
	}
	for ttl, nodes := range ways {
		for _, n := range nodes {
			truth := crossed(t, n)
			for _, c := range all {
				if got := shown[n][c.to]; c.method != vitals.MethodICMP && got != truth[c.to] {
					t.Errorf("%s: %d flows show way %s at TTL %d, %d crossed it", c, got, n.Name, ttl, truth[c.to])
				}
			}
		}
	}
}

// TestManyFlowsFindEveryWay: of 64 flows some take each way of each diamond.
func TestManyFlowsFindEveryWay(t *testing.T) {
	t.Parallel()
	top := netlab.Diamonds(t, []int{2, 4})
	owner := owners(top)
	b := run(t, top.Client, Options{})
	for i, to := range pair(top.Links[len(top.Links)-1].B) {
		b.add(uint32(i), to, flows(vitals.MethodUDP, 64))
		found := map[*netlab.Node]bool{}
		for _, p := range followed(b.of(t, uint32(i), 1)[0].Path) {
			for _, h := range p.Hops {
				found[owner[h.Addr]] = true
			}
		}
		for _, n := range append(top.Routers, top.Server) {
			if !found[n] {
				t.Errorf("%s: no flow shows %s", to, n.Name)
			}
		}
	}
}

// TestMovedLinkIsOneChangeOfManyFlows: whatever the method and however many flows
// are followed, a link that moves is one change, ten times, there and back.
func TestMovedLinkIsOneChangeOfManyFlows(t *testing.T) {
	t.Parallel()
	top := netlab.Diamond(t)
	d0 := top.Routers[0]
	by := func(link int) {
		d0.Route(top.Farm4.String(), top.Links[link].B.Addr4)
		d0.Route(top.Farm6.String(), top.Links[link].B.Addr6)
	}
	by(2)
	b, y := run(t, top.Client, Options{}), newTally()
	all := everyWay(b, top, oneEach)
	y.wait(t, b, "first traces", func() bool { return least(y.traces, len(all)) >= 3 })
	for move := range 10 {
		link := 1 + move%2
		by(link)
		y.wait(t, b, "changes", func() bool { return least(y.changes, len(all)) >= 2+move })
		seen := maps.Clone(y.traces)
		y.wait(t, b, "traces after the change", func() bool { return advanced(y.traces, seen, 3) })
		for key, c := range all {
			if n := y.changes[uint32(key)]; n != 2+move {
				t.Fatalf("%s: %d changes after %d moves", c, n, 1+move)
			}
			for _, p := range followed(y.last[uint32(key)]) {
				if want := far(top.Links[link], c.to); len(p.Hops) != 4 || p.Hops[1].Addr != want {
					t.Errorf("%s: %v, want %s second", c, addresses(&p), want)
				}
			}
		}
	}
}

// advanced reports whether each count is larger by n than it was.
func advanced(counts, were map[uint32]int, n int) bool {
	for key, before := range were {
		if counts[key] < before+n {
			return false
		}
	}
	return true
}

// TestWayThatGoesIsOneChange: when one of four ways goes, and when it comes back,
// those of whose flows one takes another way by that see one change, and the
// others none.
func TestWayThatGoesIsOneChange(t *testing.T) {
	t.Parallel()
	top := netlab.Diamonds(t, []int{4})
	b, y := run(t, top.Client, Options{}), newTally()
	all := everyWay(b, top, oneEach)
	y.wait(t, b, "first traces", func() bool { return least(y.traces, len(all)) >= 3 })
	for move := range 6 {
		before, changes, seen := routesOf(y, len(all)), maps.Clone(y.changes), maps.Clone(y.traces)
		ways := top.Links[1 : 5-(move+1)%2]
		var via4, via6 []netip.Addr
		for _, l := range ways {
			via4, via6 = append(via4, l.B.Addr4), append(via6, l.B.Addr6)
		}
		top.Routers[0].Route(top.Farm4.String(), via4...)
		top.Routers[0].Route(top.Farm6.String(), via6...)
		y.wait(t, b, "traces after the move", func() bool { return advanced(y.traces, seen, 5) })
		after := routesOf(y, len(all))
		for key, c := range all {
			want := 0
			if before[key] != after[key] {
				want = 1
			}
			if n := y.changes[uint32(key)] - changes[uint32(key)]; n != want {
				t.Errorf("%s: %d changes by move %d, want %d:\n%s\n%s", c, n, move, want, before[key], after[key])
			}
		}
	}
}

// routesOf are the routes of all flows of each target.
func routesOf(y *tally, targets int) []string {
	all := make([]string, targets)
	for key := range all {
		var s strings.Builder
		for _, p := range followed(y.last[uint32(key)]) {
			fmt.Fprintln(&s, addresses(&p))
		}
		all[key] = s.String()
	}
	return all
}

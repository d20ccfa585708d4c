// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// kinds are all kinds of sockets.
var kinds = []rawsock.Kind{rawsock.Raw, rawsock.Datagram, rawsock.UDP}

// from are the kinds that a process may open whose best is kinds[i]; nil is all,
// those for UDP and TCP as well.
func from(i int) []rawsock.Kind {
	if kinds[i] == rawsock.Raw {
		return nil
	}
	return kinds[i:]
}

// wantRoute checks a path's addresses; the zero Addr is a silent hop.
func wantRoute(t *testing.T, what string, r result, end vitals.End, want ...netip.Addr) {
	t.Helper()
	if r.Path == nil {
		t.Errorf("%s: no path, %v", what, r.Cause)
		return
	}
	if got := addresses(r.Path); !slices.Equal(got, want) || r.Path.End != end {
		t.Errorf("%s: route\n%v, end %d; want\n%v, end %d", what, got, r.Path.End, want, end)
	}
	for i, h := range r.Path.Hops {
		if h.Silent() != (h.RTT == 0) || h.RTT < 0 {
			t.Errorf("%s: RTT %v of hop %d", what, h.RTT, i+1)
		}
	}
}

func addresses(p *vitals.Path) []netip.Addr {
	var all []netip.Addr
	for _, h := range p.Hops {
		all = append(all, h.Addr)
	}
	return all
}

// far is the address of a link's far end in the family of to.
func far(l *netlab.Link, to netip.Addr) netip.Addr {
	if to.Is4() {
		return l.B.Addr4
	}
	return l.B.Addr6
}

// routeTo is the route over the first hops links of a chain, with silent
// routers left out, to a host at its end.
func routeTo(top *netlab.Topology, hops int, to netip.Addr, silent ...int) []netip.Addr {
	var route []netip.Addr
	for hop := 1; hop < hops; hop++ {
		if slices.Contains(silent, hop) {
			route = append(route, netip.Addr{})
			continue
		}
		route = append(route, far(top.Links[hop-1], to))
	}
	return append(route, to)
}

// traceroute is what traceroute(8) sees.
func traceroute(t *testing.T, n *netlab.Node, to netip.Addr) []netip.Addr {
	t.Helper()
	if _, err := exec.LookPath("traceroute"); err != nil {
		t.Skip(err)
	}
	out, err := n.Command(t.Context(), "traceroute", "-n", "-q1", "-I", "-w", "1", to.String()).Output()
	if err != nil {
		t.Fatalf("traceroute: %v", err)
	}
	return tracerouteHops(out)
}

// tracerouteHops reads the output of traceroute(8), of one probe a hop.
func tracerouteHops(out []byte) (route []netip.Addr) {
	hop := regexp.MustCompile(`^ *\d+  (\S+)`)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if m := hop.FindStringSubmatch(lines.Text()); m != nil {
			a, _ := netip.ParseAddr(m[1]) // "*" is the zero Addr
			route = append(route, a)
		}
	}
	return route
}

// chain12 is a chain of 12 hops, of which the routers at hops 4 and 8 are
// silent. Every router answers for 200 addresses of its own: 10.97.HOP.0/24 and
// fd97:0:0:HOP::/64.
func chain12(t *testing.T) *netlab.Topology {
	t.Helper()
	top := netlab.Chain(t, 12)
	for i, r := range top.Routers {
		r.Local(fmt.Sprintf("10.97.%d.0/24", i+1))
		r.Local(fmt.Sprintf("fd97:0:0:%x::/64", i+1))
	}
	top.Lab.Converge()
	top.Routers[3].Silent()
	top.Routers[7].Silent()
	return top
}

// TestDefect11To17ManyTracesAtOnce: 200 hosts of each family, one to twelve
// hops away, are traced at the same moment, and pinged; each gets its own
// route, with no hop of another's, as traceroute(8) sees it. (Defects 11, 12,
// 13, 14, 17; pain 2.)
func TestDefect11To17ManyTracesAtOnce(t *testing.T) {
	t.Parallel()
	top := chain12(t)
	b := run(t, top.Client, Options{})
	const hosts = 200
	s := traces(time.Hour)
	s.Ping, s.NumPings, s.Payload, s.Interval, s.PingPause = true, 5, 41, 20*time.Millisecond, time.Hour
	at := func(i int) (hops int, to netip.Addr) {
		hops = 1 + i/2%12
		switch {
		case hops == 12 && i%2 == 0:
			return hops, top.Host4(i)
		case hops == 12:
			return hops, top.Host6(i)
		case i%2 == 0:
			return hops, netip.AddrFrom4([4]byte{10, 97, byte(hops), byte(1 + i/24)})
		}
		return hops, netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x97, 7: byte(hops), 15: byte(1 + i/24)})
	}
	for i := range 2 * hosts {
		_, to := at(i)
		b.add(uint32(i), to, s)
	}
	for i := range 2 * hosts {
		hops, to := at(i)
		for _, r := range b.of(t, uint32(i), 2) {
			if !r.Traced {
				wantWhole(t, r, 5)
				continue
			}
			if !r.Changed {
				t.Errorf("%s: the first trace is no change", to)
			}
			wantRoute(t, to.String(), r, vitals.EndReached, routeTo(top, hops, to, 4, 8)...)
			for _, h := range r.Path.Hops {
				if h.RTT > hang {
					t.Errorf("%s: RTT %v", to, h.RTT)
				}
			}
		}
	}
	b.account()
	for _, stats := range b.probes() {
		if stats.Unstamped != 0 {
			t.Errorf("%d RTTs without kernel stamps", stats.Unstamped)
		}
	}
	all := b.results()
	for _, i := range []int{22, 23, 12} { // twelve hops, and seven
		hops, to := at(i)
		want := traceroute(t, top.Client, to)
		k := slices.IndexFunc(all, func(r result) bool { return r.Traced && r.Key == uint32(i) })
		if got := addresses(all[k].Path); !slices.Equal(got, want) || len(got) != hops {
			t.Errorf("%s: route\n%v, traceroute sees\n%v", to, got, want)
		}
	}
}

// TestPain17EveryKindFindsTheSameRoute: what is reported does not depend on the
// privilege.
func TestPain17EveryKindFindsTheSameRoute(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 6)
	top.Routers[2].Silent()
	top.Client.AllowPings()
	for _, kind := range kinds {
		b := run(t, top.Client, Options{}, kind)
		for i, v6 := range both {
			to := top.Links[5].B.Addr4
			if v6 {
				to = top.Links[5].B.Addr6
			}
			b.add(uint32(i), to, traces(time.Hour))
			r := b.of(t, uint32(i), 1)[0]
			wantRoute(t, kind.String(), r, vitals.EndReached, routeTo(top, 6, to, 3)...)
			for k, h := range r.Path.Hops {
				if !h.Silent() && h.Reply.TTL != uint8(64-k) {
					t.Errorf("%s to %s: the answer of hop %d came with TTL %d", kind, to, k+1, h.Reply.TTL)
				}
			}
			if udp := kind == rawsock.UDP; r.Path.UDP != udp {
				t.Errorf("%s: by UDP %v", kind, r.Path.UDP)
			}
		}
		b.account()
	}
}

// TestOwnAddressAnswers: a trace of an address of this machine is one hop, by each
// method and kind.
func TestOwnAddressAnswers(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	top.Client.AllowPings()
	own := append(pair(top.Links[0].A), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	for i, kind := range kinds {
		b := run(t, top.Client, Options{}, from(i)...)
		key := uint32(0)
		for name, method := range methods {
			for _, to := range own {
				if kind != rawsock.Raw && method == vitals.MethodTCP {
					continue
				}
				s := traces(time.Hour)
				s.Method = method
				b.add(key, to, s)
				wantRoute(t, fmt.Sprint(kind, " ", name, " ", to), b.of(t, key, 1)[0], vitals.EndReached, to)
				key++
			}
		}
	}
}

// repeated waits for n traces of a target and counts those that changed.
func (b *bench) repeated(key uint32, n int) (changes int, all []result) {
	b.t.Helper()
	all = b.of(b.t, key, n)
	for _, r := range all {
		if r.Changed {
			changes++
		}
	}
	return changes, all
}

// TestPain13DiamondIsNoChange: where a router balances flows over two ways, a
// trace keeps to one of them, and so do the traces after it.
func TestPain13DiamondIsNoChange(t *testing.T) {
	t.Parallel()
	top := netlab.Diamond(t)
	top.Client.AllowPings()
	server := top.Links[len(top.Links)-1].B
	for _, kind := range kinds {
		b := run(t, top.Client, Options{}, kind)
		keys := uint32(0)
		for i := range 16 {
			hosts := []netip.Addr{top.Host4(i), top.Host6(i)}
			if kind == rawsock.UDP { // over which AnyIP hosts do not answer by their own address
				hosts = []netip.Addr{server.Addr4, server.Addr6}
			}
			for _, to := range hosts {
				b.add(keys, to, traces(time.Millisecond))
				keys++
			}
		}
		for key := range keys {
			changes, all := b.repeated(key, 20)
			if changes != 1 || !all[0].Changed {
				t.Errorf("%s: target %d: %d changes in %d traces", kind, key, changes, len(all))
			}
			if len(all[0].Path.Hops) != 4 || all[0].Path.End != vitals.EndReached {
				t.Errorf("%s: target %d: %v", kind, key, all[0].Path)
			}
		}
	}
}

// TestDefect16MovedLinkIsOneChange: a route that moves is printed once, and so
// is its way back; a silent router is neither.
func TestDefect16MovedLinkIsOneChange(t *testing.T) {
	t.Parallel()
	top := netlab.Diamond(t)
	d0, farms := top.Routers[0], []string{top.Farm4.String(), top.Farm6.String()}
	by := func(link int) {
		d0.Route(farms[0], top.Links[link].B.Addr4)
		d0.Route(farms[1], top.Links[link].B.Addr6)
	}
	by(1)
	b := run(t, top.Client, Options{})
	hosts := []netip.Addr{top.Host4(1), top.Host6(1)}
	for i, to := range hosts {
		b.add(uint32(i), to, traces(time.Millisecond))
		b.of(t, uint32(i), 5)
	}
	for move, link := range []int{2, 1, 2} {
		changed := func(r result) bool { return r.Changed }
		waiting := make(chan result, 2)
		for i := range hosts {
			go func() { waiting <- b.next(t, uint32(i), "the change", changed) }()
		}
		by(link)
		for range hosts {
			r := <-waiting
			to := hosts[r.Key]
			d3 := top.Links[3].B.Addr4
			if to.Is6() {
				d3 = r.Path.Hops[2].Addr // kernels differ in which of its addresses it speaks by
			}
			wantRoute(t, "moved", r, vitals.EndReached, far(top.Links[0], to), far(top.Links[link], to), d3, to)
		}
		// Then nothing more, nor when a router falls silent or speaks again.
		router := top.Routers[link]
		for _, set := range []func(){router.Silent, router.Heard, func() {}} {
			for i := range hosts {
				set()
				set = func() {}
				b.more(uint32(i), 4)
			}
		}
		for i := range hosts {
			if changes, all := b.repeated(uint32(i), 1); changes != 2+move {
				t.Errorf("target %d: %d changes in %d traces, want %d", i, changes, len(all), 2+move)
			}
		}
	}
	b.account()
}

// more waits for n more results of a target.
func (b *bench) more(key uint32, n int) []result {
	b.t.Helper()
	had := len(of(b.results(), key))
	return b.of(b.t, key, had+n)[had:]
}

// TestDefect15UnreachableEndsTheTrace: a router that reports the destination
// unreachable is the last hop, by each method, and what it says of it is shown; also
// where it looks at the TTL first, and where it speaks of a port.
func TestDefect15UnreachableEndsTheTrace(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 5)
	top.Client.AllowPings()
	top.Routers[2].Reject("10.98.9.9", "icmp type host-unreachable")
	top.Routers[2].Reject("10.98.9.8", "icmp type port-unreachable")
	top.Routers[2].Reject("fd98::99", "icmpv6 type admin-prohibited")
	top.Routers[2].Reject("fd98::98", "icmpv6 type port-unreachable")
	// By a route in IPv6 only: of IPv4's own errors the kernel sends very few.
	top.Routers[1].Unreachable("fd98::88/128")
	hosts := map[string]struct {
		hop       int
		typ, code uint8
	}{"10.98.9.9": {3, 3, 1}, "10.98.9.8": {3, 3, 3}, "fd98::99": {3, 1, 1}, "fd98::98": {3, 1, 4}, "fd98::88": {2, 1, 0}}
	for i, kind := range kinds {
		b := run(t, top.Client, Options{}, from(i)...)
		key := uint32(0)
		for name, method := range methods {
			if kind != rawsock.Raw && method == vitals.MethodTCP {
				continue
			}
			for host, want := range hosts {
				to := netip.MustParseAddr(host)
				s := traces(time.Hour)
				s.Method = method
				b.add(key, to, s)
				r, what := b.of(t, key, 1)[0], fmt.Sprint(kind, " ", name, " ", host)
				wantRoute(t, what, r, vitals.EndUnreachable, routeTo(top, want.hop+1, to)[:want.hop]...)
				if last := r.Path.Hops[len(r.Path.Hops)-1].Reply; last.Type != want.typ || last.Code != want.code {
					t.Errorf("%s: it says %+v, want %+v", what, last, want)
				}
				key++
			}
		}
	}
}

// TestUnreachableHostIsLoss: of pings that a router refuses, it is known why.
func TestUnreachableHostIsLoss(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	top.Client.AllowPings()
	top.Routers[0].Reject("10.98.9.9", "icmp type host-unreachable")
	top.Routers[0].Reject("fd98::99", "icmpv6 type no-route")
	for _, kind := range kinds[:2] {
		b := run(t, top.Client, Options{}, kind)
		for i, v6 := range both {
			bad, good := netip.MustParseAddr("10.98.9.9"), top.Host4(1)
			if v6 {
				bad, good = netip.MustParseAddr("fd98::99"), top.Host6(1)
			}
			b.add(uint32(2*i), bad, pings(10, 10*time.Millisecond))
			b.add(uint32(2*i+1), good, pings(10, 10*time.Millisecond))
			for _, r := range b.of(t, uint32(2*i), 5) {
				if p := r.Ping; p.Sent != 10 || p.Unreachable != 10 || p.Received+p.Unknown != 0 || p.Loss() != 100 {
					t.Errorf("%s: %+v", kind, p)
				}
			}
			for _, r := range b.of(t, uint32(2*i+1), 5) {
				wantWhole(t, r, 10)
			}
		}
	}
}

// TestPain12RateLimitedRoutersAreNoChange: routers that answer now and then
// only make silent hops, not changes; nor do they hide the destination.
func TestPain12RateLimitedRoutersAreNoChange(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 5)
	for _, r := range top.Routers {
		r.RateLimit(time.Second)
	}
	b := run(t, top.Client, Options{})
	for i, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		b.add(uint32(i), to, traces(time.Millisecond))
		changes, all := b.repeated(uint32(i), 20)
		silent := 0
		for _, r := range all {
			for hop, h := range r.Path.Hops {
				if h.Silent() {
					silent++
				} else if want := routeTo(top, 5, to)[hop]; h.Addr != want {
					t.Errorf("hop %d is %s, want %s", hop+1, h.Addr, want)
				}
			}
			if r.Path.End != vitals.EndReached || len(r.Path.Hops) != 5 {
				t.Errorf("%v", r.Path)
			}
		}
		if changes != 1 || silent == 0 {
			t.Errorf("%s: %d changes, %d silent hops in %d traces", to, changes, silent, len(all))
		}
	}
}

// TestNeighbourFailureIsNoHop: that our own host cannot resolve the neighbour
// is loss for a ping, and no router's answer for a trace.
func TestNeighbourFailureIsNoHop(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings()
	device := top.Links[0].A.Device
	top.Client.Sysctl("net.ipv4.neigh."+device+".retrans_time_ms=20", "net.ipv6.neigh."+device+".retrans_time_ms=20")
	top.Client.IP("addr", "add", "10.77.0.1/24", "dev", device)
	top.Client.Address("fd77::1/64", device)
	for i, kind := range kinds {
		b := run(t, top.Client, Options{}, kind)
		for j, v6 := range both {
			to := netip.AddrFrom4([4]byte{10, 77, 0, byte(10 + i)})
			if v6 {
				to = netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: byte(10 + i)})
			}
			s := traces(time.Hour)
			s.Hops, s.Timeout = 3, 400*time.Millisecond
			b.add(uint32(2*j), to, s)
			wantRoute(t, kind.String(), b.of(t, uint32(2*j), 1)[0], vitals.EndHops, make([]netip.Addr, 3)...)
			if kind == rawsock.UDP {
				continue
			}
			b.add(uint32(2*j+1), to, pings(3, time.Hour))
			if p := b.of(t, uint32(2*j+1), 1)[0].Ping; p.Loss() != 100 || p.Sent != 3 || p.Unknown != 0 {
				t.Errorf("%s: %+v", kind, p)
			}
		}
	}
}

// TestSilentDestination: a trace to a host that does not answer shows every hop
// up to HOPS, and ends.
func TestSilentDestination(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 4)
	top.Server.NFT(`table inet dead {
	chain input {
		type filter hook input priority 0;
		meta l4proto { icmp, ipv6-icmp } drop
	}
}`)
	b := run(t, top.Client, Options{})
	for i, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		s := traces(time.Hour)
		s.Hops, s.Timeout = 6, 300*time.Millisecond
		b.add(uint32(i), to, s)
		want := append(routeTo(top, 4, to)[:3], netip.Addr{}, netip.Addr{}, netip.Addr{})
		wantRoute(t, strconv.Itoa(i), b.of(t, uint32(i), 1)[0], vitals.EndHops, want...)
	}
}

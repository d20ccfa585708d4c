// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// TestNATTranslatesBothWays: what is asked by an address that does not exist is
// answered by it, and by who is behind it.
func TestNATTranslatesBothWays(t *testing.T) {
	t.Parallel()
	for i, translate := range []func(n *Node, from, to netip.Addr){(*Node).DestinationNAT, (*Node).StatelessNAT} {
		top := Chain(t, 3)
		server := top.Links[2].B
		for from, to := range map[netip.Addr]netip.Addr{
			netip.MustParseAddr("10.97.0.1"): server.Addr4, netip.MustParseAddr("fd97::1"): server.Addr6,
		} {
			alone := netip.PrefixFrom(from, from.BitLen())
			top.Client.Route(alone.String(), top.Links[0].B.address(alone))
			translate(top.Routers[0], from, to)
			out, n := ping(t, top.Client, from, 3, "-i", patient)
			if n != 3 || strings.Count(out, fmt.Sprintf("bytes from %s: ", from)) != 3 {
				t.Errorf("translation %d of %s to %s:\n%s", i, from, to, out)
			}
		}
	}
}

// TestSourceNATHidesTheClient: who is asked sees the router's address alone.
func TestSourceNATHidesTheClient(t *testing.T) {
	t.Parallel()
	top := Chain(t, 3)
	out := top.Links[1].A
	top.Routers[0].SourceNAT(out)
	top.Server.NFT(fmt.Sprintf(`table inet strangers {
	chain input {
		type filter hook input priority 0;
		ip saddr != { %s, 127.0.0.0/8 } icmp type echo-request drop
		ip6 saddr != { %s, ::1 } icmpv6 type echo-request drop
	}
}`, out.Addr4, out.Addr6))
	reaches(t, top.Client, top.Host4(7), top.Host6(7))
}

// TestDiamondsSpreadAtEveryDepth: the ways of each diamond share the flows, and
// by layer 3 all flows between two addresses take one.
func TestDiamondsSpreadAtEveryDepth(t *testing.T) {
	t.Parallel()
	const flows = 64
	for _, layer := range []int{3, 4} {
		top := Diamonds(t, []int{2, 4})
		for _, n := range top.Routers {
			n.NFT("table inet flows { chain f { type filter hook forward priority 0; udp dport 9 counter; }\n}")
			if layer == 3 {
				n.SpreadByAddress()
			}
		}
		c := listen(t, top.Server)
		sendFlows(t, top.Client, top.Host4(5), flows)
		receive(t, c, flows)
		for _, ways := range [][]*Node{top.Routers[1:3], top.Routers[4:8]} {
			used, sum := 0, 0
			for _, n := range ways {
				if crossed := counted(t, n); crossed > 0 {
					used, sum = used+1, sum+crossed
				}
			}
			if want := map[int]int{3: 1, 4: len(ways)}[layer]; sum != flows || used != want {
				t.Errorf("layer %d: %d flows over %d of %d ways, want %d", layer, sum, used, len(ways), want)
			}
		}
	}
}

// TestDefaultLimits: of many questions at once a router answers the first few.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	top := Chain(t, 2)
	top.Routers[0].DefaultLimits()
	for _, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		out, _ := ping(t, top.Client, to, 30, "-t", "1")
		if n := strings.Count(out, "From "); n < 1 || n > 15 {
			t.Errorf("%d of 30 were answered:\n%s", n, out)
		}
	}
}

// TestLabelPathDropsWithinAndDeliversBeyond is of MPLS as Linux plays it.
func TestLabelPathDropsWithinAndDeliversBeyond(t *testing.T) {
	t.Parallel()
	if err := MPLS(); err != nil {
		t.Skipf("the kernel does not switch labels: %v", err)
	}
	top := Chain(t, 6)
	top.LabelPath(0, 3)
	reaches(t, top.Client, top.Host4(1), top.Host6(1))
	for ttl, answered := range map[string]bool{"1": true, "2": false, "3": false, "4": true, "5": true} {
		for _, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
			out, _ := ping(t, top.Client, to, 1, "-t", ttl)
			if strings.Contains(out, "From ") != answered {
				t.Errorf("TTL %s, answered %v is wanted:\n%s", ttl, answered, out)
			}
		}
	}
}

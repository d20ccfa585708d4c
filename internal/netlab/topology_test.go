// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestChainPings(t *testing.T) {
	t.Parallel()
	top := Chain(t, 12)
	if len(top.Links) != 12 || len(top.Routers) != 11 {
		t.Fatalf("%d links, %d routers", len(top.Links), len(top.Routers))
	}
	reaches(t, top.Client, top.Host4(0x304), top.Host6(0x10002))
	for _, link := range top.Links {
		reaches(t, top.Client, link.B.Addr4, link.B.Addr6)
	}
	// TTL 12 reaches the server and TTL 11 the router before it.
	for _, to := range []netip.Addr{top.Host4(9), top.Host6(9)} {
		if out, n := ping(t, top.Client, to, 1, "-t", "12"); n != 1 {
			t.Errorf("TTL 12:\n%s", out)
		}
		out, n := ping(t, top.Client, to, 1, "-t", "11")
		if from := top.Links[10].B.address(netip.PrefixFrom(to, 8)).String(); n != 0 || !strings.Contains(out, "From "+from) {
			t.Errorf("TTL 11 is not answered by %s:\n%s", from, out)
		}
	}
}

func TestFarmAnswers(t *testing.T) {
	t.Parallel()
	top := Farm(t)
	reaches(t, top.Client, top.Host4(1), top.Host4(0xffff), top.Host6(1<<40), netip.MustParseAddr("10.200.3.4"))
	if top.Host4(0x102) != netip.MustParseAddr("10.99.1.2") || top.Host6(0x10002) != netip.MustParseAddr("fd99::1:2") {
		t.Errorf("Host4 %s, Host6 %s", top.Host4(0x102), top.Host6(0x10002))
	}
	top = Farm(t, Prefixes("10.97.0.0/16", "fd97::/64"), AllLinks(MTU(1280)))
	reaches(t, top.Client, top.Host4(1), top.Host6(1))
	if out := run(t, top.Client, "ping", "-n", "-c", "1", "-M", "do", "-s", "1253", "-W", "0.1", top.Host4(1).String()); !strings.Contains(out, "mtu=1280") {
		t.Errorf("1281 bytes over MTU 1280:\n%s", out)
	}
}

func TestDiamondSplitsFlows(t *testing.T) {
	t.Parallel()
	const flows = 64
	host := map[string]func(*Topology, int) netip.Addr{"IPv4": (*Topology).Host4, "IPv6": (*Topology).Host6}
	for family, host := range host {
		t.Run(family, func(t *testing.T) {
			top := Diamond(t)
			for _, n := range top.Routers {
				n.NFT("table inet flows { chain f { type filter hook forward priority 0; udp dport 9 counter; }\n}")
			}
			c := listen(t, top.Server)
			sendFlows(t, top.Client, host(top, 5), flows)
			receive(t, c, flows)
			d0, da, db, d3 := counted(t, top.Routers[0]), counted(t, top.Routers[1]), counted(t, top.Routers[2]), counted(t, top.Routers[3])
			if d0 != flows || d3 != flows || da+db != flows || da < 8 || db < 8 {
				t.Errorf("of %d flows d0 %d, da %d, db %d, d3 %d", flows, d0, da, db, d3)
			}
		})
	}
}

func listen(t *testing.T, n *Node) (c net.PacketConn) {
	t.Helper()
	var err error
	n.Do(func() { c, err = net.ListenPacket("udp", ":9") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// sendFlows sends one datagram from each of many ports.
func sendFlows(t *testing.T, n *Node, to netip.Addr, flows int) {
	t.Helper()
	n.Do(func() {
		for range flows {
			c, err := net.Dial("udp", netip.AddrPortFrom(to, 9).String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			_ = c.Close()
		}
	})
}

func receive(t *testing.T, c net.PacketConn, count int) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		if _, _, err := c.ReadFrom(make([]byte, 16)); err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
	}
}

// counted reads the counter of the table flows.
func counted(t *testing.T, n *Node) int {
	t.Helper()
	out := run(t, n, "nft", "list", "table", "inet", "flows")
	m := regexp.MustCompile(`packets (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no counter:\n%s", out)
	}
	packets, _ := strconv.Atoi(m[1])
	return packets
}

func TestDiamondHasOneAddressPerHop(t *testing.T) {
	t.Parallel()
	top := Diamond(t)
	for _, to := range []netip.Addr{top.Host4(7), top.Host6(7)} {
		p := netip.PrefixFrom(to, 8)
		want := fmt.Sprintf("From %s", top.Links[3].B.address(p))
		if out, _ := ping(t, top.Client, to, 3, "-t", "3"); strings.Count(out, want) != 3 {
			t.Errorf("want 3 times %q:\n%s", want, out)
		}
	}
}

func TestRoutesChange(t *testing.T) {
	t.Parallel()
	top := Diamond(t)
	d0, to4, to6 := top.Routers[0], top.Host4(1), top.Host6(1)
	second := func(to netip.Addr) string {
		out, _ := ping(t, top.Client, to, 1, "-t", "2")
		return regexp.MustCompile(`From (\S+)`).FindString(out)
	}
	// Over one side, then over the other.
	for _, link := range []*Link{top.Links[1], top.Links[2], top.Links[1]} {
		d0.Route(top.Farm4.String(), link.B.Addr4)
		d0.Route(top.Farm6.String(), link.B.Addr6)
		if got := second(to4); got != "From "+link.B.Addr4.String() {
			t.Errorf("second hop %q, want %s", got, link.B.Addr4)
		}
		if got := second(to6); got != "From "+link.B.Addr6.String() {
			t.Errorf("second hop %q, want %s", got, link.B.Addr6)
		}
	}
	// Refused, swallowed, and well again.
	for _, refuse := range []func(string){d0.Unreachable, d0.Blackhole} {
		refuse(top.Farm4.String())
		refuse(top.Farm6.String())
		for _, to := range []netip.Addr{to4, to6} {
			if out, n := ping(t, top.Client, to, 1, "-W", "0.1"); n != 0 {
				t.Errorf("%s is still reached:\n%s", to, out)
			}
		}
	}
	// A route takes the place of a refusal, and several ways that of one.
	d0.Route(top.Farm4.String(), top.Links[2].B.Addr4)
	d0.Route(top.Farm6.String(), top.Links[2].B.Addr6)
	reaches(t, top.Client, to4, to6)
	d0.Route(top.Farm4.String(), top.Links[1].B.Addr4, top.Links[2].B.Addr4)
	d0.Route(top.Farm6.String(), top.Links[1].B.Addr6, top.Links[2].B.Addr6)
	reaches(t, top.Client, to4, to6)
	// Back to one: nothing of the other way is left.
	d0.Route(top.Farm4.String(), top.Links[1].B.Addr4)
	d0.Route(top.Farm6.String(), top.Links[1].B.Addr6)
	for _, p := range []netip.Prefix{top.Farm4, top.Farm6} {
		if got := shownRoutes(d0, p); strings.Count(got, "via") != 1 || !strings.Contains(got, top.Links[1].B.address(p).String()+" ") {
			t.Errorf("routes to %s:\n%s", p, got)
		}
	}
	d0.Unroute(top.Farm4.String())
	d0.Unroute(top.Farm6.String())
	for _, p := range []netip.Prefix{top.Farm4, top.Farm6} {
		if got := shownRoutes(d0, p); got != "" {
			t.Errorf("routes left to %s:\n%s", p, got)
		}
	}
}

func shownRoutes(n *Node, p netip.Prefix) string {
	family := map[bool]string{true: "-4", false: "-6"}[p.Addr().Is4()]
	return n.IP(family, "route", "show", "to", "exact", p.String())
}

func TestUnreachableIsAnswered(t *testing.T) {
	t.Parallel()
	top := Chain(t, 2)
	top.Routers[0].Unreachable("10.98.0.7/32")
	top.Routers[0].Unreachable("fd98::7/128")
	for to, want := range map[netip.Addr]string{top.Host4(7): "Destination Host Unreachable", top.Host6(7): "Destination unreachable"} {
		if out, _ := ping(t, top.Client, to, 1); !strings.Contains(out, want) {
			t.Errorf("%s: no %q:\n%s", to, want, out)
		}
	}
	reaches(t, top.Client, top.Host4(8), top.Host6(8))
}

func TestLinkGoesDownAndUp(t *testing.T) {
	t.Parallel()
	top := Chain(t, 3, OnLinks(LineConfig{}, 2))
	for _, link := range top.Links {
		for _, e := range []*Endpoint{link.A, link.B} {
			e.Down()
			for _, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
				out := run(t, top.Client, "ping", "-n", "-c", "1", "-W", "0.05", to.String())
				if strings.Contains(out, "bytes from") {
					t.Errorf("%s of %s is down, but:\n%s", e.Device, e.Node.Name, out)
				}
			}
			e.Up()
			reaches(t, top.Client, top.Host4(1), top.Host6(1))
		}
	}
	link := top.Links[0]
	link.A.Down()
	link.B.Down()
	link.A.Up()
	link.B.Up()
	reaches(t, top.Client, top.Host4(1), top.Host6(1))
}

func TestAddressesChange(t *testing.T) {
	top := Farm(t)
	e := top.Links[0].B
	top.Server.IP("addr", "add", "10.64.0.2/32", "dev", "lo")
	top.Server.IP("addr", "del", e.Addr4.String()+"/30", "dev", e.Device)
	if got := top.Server.IP("-o", "-4", "addr", "show", "dev", e.Device); got != "" {
		t.Errorf("addresses left: %s", got)
	}
}

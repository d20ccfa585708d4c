// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"net/netip"
	"slices"
	"strings"
)

// route is one call of Node.Route.
type route struct {
	prefix netip.Prefix
	via    []netip.Addr
}

func (r route) command() string {
	var b strings.Builder
	b.WriteString("route replace " + r.prefix.String())
	for _, via := range r.via {
		if len(r.via) > 1 {
			b.WriteString(" nexthop")
		}
		b.WriteString(" via " + via.String())
	}
	return b.String()
}

// Route sends what goes to prefix by way of the address via, in place of the
// way it went before; by several it sends each flow (RFC 6438: addresses,
// protocol and ports; an ICMP echo has none, so all to one address take one
// way) by one of them.
func (n *Node) Route(prefix string, via ...netip.Addr) {
	n.lab.t.Helper()
	if len(via) == 0 {
		n.lab.t.Fatalf("netlab: node %s: route %s without a next hop", n.Name, prefix)
	}
	n.setRoutes(route{n.prefix(prefix), via})
}

// Unroute takes away the route that Route or Converge set.
func (n *Node) Unroute(prefix string) {
	n.lab.t.Helper()
	p := n.prefix(prefix)
	n.forget(p)
	n.batch("route del " + p.String())
}

// Unreachable makes the node refuse what goes to prefix: as a router it
// answers host unreachable (ICMPv6: no route), its own programs get
// EHOSTUNREACH.
func (n *Node) Unreachable(prefix string) {
	n.lab.t.Helper()
	n.refuse("unreachable", prefix)
}

// Blackhole makes the node drop what goes to prefix without a word; its own
// programs get EINVAL.
func (n *Node) Blackhole(prefix string) {
	n.lab.t.Helper()
	n.refuse("blackhole", prefix)
}

// refuse puts a route of another type in the place of the route to prefix.
// IPv6 keeps routes of both types side by side, so the old one is taken away
// first where it is known.
func (n *Node) refuse(kind, prefix string) {
	n.lab.t.Helper()
	p := n.prefix(prefix)
	if n.forget(p) {
		n.batch("route del " + p.String())
	}
	n.batch("route replace " + kind + " " + p.String())
}

// Local makes the node answer for every address of prefix (AnyIP): a farm.
func (n *Node) Local(prefix string) {
	n.lab.t.Helper()
	p := n.prefix(prefix)
	n.locals = append(n.locals, p)
	n.batch("route replace local " + p.String() + " dev lo")
}

func (n *Node) prefix(s string) netip.Prefix {
	n.lab.t.Helper()
	p, err := netip.ParsePrefix(s)
	if err != nil {
		n.lab.t.Fatalf("netlab: node %s: %v", n.Name, err)
	}
	return p.Masked()
}

// setRoutes sets routes and remembers them for restoreRoutes.
func (n *Node) setRoutes(routes ...route) {
	n.lab.t.Helper()
	lines := make([]string, 0, len(routes))
	for _, r := range routes {
		n.forget(r.prefix)
		lines = append(lines, r.command())
	}
	n.routes = append(n.routes, routes...)
	n.batch(lines...)
}

// forget drops the record of the route to p and reports whether there was one.
func (n *Node) forget(p netip.Prefix) bool {
	before := len(n.routes)
	n.routes = slices.DeleteFunc(n.routes, func(r route) bool { return r.prefix == p })
	return len(n.routes) < before
}

// restoreRoutes sets again the routes by way of a neighbour, which the kernel
// dropped when the device to it went down.
func (n *Node) restoreRoutes(by *Endpoint) {
	n.lab.t.Helper()
	var lines []string
	for _, r := range n.routes {
		if slices.Contains(r.via, by.Addr4) || slices.Contains(r.via, by.Addr6) {
			lines = append(lines, r.command())
		}
	}
	n.batch(lines...)
}

// Converge gives every node a route to the networks of every link and to every
// prefix of Local, by way of all shortest paths, as a routing protocol would:
// where several are equally short each flow takes one of them.
func (l *Lab) Converge() {
	l.t.Helper()
	routes := make(map[*Node][]route)
	for _, link := range l.links {
		for _, p := range link.A.prefixes() {
			l.spread(routes, p.Masked(), link.A.Node, link.B.Node)
		}
	}
	for _, n := range l.nodes {
		for _, p := range n.locals {
			l.spread(routes, p, n)
		}
	}
	for _, n := range l.nodes {
		if len(routes[n]) > 0 {
			n.setRoutes(routes[n]...)
		}
	}
}

// spread adds the routes to one prefix, which owners have: breadth first from
// them, every node learns the neighbours that are one step nearer.
func (l *Lab) spread(routes map[*Node][]route, p netip.Prefix, owners ...*Node) {
	distance := make(map[*Node]int)
	for _, n := range owners {
		distance[n] = 0
	}
	for queue := slices.Clone(owners); len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		for _, e := range n.ports {
			if _, seen := distance[e.peer.Node]; !seen && e.address(p).IsValid() {
				distance[e.peer.Node] = distance[n] + 1
				queue = append(queue, e.peer.Node)
			}
		}
	}
	for n, d := range distance {
		if d > 0 {
			routes[n] = append(routes[n], route{p, n.nearer(p, distance, d)})
		}
	}
}

// nearer lists the next hops towards p, whose distance is one less than d.
func (n *Node) nearer(p netip.Prefix, distance map[*Node]int, d int) []netip.Addr {
	var via []netip.Addr
	for _, e := range n.ports {
		if far, ok := distance[e.peer.Node]; ok && far == d-1 && e.peer.address(p).IsValid() {
			via = append(via, e.peer.address(p))
		}
	}
	return via
}

// address is the address of the end in the family of p.
func (e *Endpoint) address(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		return e.Addr4
	}
	return e.Addr6
}

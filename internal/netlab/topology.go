// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
)

// Topology is a laboratory that is ready to measure: a client, the routers on
// its way, and a server that answers for every address of its prefixes.
type Topology struct {
	Lab     *Lab
	Client  *Node
	Routers []*Node
	Server  *Node
	// Links are listed from the client on; Chain, Diamonds and Farm say how.
	Links []*Link
	// Farm4 and Farm6 are the first IPv4 and the first IPv6 prefix that the
	// server answers for.
	Farm4, Farm6 netip.Prefix

	prefixes []string
	lines    map[int]LineConfig
	options  []LinkOption
}

// TopologyOption changes how a topology is made.
type TopologyOption func(*Topology)

// OnLinks makes the links of these indices (of Topology.Links) lines.
func OnLinks(cfg LineConfig, links ...int) TopologyOption {
	return func(t *Topology) {
		for _, i := range links {
			t.lines[i] = cfg
		}
	}
}

// Prefixes sets what the server answers for; give at least one of each family
// that is wanted. They must lie outside 10.64.0.0/11 and fd64::/16, which are
// the links'.
func Prefixes(prefixes ...string) TopologyOption {
	return func(t *Topology) { t.prefixes = prefixes }
}

// AllLinks makes every link with these options.
func AllLinks(opts ...LinkOption) TopologyOption {
	return func(t *Topology) { t.options = opts }
}

// Chain makes a client, hops-1 routers r1, r2 ... and a server in a row: the
// server is the hops-th hop. Links[i] leads to hop i+1. The server answers for
// 10.98.0.0/16 and fd98::/64.
func Chain(t testing.TB, hops int, opts ...TopologyOption) *Topology {
	t.Helper()
	top := newTopology(t, opts, "10.98.0.0/16", "fd98::/64")
	last := top.Client
	for i := 1; i < hops; i++ {
		r := top.router(fmt.Sprintf("r%d", i))
		top.join(last, r)
		last = r
	}
	top.join(last, top.Server)
	top.Lab.Converge()
	return top
}

// Diamond makes the topology in which d0 spreads flows by their ports over d0a
// and d0b, which meet again in d1:
//
//	client -0- d0 -1- d0a -3- d1 -5- server
//	             -2- d0b -4-
//
// The numbers are the indices in Links; Routers are d0, d0a, d0b, d1. The way
// back is always by d0a, so that d1, whose errors come from the address that
// faces the client, has one address in each family. The server answers for
// 10.100.0.0/16 and fd9a::/64.
func Diamond(t testing.TB, opts ...TopologyOption) *Topology {
	t.Helper()
	return Diamonds(t, []int{2}, opts...)
}

// Diamonds is Diamond with other widths and several depths: d0 spreads flows over
// as many ways as the first number says, d1, in which they meet, over as many as
// the second, and so on. Routers and Links are listed from the client on, of a
// diamond first the links that part, then those that meet.
func Diamonds(t testing.TB, ways []int, opts ...TopologyOption) *Topology {
	t.Helper()
	top := newTopology(t, opts, "10.100.0.0/16", "fd9a::/64")
	last := top.router("d0")
	top.join(top.Client, last)
	back := make(map[*Node]*Link)
	for i, n := range ways {
		apart := make([]*Node, n)
		for k := range apart {
			apart[k] = top.router(fmt.Sprintf("d%d%c", i, 'a'+k))
			top.join(last, apart[k])
		}
		last = top.router(fmt.Sprintf("d%d", i+1))
		for _, way := range apart {
			top.join(way, last)
		}
		back[last] = top.Links[len(top.Links)-n]
	}
	top.join(last, top.Server)
	top.Lab.Converge()
	for n, link := range back {
		for _, p := range top.Links[0].A.prefixes() {
			n.Route(p.Masked().String(), link.A.address(p))
		}
	}
	return top
}

// Farm makes a client and a server with one link between them. The server
// answers for 10.99.0.0/16, 10.128.0.0/9 and fd99::/64.
func Farm(t testing.TB, opts ...TopologyOption) *Topology {
	t.Helper()
	top := newTopology(t, opts, "10.99.0.0/16", "10.128.0.0/9", "fd99::/64")
	top.join(top.Client, top.Server)
	top.Lab.Converge()
	return top
}

// Loopback makes a laboratory of one node without links: a host of its own,
// with 127.0.0.0/8 and ::1 and no way out. No test there sees another's packets
// or services, or asks a name server.
func Loopback(t testing.TB) *Node {
	t.Helper()
	return New(t).Node("host")
}

func newTopology(t testing.TB, opts []TopologyOption, prefixes ...string) *Topology {
	t.Helper()
	top := &Topology{Lab: New(t), prefixes: prefixes, lines: make(map[int]LineConfig)}
	for _, opt := range opts {
		opt(top)
	}
	top.Client, top.Server = top.Lab.Node("client"), top.Lab.Node("server")
	for _, p := range top.prefixes {
		top.Server.Local(p)
		switch four := strings.Contains(p, "."); {
		case four && !top.Farm4.IsValid():
			top.Farm4 = netip.MustParsePrefix(p)
		case !four && !top.Farm6.IsValid():
			top.Farm6 = netip.MustParsePrefix(p)
		}
	}
	return top
}

func (t *Topology) router(name string) *Node {
	n := t.Lab.Node(name)
	t.Routers = append(t.Routers, n)
	return n
}

func (t *Topology) join(a, b *Node) {
	t.Lab.t.Helper()
	i := len(t.Links)
	if cfg, ok := t.lines[i]; ok {
		t.Links = append(t.Links, t.Lab.Line(a, b, cfg, t.options...))
		return
	}
	t.Links = append(t.Links, t.Lab.Veth(a, b, t.options...))
}

// Host4 is the i-th address of Farm4.
func (t *Topology) Host4(i int) netip.Addr { return host(t.Farm4, i) }

// Host6 is the i-th address of Farm6.
func (t *Topology) Host6(i int) netip.Addr { return host(t.Farm6, i) }

func host(p netip.Prefix, i int) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(b), big.NewInt(int64(i)))
	a, _ := netip.AddrFromSlice(sum.FillBytes(b))
	return a
}

// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"math"
	"os/exec"
	"slices"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// pair is a host by its IPv4 and its IPv6 address.
type pair [2]string

// The hosts of the soak's laboratory; the comments say what is true of each.
var (
	steady = pair{"10.98.0.1", "fd98::1"} // answers, as do the three below
	usual  = pair{"10.98.0.2", "fd98::2"}
	quick  = pair{"10.98.0.3", "fd98::3"}
	large  = pair{"10.98.0.4", "fd98::4"}
	guest  = pair{"10.98.0.5", "fd98::5"}    // answers, and is configured now and then
	last   = pair{"10.98.0.7", "fd98::7"}    // answers, and is configured at the end
	dead   = pair{"10.98.6.6", "fd98::6:6"}  // routed, and silent
	moving = pair{"10.97.0.1", "fd97::1"}    // answers, and its route moves
	ghost  = pair{"10.97.6.6", "fd97::6:6"}  // silent, and its route moves
	lossy  = pair{"10.101.0.1", "fd65::1"}   // every tenth round trip is lost
	exact  = pair{"10.102.0.1", "fd66::1"}   // as lossy, behind a line of its own
	shaky  = pair{"10.103.0.1", "fd67::1"}   // jitter, duplicates, reordering; no loss
	nginx  = pair{"10.104.0.1", "fd68::1"}   // a real web server
	rogues = pair{"10.105.0.%d", "fd69::%d"} // hostile servers, by rogueDeeds
	farms  = map[string][2]string{           // what each node answers for
		"server": {"10.98.0.0/16", "fd98::/64"},
		"mover":  {"10.97.0.0/16", "fd97::/64"},
		"lossy":  {"10.101.0.0/24", "fd65::/64"},
		"exact":  {"10.102.0.0/24", "fd66::/64"},
		"shaky":  {"10.103.0.0/24", "fd67::/64"},
		"nginx":  {"10.104.0.0/24", "fd68::/64"},
		"rogue":  {"10.105.0.0/24", "fd69::/64"},
	}
)

// tripLoss is the loss of a round trip over the lossy lines. They lose frames
// one way: a round trip survives when its request and its reply do.
const tripLoss = 0.1

// wayLoss is the loss of one direction: 1-(1-wayLoss)^2 = tripLoss.
var wayLoss = 1 - math.Sqrt(1-tripLoss)

// soakLab is
//
//	client - r1 - r2a ------- r3 - server
//	          | \ r2b - r2c - /  \ nginx, rogue
//	          |
//	          = l1 - lossy,  = s1 - shaky,  = exact
//
// where = is a line, and the routes of two prefixes move between r2a and r2b.
// The way by r2b is a hop longer.
type soakLab struct {
	client, r1                      *netlab.Node
	toA, toB                        *netlab.Link
	lossyLine, exactLine, shakyLine *netlab.Link
	names                           map[string]string // of nodes, by their addresses
	hasNginx                        bool
	moved                           int // how often
}

func newSoakLab(t *testing.T) *soakLab {
	t.Helper()
	lab := netlab.New(t)
	nodes := make(map[string]*netlab.Node)
	for _, name := range []string{"client", "r1", "r2a", "r2b", "r2c", "r3", "l1", "s1"} {
		nodes[name] = lab.Node(name)
	}
	for name, prefixes := range farms {
		if name == "mover" {
			continue // the server has these, too
		}
		nodes[name] = lab.Node(name)
		for _, p := range prefixes {
			nodes[name].Local(p)
		}
	}
	for _, p := range farms["mover"] {
		nodes["server"].Local(p)
	}
	l := &soakLab{client: nodes["client"], r1: nodes["r1"], names: make(map[string]string)}
	l.join(lab, nodes)
	lab.Converge()
	silence(nodes["server"], dead, ghost)
	l.serve(t, nodes)
	return l
}

// join makes the links.
func (l *soakLab) join(lab *netlab.Lab, nodes map[string]*netlab.Node) {
	named := func(k *netlab.Link) *netlab.Link {
		for _, e := range []*netlab.Endpoint{k.A, k.B} {
			l.names[e.Addr4.String()], l.names[e.Addr6.String()] = e.Node.Name, e.Node.Name
		}
		return k
	}
	veth := func(a, b string) *netlab.Link { return named(lab.Veth(nodes[a], nodes[b])) }
	line := func(a, b string, c netlab.LineConfig) *netlab.Link { return named(lab.Line(nodes[a], nodes[b], c)) }
	veth("client", "r1")
	l.toA, l.toB = veth("r1", "r2a"), veth("r1", "r2b")
	veth("r2b", "r2c")
	veth("r2a", "r3")
	veth("r2c", "r3")
	for _, name := range []string{"server", "nginx", "rogue"} {
		veth("r3", name)
	}
	l.lossyLine = line("r1", "l1", netlab.LineConfig{Delay: 2 * time.Millisecond, Loss: wayLoss, Seed: 1})
	l.exactLine = line("r1", "exact", netlab.LineConfig{Delay: time.Millisecond, Loss: wayLoss, Seed: 2})
	l.shakyLine = line("r1", "s1", netlab.LineConfig{
		Delay: 3 * time.Millisecond, Jitter: 4 * time.Millisecond,
		Duplicate: 0.05, Reorder: 0.05, Hold: 15 * time.Millisecond, Seed: 3,
	})
	veth("l1", "lossy")
	veth("s1", "shaky")
}

// silence makes a node drop what comes for the hosts.
func silence(n *netlab.Node, hosts ...pair) {
	rules := "table inet fence {\n chain input {\n type filter hook input priority 0;\n"
	for _, h := range hosts {
		rules += fmt.Sprintf("ip daddr %s drop\nip6 daddr %s drop\n", h[0], h[1])
	}
	n.NFT(rules + "}\n}")
}

func (l *soakLab) serve(t *testing.T, nodes map[string]*netlab.Node) {
	t.Helper()
	startRogues(t, nodes["rogue"])
	if path, err := exec.LookPath("nginx"); err == nil {
		startNginx(t, nodes["nginx"], path)
		l.hasNginx = true
	} else {
		t.Logf("without a real web server: %v", err)
	}
}

// move moves the routes to the other way.
func (l *soakLab) move() {
	l.moved++
	by := l.toA.B
	if l.moved%2 == 1 {
		by = l.toB.B
	}
	l.r1.Route(farms["mover"][0], by.Addr4)
	l.r1.Route(farms["mover"][1], by.Addr6)
}

// route is what a trace to a host behind r3 shows, after so many moves, with
// the routers by their names: which of its addresses a router answers from is
// its own affair.
func (l *soakLab) route(moves int, ends ...string) []string {
	if moves%2 == 1 {
		return append([]string{"r1", "r2b", "r2c", "r3"}, ends...)
	}
	return append([]string{"r1", "r2a", "r3"}, ends...)
}

// name puts the names of the routers into a trace.
func (l *soakLab) name(trace []string) []string {
	named := slices.Clone(trace)
	for i, hop := range named {
		if name, ok := l.names[hop]; ok {
			named[i] = name
		}
	}
	return named
}

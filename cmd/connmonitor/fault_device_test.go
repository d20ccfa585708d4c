// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"connmonitor/internal/netlab"
)

// TestFaultDeviceMadeAnew takes away the device that targets leave by, as a
// tunnel or a modem that hangs up does, and makes it anew: it has its name, and
// another index.
func TestFaultDeviceMadeAnew(t *testing.T) {
	t.Parallel()
	for target, host := range map[string]string{
		"fe80::b%veth-a":         "fe80::b%veth-a",
		"fd07::b source=veth-a":  "fd07::b",
		"fd07::b source=fd07::a": "fd07::b",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			lab := netlab.New(t)
			client, server := lab.Node("client"), lab.Node("server")
			inside := server.Start("sh", "-c", "echo inside; exec sleep 1000")
			inside.WaitOutput("inside")
			connect(t, client, server, inside.PID())
			p := start(t, client, setup{stdin: "* ping=50 numpings=2 json=1\n::1\n" + target + "\n"})
			p.more(3, "::1", host)
			client.IP("link", "del", "veth-a")
			p.spoils(0, host)
			p.more(10, "::1")
			mark := len(p.err.text())
			connect(t, client, server, inside.PID())
			p.says(mark, "WW: "+host+outAgain)
			p.more(3, host)
			p.terminates()
			p.lossless()
		})
	}
}

// connect joins the nodes; pid is a process in the second one. The client's
// addresses, without which it has no route, come last, when an answer is sure.
func connect(t *testing.T, client, server *netlab.Node, pid int) {
	t.Helper()
	const a, b = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
	// The kernel takes an address for a source a moment before it takes what is sent
	// to it: what leaves by then is refused here, and not lost.
	client.NFT("table inet fence {\n chain output {\n type filter hook output priority 0; oifname \"veth-a\" drop\n }\n}")
	client.IP("link", "add", "veth-a", "address", a, "type", "veth", "peer", "name", "veth-b", "address", b, "netns", strconv.Itoa(pid))
	client.IP("link", "set", "veth-a", "addrgenmode", "none", "up")
	server.IP("link", "set", "veth-b", "addrgenmode", "none", "up")
	for _, prefix := range []string{"fe80::%s/64", "fd07::%s/64"} {
		server.Address(fmt.Sprintf(prefix, "b"), "veth-b")
	}
	server.IP("neigh", "replace", "fd07::a", "lladdr", a, "dev", "veth-b", "nud", "permanent")
	server.IP("neigh", "replace", "fe80::a", "lladdr", a, "dev", "veth-b", "nud", "permanent")
	netlab.Await(t, "carrier of both devices", func() bool { return carries(client, "veth-a") && carries(server, "veth-b") })
	client.IP("neigh", "replace", "fd07::b", "lladdr", b, "dev", "veth-a", "nud", "permanent")
	client.IP("neigh", "replace", "fe80::b", "lladdr", b, "dev", "veth-a", "nud", "permanent")
	for _, prefix := range []string{"fe80::%s/64", "fd07::%s/64"} {
		client.Address(fmt.Sprintf(prefix, "a"), "veth-a")
	}
	client.NFT("delete table inet fence")
}

// carries reports whether a device carries frames.
func carries(n *netlab.Node, device string) bool {
	return strings.Contains(n.IP("link", "show", device), "state UP")
}

// TestFaultLinkDownWhileSending takes the link down again and again while pings
// leave every millisecond: some of them are given to the device when it takes
// no more and the routes over it are not gone yet, and the kernel drops them
// without a word. Only what had left may count as lost.
//
// It does not run beside others, whose pings its own would make late.
func TestFaultLinkDownWhileSending(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(family(v6), func(t *testing.T) {
			t.Parallel()
			top := netlab.Farm(t)
			first := top.Host4(1)
			if v6 {
				first = top.Host6(1)
			}
			line, hosts := span(first, 40)
			before := underway(t, top)
			p := start(t, top.Client, setup{stdin: "* numpings=1 json=1\n127.0.0.1 ping=2\n::1 ping=2\n" + line + " ping=10\n"})
			for range 25 {
				p.more(3, hosts...)
				top.Links[0].Down()
				p.more(20, untouched...)
				top.Links[0].Up()
			}
			p.more(3, hosts...)
			p.terminates()
			lost := 0
			for _, r := range (shape{json: true}).records(t, p.out.text()) {
				if r.ping[4] > 0 {
					lost++
				}
			}
			if left := underway(t, top) - before; lost > left {
				t.Errorf("%d pings are told as lost, of which %d had left", lost, left)
			}
		})
	}
}

// underway is how many pings of the client were answered whose replies did not
// come back: the link went down between the two.
func underway(t *testing.T, top *netlab.Topology) int {
	t.Helper()
	answered := top.Server.Count("Icmp OutEchoReps", "Icmp6OutEchoReplies") +
		top.Client.Count("Icmp OutEchoReps", "Icmp6OutEchoReplies") // on its loopback
	return answered - top.Client.Count("Icmp InEchoReps", "Icmp6InEchoReplies")
}

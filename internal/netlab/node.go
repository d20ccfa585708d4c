// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Node is one network namespace: a host or a router.
type Node struct {
	// Name is for messages.
	Name string

	lab    *Lab
	fd     int            // holds the namespace
	ports  []*Endpoint    // what links it to others
	routes []route        // what Route was told, for Endpoint.Up
	locals []netip.Prefix // what Local was told, for Converge
}

// Sysctls of every node, written when it is made. Those behind icmp_msgs are
// per namespace only since Linux 6.13; before that they are the host's and a
// node does not see them, hence optional.
var (
	nodeSysctls = []string{
		"net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0", "net.ipv6.conf.lo.disable_ipv6=0",
		"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.forwarding=1",
		"net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.lo.rp_filter=0",
		"net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
		"net.ipv6.conf.all.keep_addr_on_down=1", "net.ipv6.conf.default.keep_addr_on_down=1",
		"net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1",
		"net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
	}
	optionalSysctls = []string{"net.ipv4.icmp_msgs_per_sec=1000000", "net.ipv4.icmp_msgs_burst=1000000"}
)

func (n *Node) setUp() {
	n.lab.t.Helper()
	n.Sysctl(nodeSysctls...)
	n.Do(func() {
		for _, kv := range optionalSysctls {
			_ = writeSysctl(kv)
		}
		if err := loopbackUp(); err != nil {
			n.lab.t.Fatalf("netlab: node %s: %v", n.Name, err)
		}
	})
}

// Sysctl sets kernel parameters of the node, each as "net.ipv4.ip_forward=0".
func (n *Node) Sysctl(kv ...string) {
	n.lab.t.Helper()
	n.Do(func() {
		for _, kv := range kv {
			if err := writeSysctl(kv); err != nil {
				n.lab.t.Fatalf("netlab: node %s: %v", n.Name, err)
			}
		}
	})
}

// writeSysctl writes to the namespace of the calling thread, which is whose
// /proc/sys/net the kernel shows.
func writeSysctl(kv string) error {
	key, value, ok := strings.Cut(kv, "=")
	if !ok {
		return fmt.Errorf("sysctl %q: want key=value", kv)
	}
	f, err := os.OpenFile("/proc/sys/"+strings.ReplaceAll(key, ".", "/"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// Silent makes the node a router that never answers time exceeded (ICMP type
// 11, ICMPv6 type 3); all else passes. Heard undoes it.
func (n *Node) Silent() {
	n.lab.t.Helper()
	n.NFT(`table inet netlab_silent {
	chain output {
		type filter hook output priority 0;
		icmp type time-exceeded drop
		icmpv6 type time-exceeded drop
	}
}`)
}

// Heard undoes Silent.
func (n *Node) Heard() {
	n.lab.t.Helper()
	n.NFT("delete table inet netlab_silent")
}

// RateLimit makes the node send at most one ICMP error per interval (of
// milliseconds) to each destination, after a burst of six for IPv4, as routers
// do; a second is the kernel's own default, 0 lifts the limit again. The IPv6
// interval is shorter the shorter the prefix of the route to the destination
// is. To a destination that got errors without a limit the burst is used up.
func (n *Node) RateLimit(interval time.Duration) {
	n.lab.t.Helper()
	ms := interval.Milliseconds()
	n.Sysctl(fmt.Sprintf("net.ipv4.icmp_ratelimit=%d", ms), fmt.Sprintf("net.ipv6.icmp.ratelimit=%d", ms))
}

// DefaultLimits gives the node, as a router, the limits that Linux begins with:
// an ICMP error a second to each destination (RateLimit), and 1,000 a second in
// all, 50 of them at once, where the kernel counts those for each namespace.
func (n *Node) DefaultLimits() {
	n.lab.t.Helper()
	n.RateLimit(time.Second)
	n.Do(func() {
		for _, kv := range []string{"net.ipv4.icmp_msgs_per_sec=1000", "net.ipv4.icmp_msgs_burst=50"} {
			_ = writeSysctl(kv)
		}
	})
}

// SilentTooBig makes the node a router that tells nobody that a packet was too
// large for a link (RFC 2923, 2.1): a black hole.
func (n *Node) SilentTooBig() {
	n.lab.t.Helper()
	n.NFT(`table inet netlab_toobig {
	chain output {
		type filter hook output priority 0;
		icmp type destination-unreachable icmp code frag-needed drop
		icmpv6 type packet-too-big drop
	}
}`)
}

// SpreadByAddress makes the node, where it has several ways, choose by the
// addresses of a packet and, in IPv6, by its flow label: by layer 3. Nodes are
// made to choose by the ports too, by layer 4.
func (n *Node) SpreadByAddress() {
	n.lab.t.Helper()
	n.Sysctl("net.ipv4.fib_multipath_hash_policy=0", "net.ipv6.fib_multipath_hash_policy=0")
}

// Reject makes the node, as a router, answer what it should forward to a host
// with an ICMP error in the words of nft(8), as "icmp type host-unreachable" or
// "icmpv6 type no-route". Of the errors that Unreachable causes the kernel
// sends only few.
func (n *Node) Reject(host, with string) {
	n.lab.t.Helper()
	family := "ip"
	if strings.Contains(host, ":") {
		family = "ip6"
	}
	n.NFT(fmt.Sprintf(`table inet netlab_reject {
	chain forward {
		type filter hook forward priority 0;
		%s daddr %s reject with %s
	}
}`, family, host, with))
}

// AllowPings lets every group that the node's user namespace knows open
// datagram ICMP sockets, which a new network namespace allows to nobody.
func (n *Node) AllowPings() {
	n.lab.t.Helper()
	n.Do(func() {
		// The second is for a user namespace that knows one group only.
		if writeSysctl(pingGroups+"0 2147483647") != nil {
			n.Sysctl(pingGroups + "0 0")
		}
	})
}

// DenyPings undoes AllowPings.
func (n *Node) DenyPings() {
	n.lab.t.Helper()
	n.Sysctl(pingGroups + "1 0")
}

// pingGroups are the groups from one to another, see icmp(7).
const pingGroups = "net.ipv4.ping_group_range="

// NFT loads an nftables ruleset into the node.
func (n *Node) NFT(rules string) {
	n.lab.t.Helper()
	n.tool(rules, "nft", "-f", "-")
}

// IP runs one command of iproute2 in the node, as IP("addr", "del",
// "10.0.0.1/30", "dev", "eth0"), and returns what it prints.
func (n *Node) IP(args ...string) string {
	n.lab.t.Helper()
	return n.tool("", "ip", args...)
}

// batch runs many commands of iproute2 in the node, for the price of one.
func (n *Node) batch(lines ...string) {
	n.lab.t.Helper()
	n.tool(strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
}

// tool runs a configuration tool in the node and returns its output; one that
// does not succeed ends the test.
func (n *Node) tool(input, name string, args ...string) string {
	n.lab.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	var err error
	n.Do(func() { err = cmd.Run() })
	if err != nil {
		n.lab.t.Fatalf("netlab: node %s: %s %s: %v: %s\n%s", n.Name, name, strings.Join(args, " "), err, stderr.String(), input)
	}
	return stdout.String()
}

// Do runs f on a thread inside the node: sockets opened and processes started
// by f belong to the node for good, also after Do. It may be nested and called
// from any goroutine. Goroutines that f starts are not in the node, and neither
// is /proc/net, which speaks of the process's first thread: there, read
// /proc/thread-self/net.
func (n *Node) Do(f func()) {
	inside(n.fd, func(err error) {
		if err != nil {
			panic(fmt.Sprintf("netlab: enter node %s: %v", n.Name, err))
		}
		f()
	})
}

// Command is exec.CommandContext for a program that runs inside the node. It
// gets there by nsenter(1), which needs privilege: to start a program as
// another user make a plain exec.Cmd, and call its Start in Do.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.path(), "--", name}, args...)...)
}

// path names the namespace for other processes.
func (n *Node) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.fd) }

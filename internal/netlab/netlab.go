// SPDX-License-Identifier: Apache-2.0

// Package netlab is a network laboratory for tests, and for nothing else: no
// part of the product may import it.
//
// A Lab is a set of network namespaces (Node) joined by virtual Ethernet pairs
// (Veth) and by lines with delay, jitter, loss, duplication and reordering
// (Line), which are carried by a goroutine of the test process because not
// every kernel has netem. Chain, Diamonds and Farm are whole topologies, for
// IPv4 and IPv6 alike.
//
// The namespaces have no names: file descriptors of the test process hold
// them, so nothing of them outlives the process, not even when it is killed,
// and any number of test processes may run beside each other. No link ever
// enters the namespace of the host.
//
// Everything is as deterministic as the kernel allows: duplicate address
// detection is off, neighbours are permanent entries, ICMP rate limits are
// lifted, and lines draw from a seeded generator.
//
// It needs Linux, iproute2, nftables and nsenter, and either root or
// unprivileged user namespaces (see Enter); where those are missing New skips
// the test and says why. Methods report what goes wrong by ending the test, so
// they belong in the test's own goroutine; Do, Command, Set and Counters may be
// called from any.
package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// RequireEnv is the environment variable that, when it is not empty, makes New
// fail where it would skip: for continuous integration, where a laboratory
// that quietly went missing would leave a room untested.
const RequireEnv = "NETLAB_REQUIRE"

// Lab is a set of nodes and the links between them.
type Lab struct {
	t     testing.TB
	nodes []*Node
	links []*Link
}

// New makes an empty laboratory that vanishes when the test ends. It skips the
// test, with the reason, when this machine cannot provide one.
func New(t testing.TB) *Lab {
	t.Helper()
	if err := usable(); err != nil {
		unavailable(t, err)
	}
	return &Lab{t: t}
}

// Node makes a network namespace: loopback up, forwarding on, reverse path
// filter and duplicate address detection off, ICMP rate limits lifted. The
// name is for messages.
func (l *Lab) Node(name string) *Node {
	l.t.Helper()
	fd, err := newNamespace()
	if err != nil {
		l.t.Fatalf("netlab: node %s: %v", name, err)
	}
	l.t.Cleanup(func() { _ = unix.Close(fd) })
	n := &Node{Name: name, lab: l, fd: fd}
	l.nodes = append(l.nodes, n)
	n.setUp()
	return n
}

// usable reports why this machine cannot provide a laboratory, or nil.
func usable() error {
	for _, tool := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return fmt.Errorf("kernel without IPv6: %w", err)
	}
	fd, err := newNamespace()
	if err != nil {
		return fmt.Errorf("%w (run as root, or where unprivileged user namespaces are allowed)", err)
	}
	return unix.Close(fd)
}

func unavailable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(RequireEnv) != "" {
		t.Fatalf("netlab: no laboratory, and %s is set: %v", RequireEnv, err)
	}
	t.Skipf("netlab: no laboratory: %v", err)
}

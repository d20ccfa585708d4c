// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// unsent are the replies that a responder could not send, for want of room.
func unsent(n *netlab.Node) int {
	return n.Count("Icmp OutErrors", "Ip OutDiscards", "Icmp6OutErrors", "Ip6OutDiscards")
}

// responder makes the server of a farm what it is on a machine of its own, where
// the replies wait while requests are answered: the kernel handles what arrives
// at both ends of the link on CPU 1 (RPS), and a firewall gives it something to
// do for each request. Else each would be answered within the call that sends
// it, and there were never two replies at a time.
func responder(t *testing.T, top *netlab.Topology) {
	t.Helper()
	for _, end := range []*netlab.Endpoint{out(top), by(top)} {
		// /sys shows the devices of the namespace in which it was mounted.
		script := fmt.Sprintf("mount -t sysfs sysfs /sys && echo 2 > /sys/class/net/%s/queues/rx-0/rps_cpus", end.Device)
		if text, err := end.Node.Command(t.Context(), "unshare", "--mount", "sh", "-c", script).CombinedOutput(); err != nil {
			t.Skipf("packets cannot be steered to a CPU: %v: %s", err, text)
		}
	}
	rules := strings.Repeat("meta mark 1 drop\n", 400)
	top.Server.NFT("table inet work { chain input { type filter hook input priority 0\n" + rules + "}\n}")
}

// starvation is for how long a machine that has no time lets those wait who want
// to run: no responder there can keep up.
const starvation = 50 * time.Millisecond

// TestFaultOwnBursts has a thousand hosts for which one machine answers, as it
// is behind a firewall that does, of which all are due at once after a stop: a
// Linux responder has room for some 170 replies at a time, and what it loses
// beyond them would be our loss.
//
// It does not run beside others: all namespaces share that room, one for each
// CPU and each family.
func TestFaultOwnBursts(t *testing.T) {
	pin, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		t.Skipf("it takes two CPUs and taskset: %v", err)
	}
	for _, v6 := range []bool{false, true} {
		t.Run(family(v6), func(t *testing.T) {
			t.Parallel()
			for _, payload := range []int{41, 1400} {
				t.Run(strconv.Itoa(payload), func(t *testing.T) { ownBursts(t, v6, payload, pin) })
			}
		})
	}
}

func ownBursts(t *testing.T, v6 bool, payload int, pin string) {
	top := netlab.Farm(t)
	responder(t, top)
	first := top.Host4(1)
	if v6 {
		first = top.Host6(1)
	}
	line, hosts := span(first, 1000)
	before, watch := unsent(top.Server), newSleeper(t)
	p := start(t, top.Client, setup{
		wrap:  []string{pin, "--cpu-list", "0"},
		stdin: fmt.Sprintf("* ping=1000 numpings=1 json=1 payload=%d\n%s\n", payload, line),
	})
	h := signalled(t)
	p.more(2, hosts...)
	h.stop(p)
	time.Sleep(time.Second) // this is the fault itself
	h.resume(p)
	p.more(2, hosts...)
	p.terminates()
	n := unsent(top.Server) - before
	if n > 0 && watch.latest() > starvation {
		t.Skipf("the responder could not send %d replies; this machine leaves who wants to run waiting for %v", n, watch.latest())
	}
	if n > 0 {
		t.Errorf("the responder could not send %d replies", n)
	}
	p.lossless()
	for _, e := range entries(t, p.err.text()) {
		if !busy(e) {
			t.Errorf("unexpected line %+v", e)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// The client's transmit queue, as tc-tbf(8) takes it: one that never fills, and
// one that holds some 160 of our pings, for as long as it takes to send them.
const (
	wideQueue   = "rate 1gbit burst 1mb limit 10mb"
	narrowQueue = "rate 512kbit burst 2000 limit 16000"
	queueWait   = 16_000 * 8 * time.Second / 512_000
)

// queue sets the transmit queue of the client's way out; the test is skipped
// where the kernel has no such queue.
func queue(t *testing.T, top *netlab.Topology, verb, size string) {
	t.Helper()
	args := append([]string{"qdisc", verb, "dev", out(top).Device, "root", "tbf"}, strings.Fields(size)...)
	if text, err := top.Client.Command(context.Background(), "tc", args...).CombinedOutput(); err != nil {
		t.Skipf("no queue: tc %s: %v: %s", strings.Join(args, " "), err, text)
	}
}

// TestFaultTransmitQueueFull has a link that is slower than what is asked of
// it: some pings have no room in the client's own queue (ENOBUFS). The others
// count, and what waited in the queue did not take that time.
func TestFaultTransmitQueueFull(t *testing.T) {
	t.Parallel()
	for _, v6 := range []bool{false, true} {
		t.Run(family(v6), func(t *testing.T) {
			t.Parallel()
			top := netlab.Farm(t)
			queue(t, top, "add", wideQueue) // before there is anything that a change could lose
			first := top.Host4(1)
			if v6 {
				first = top.Host6(1)
			}
			line, hosts := span(first, 50)
			p := start(t, top.Client, setup{stdin: "* ping=50 numpings=5 json=1\n" + strings.Join(untouched, "\n") + "\n" + line + "\n"})
			p.more(3, append(hosts, untouched...)...)
			queue(t, top, "change", narrowQueue)
			p.says(0, spoiledBy+noRoom)
			p.more(20, untouched...)
			mark := len(p.err.text())
			queue(t, top, "change", wideQueue)
			p.says(mark, outAgain)
			p.more(10, hosts...)
			p.terminates()
			most := 0.0
			for _, r := range p.lossless() {
				most = max(most, r.ping[2])
			}
			if most > ms(queueWait)/2 {
				t.Errorf("an RTT of %v ms holds the wait in our own queue", most)
			}
			spoiled(t, entries(t, p.err.text()), noRoom)
		})
	}
}

// spoiled checks that the log tells of pings that were spoiled by this cause,
// of their end, and of nothing else; where there are too many lines some are
// summed up.
func spoiled(t *testing.T, log []entry, cause string) {
	t.Helper()
	for _, e := range log {
		begin := e.typ == "PingError" && strings.HasSuffix(e.text, spoiledBy+cause)
		end := e.typ == "" && strings.Contains(e.text, outAgain)
		if !begin && !end && !busy(e) {
			t.Errorf("unexpected line %+v", e)
		}
	}
}

// bufferFull and bufferFine are how the lines begin that tell of a receive
// buffer that is full, and is so no more.
const (
	bufferFull = "WW: the receive buffer is full and the kernel drops packets"
	bufferFine = "WW: the kernel drops packets no more; it dropped "
)

// TestFaultReceiveBufferFull lets more come back than the receive buffer of a
// process without CAP_NET_ADMIN holds, while it is stopped: what the kernel
// drops is unknown.
func TestFaultReceiveBufferFull(t *testing.T) {
	t.Parallel()
	modest, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip(err)
	}
	const hosts, reply = 2000, 832 // bytes, as the kernel accounts them
	if room := 2 * rmemMax(t); room > hosts*reply {
		t.Skipf("such a process, too, has a receive buffer of %d bytes here", room)
	}
	for _, v6 := range []bool{false, true} {
		t.Run(family(v6), func(t *testing.T) {
			t.Parallel()
			// The first reply comes when the last request has left.
			line := netlab.OnLinks(netlab.LineConfig{Delay: 600 * time.Millisecond}, 0)
			top := netlab.Farm(t, line)
			first := top.Host4(1)
			if v6 {
				first = top.Host6(1)
			}
			targets, names := span(first, hosts)
			before := unsent(top.Server)
			p := start(t, top.Client, setup{
				wrap:  []string{modest, "--bounding-set", "-net_admin"},
				stdin: fmt.Sprintf("* ping=60000 numpings=2 interval=3000 timeout=2500 json=1 payload=41\n%s\n", targets),
			})
			h := signalled(t)
			p.until("a ping of each host", func() bool { return requests(top.Client) >= hosts })
			h.stop(p)
			p.until("a packet that was dropped", func() bool { return dropped(top.Client) > 0 })
			h.resume(p)
			p.more(1, names...)
			p.says(0, bufferFull)
			p.terminates()
			if n := unsent(top.Server) - before; n != 0 {
				t.Skipf("the responder could not send %d replies: the fault was its own", n)
			}
			p.lossless()
			dropsTold(t, p.err.text())
		})
	}
}

// requests is how many echo requests a node has sent.
func requests(n *netlab.Node) int {
	return n.Count("Icmp OutEchos", "Icmp6OutEchos")
}

// dropped is how many packets the raw sockets of a node had no room for.
func dropped(n *netlab.Node) (sum int) {
	for line := range strings.Lines(n.Proc("raw") + n.Proc("raw6")) {
		words := strings.Fields(line)
		drops, _ := strconv.Atoi(words[len(words)-1]) // but for the line of the names
		sum += drops
	}
	return sum
}

// rmemMax is the largest receive buffer that a process without privilege may
// ask for; the kernel grants twice as much.
func rmemMax(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// dropsTold wants a line when the kernel began to drop packets and one with
// their number when it had ended, and of the hosts nothing but that.
func dropsTold(t *testing.T, text string) {
	t.Helper()
	if strings.Count(text, bufferFull) != 1 || strings.Count(text, bufferFine) != 1 || strings.Contains(text, bufferFine+"0 ") {
		t.Errorf("want one line when drops begin and one when they have ended:\n%s", text)
	}
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

const (
	near   = "10.99.0.0"  // first address of the farm behind a veth
	large  = "10.128.0.0" // first of its many
	far    = "10.97.0.0"  // first address of the farm behind 10 ms
	deep   = "10.98.3.4"  // an address at the end of the chain
	beyond = "10.98.0.1"  // first of many there
)

// network is a client, where the probers run, and what it can reach.
type network struct {
	client *netlab.Node
	source netip.Addr
	device string // of the client
	rest   []*netlab.Endpoint
	way    []netip.Addr // of a chain: the address of each hop, the zero Addr where none answers
}

// newFarm is a client and a machine that answers for millions of addresses,
// with a veth between them.
func newFarm(t *testing.T) *network {
	top := netlab.Farm(t, netlab.Prefixes("10.99.0.0/16", "10.128.0.0/9"))
	return newNetwork(top)
}

// newDelayedFarm is the same behind a router and a line of 5 ms each way. What
// carries the line is this process, on the other CPUs than the prober's; the
// wire that reported times are compared with is the veth before the router.
func newDelayedFarm(t *testing.T) *network { return newNetwork(delayedFarm(t)) }

func delayedFarm(t *testing.T) *netlab.Topology {
	line := netlab.LineConfig{Delay: 5 * time.Millisecond, Queue: 1 << 16}
	return netlab.Chain(t, 2, netlab.Prefixes("10.97.0.0/16"), netlab.OnLinks(line, 1))
}

// newChain is twelve hops with a round trip of 20 ms and two routers that do
// not say that a probe's time was exceeded.
func newChain(t *testing.T) *network {
	line := netlab.LineConfig{Delay: 2 * time.Millisecond}
	top := netlab.Chain(t, 12, netlab.OnLinks(line, 1, 3, 5, 7, 9))
	n := newNetwork(top)
	for _, link := range top.Links {
		n.way = append(n.way, link.B.Addr4)
	}
	for _, silent := range []int{3, 7} {
		top.Routers[silent].Silent()
		n.way[silent] = netip.Addr{}
	}
	for _, r := range top.Routers {
		// Before Linux 6.13 there is a limit that no namespace can lift, of all
		// that this mask names: 1,000 a second.
		r.Sysctl("net.ipv4.icmp_ratemask=0")
	}
	return n
}

func newNetwork(top *netlab.Topology) *network {
	end := top.Links[0].A
	n := &network{client: top.Client, source: end.Addr4, device: end.Device}
	n.rest = []*netlab.Endpoint{end, top.Links[0].B}
	return n
}

// steer makes the kernel handle the packets of the client's link on the CPUs of
// the mask (RPS), or with 0 where they arrive. With the prober's CPU left out
// its cost is its own: what it sends is answered, and the answer brought to its
// socket, elsewhere.
func (n *network) steer(mask uint64) error {
	for _, end := range n.rest {
		// /sys shows the devices of the namespace in which it was mounted.
		script := fmt.Sprintf("mount -t sysfs sysfs /sys && echo %x > /sys/class/net/%s/queues/rx-0/rps_cpus", mask, end.Device)
		if out, err := end.Node.Command(context.Background(), "unshare", "--mount", "sh", "-c", script).CombinedOutput(); err != nil {
			return fmt.Errorf("steer packets of %s: %w: %s", end.Device, err, out)
		}
	}
	return nil
}

// counts is what the kernel of the client has counted.
type counts struct {
	sent, echoed uint64 // ICMP echo requests and replies
	datagrams    uint64 // UDP datagrams sent
	dropped      uint64 // packets that a raw socket had no room for
}

func (n *network) counts() (c counts, err error) {
	n.client.Do(func() {
		c, err = readCounts("/proc/thread-self/net/")
	})
	return c, err
}

func readCounts(dir string) (counts, error) {
	snmp, err := os.ReadFile(dir + "snmp")
	if err != nil {
		return counts{}, err
	}
	raw, err := os.ReadFile(dir + "raw")
	if err != nil {
		return counts{}, err
	}
	icmp, udp := parseSNMP(string(snmp), "Icmp"), parseSNMP(string(snmp), "Udp")
	return counts{
		sent: icmp["OutEchos"], echoed: icmp["InEchoReps"], datagrams: udp["OutDatagrams"], dropped: parseDrops(string(raw)),
	}, nil
}

// parseSNMP reads the lines of one protocol: its names, then their values.
func parseSNMP(text, protocol string) map[string]uint64 {
	values := make(map[string]uint64)
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] != protocol+":":
		case names == nil:
			names = words
		default:
			for i := 1; i < min(len(names), len(words)); i++ {
				values[names[i]], _ = strconv.ParseUint(words[i], 10, 64)
			}
			return values
		}
	}
	return values
}

// parseDrops adds up the last column, after the line of the headings.
func parseDrops(text string) uint64 {
	var sum uint64
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "sl" {
			continue
		}
		n, _ := strconv.ParseUint(words[len(words)-1], 10, 64)
		sum += n
	}
	return sum
}

// addresses are the count addresses from first on.
func addresses(first string, count int) []string {
	list := make([]string, count)
	a := netip.MustParseAddr(first)
	for i := range list {
		list[i] = a.String()
		a = a.Next()
	}
	return list
}

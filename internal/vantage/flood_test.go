// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// span is for how long a flood goes on.
func span() time.Duration {
	if testing.Short() || raced() {
		return 1500 * time.Millisecond
	}
	return 10 * time.Second
}

// raced tells whether the race detector watches.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// The hosts of a flood. Far ones are behind a line, so that an RTT tells whether
// the host answered or the flooder. Near ones answer within the call that sends
// to them, on however busy a machine: their short time-out tells whether the
// loop reads what it has before it calls it lost.
type floodHosts struct {
	name     string
	first4   int
	first6   int
	count    int
	timeout  time.Duration
	least    time.Duration // RTT
	answered bool
}

var inFlood = []floodHosts{
	{"far", 0, 0, 25, 2 * time.Second, 2 * oneWay, true},
	{"far and dead", 1 << 8, 1 << 16, 5, 2 * time.Second, 0, false},
	{"near", 2 << 8, 2 << 16, 25, 100 * time.Millisecond, 0, true},
	{"near and dead", 3 << 8, 3 << 16, 5, 100 * time.Millisecond, 0, false},
}

// floodplain makes the network: two links between client and server, of which
// the first is the line.
func floodplain(t *testing.T) (top *netlab.Topology, far, near *netlab.Link) {
	top = netlab.Farm(t, lossy(netlab.LineConfig{Delay: oneWay}))
	near = top.Lab.Veth(top.Client, top.Server)
	top.Client.Route("10.99.2.0/23", near.B.Addr4)
	top.Client.Route("fd99::2:0/111", near.B.Addr6)
	top.Server.NFT(`table inet dead {
	chain input {
		type filter hook input priority 0;
		ip daddr { 10.99.1.0/24, 10.99.3.0/24 } drop
		ip6 daddr { fd99::1:0/112, fd99::3:0/112 } drop
	}
}`)
	return top, top.Links[0], near
}

// populate adds all hosts; their keys begin with their place in inFlood.
func populate(b *bench, top *netlab.Topology) {
	for group, h := range inFlood {
		s := pings(1, 200*time.Millisecond)
		s.Timeout = h.timeout
		for i := range h.count {
			b.add(uint32(group<<8+2*i), top.Host4(h.first4+4+i), s)
			b.add(uint32(group<<8+2*i+1), top.Host6(h.first6+4+i), s)
		}
	}
}

// TestFlood: two hundred thousand forgeries a second, all of which pass the
// kernel's filter, neither end the loops nor let them grow, and what is measured
// meanwhile is right, or unknown where our own socket could not hold it all. No
// test runs beside it: they share its cores and the kernel's queues.
func TestFlood(t *testing.T) {
	top, far, near := floodplain(t)
	spies := []*attacker{attack(t, far.B, far.A), attack(t, near.B, near.A)}
	f := &flooder{attacker: spies[1], rate: 200_000, tricks: floodTricks()}
	var ends sync.WaitGroup
	for _, spy := range spies {
		ends.Go(func() {
			if err := spy.watch(f.learn); err != nil {
				t.Error(err)
			}
		})
	}
	b := run(t, top.Client, Options{})
	populate(b, top)
	for group, h := range inFlood {
		for i := range uint32(2 * h.count) {
			if h.answered {
				b.of(t, uint32(group<<8)+i, 1)
			}
		}
	}
	f.learned(t)
	before, lost := footprintOf(t), softnetDrops(t)
	for range 2 { // one alone does not reach the rate on a busy core
		ends.Go(func() {
			if err := f.flood(); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(span())
	t.Logf("%.0f forgeries a second", float64(f.sent.Load())/span().Seconds())
	b.drains(t)
	f.stop.Store(true)
	for _, spy := range spies {
		_ = spy.file.Close()
	}
	ends.Wait()
	footprintOf(t).wantNoMoreThan(t, before)
	wantRightOrUnknown(t, b)
	wantAllTold(t, b, f)
	if there, back := far.Counters(); there.Overflow+back.Overflow > 0 {
		t.Errorf("the line is too slow: %+v, %+v", there, back)
	}
	t.Logf("%d packets did not get from one node to the other", softnetDrops(t)-lost)
}

// drains lets the loops end under the flood.
func (b *bench) drains(t *testing.T) {
	t.Helper()
	b.point.Drain()
	select {
	case err := <-b.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(hang):
		t.Error("the loops do not end")
	}
}

// wantRightOrUnknown judges all bursts, of one ping each.
func wantRightOrUnknown(t *testing.T, b *bench) {
	t.Helper()
	for group, h := range inFlood {
		var sum vitals.Ping
		causes := map[syscall.Errno]int{}
		wrong, worst := 0, ""
		for _, r := range b.results() {
			if int(r.Key>>8) != group {
				continue
			}
			if !h.right(r.Ping) {
				wrong, worst = wrong+1, fmt.Sprintf("%d: %+v", r.Key, r.Ping)
			}
			sum.Sent += r.Ping.Sent
			sum.Received += r.Ping.Received
			if sum.Unknown += r.Ping.Unknown; r.Ping.Unknown > 0 {
				causes[r.Cause]++
			}
		}
		t.Logf("%s: %d pings, %d answered, %d unknown %v", h.name, sum.Sent, sum.Received, sum.Unknown, causes)
		if wrong > 0 || h.answered && sum.Received == 0 {
			t.Errorf("%s: %d of %d pings are wrong, such as %s", h.name, wrong, sum.Sent, worst)
		}
	}
}

// right reports whether a ping is what it would be without a flood, or unknown.
func (h *floodHosts) right(p *vitals.Ping) bool {
	if p.Unreachable+p.Late+p.Duplicate > 0 || !h.answered && p.Received > 0 {
		return false
	}
	if h.answered && p.Received+p.Unknown != p.Sent {
		return false
	}
	return p.Received == 0 || vitals.Milliseconds(h.least) <= p.Min && 0 < p.Min && p.Max <= vitals.Milliseconds(h.timeout)
}

// wantAllTold checks that the loops account for every packet that they read,
// and that the flood did get to them.
func wantAllTold(t *testing.T, b *bench, f *flooder) {
	t.Helper()
	came := uint64(0)
	for i, s := range b.probes() {
		t.Logf("IPv6 %v: %+v", both[i], s)
		rejected := s.Strays + s.Forged
		if s.Received != s.Replied+rejected || s.Duplicates+s.Malformed+s.Expired+s.Unreached+s.Late+s.ReceiveErrors > 0 {
			t.Errorf("IPv6 %v: not all that came is told of: %+v", both[i], s)
		}
		came += rejected + s.Drops
	}
	// What comes when the loops have ended is read by nobody.
	if sent := uint64(f.sent.Load()); came < sent/2 || came > sent {
		t.Errorf("of %d forgeries, %d came", sent, came)
	}
}

// footprint is what this process needs of memory, in bytes.
type footprint struct{ heap, resident uint64 }

func footprintOf(t *testing.T) footprint {
	t.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return footprint{m.HeapAlloc, resident * uint64(os.Getpagesize())}
}

// wantNoMoreThan allows for what the test keeps itself: results and forgeries.
// The race detector's own memory is not told apart from the process's.
func (f footprint) wantNoMoreThan(t *testing.T, before footprint) {
	t.Helper()
	const most = 8 << 20
	t.Logf("heap %d KiB, was %d; resident %d KiB, was %d", f.heap>>10, before.heap>>10, f.resident>>10, before.resident>>10)
	if f.heap > before.heap+most || f.resident > before.resident+most && !raced() {
		t.Errorf("the flood made this process grow from %+v to %+v", before, f)
	}
}

// softnetDrops are the packets that the kernel dropped between devices for
// want of room: they never came to a socket, and no prober can know of them.
func softnetDrops(t *testing.T) (sum uint64) {
	t.Helper()
	b, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var processed, dropped uint64
		if _, err := fmt.Sscanf(line, "%x %x", &processed, &dropped); err != nil {
			t.Fatal(err)
		}
		sum += dropped
	}
	return sum
}

// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// otherTracer is another program that traces, and how its output is read: the
// addresses by TTL, the zero Addr for a silent hop.
type otherTracer struct {
	args []string // the program and its arguments; the address follows
	read func(out []byte) []netip.Addr
}

var otherTracers = []otherTracer{
	{[]string{"traceroute", "-n", "-q1", "-w1", "-I"}, tracerouteHops},
	{[]string{"traceroute", "-n", "-q1", "-w1"}, tracerouteHops}, // by UDP
	{[]string{"traceroute", "-n", "-q1", "-w1", "-T"}, tracerouteHops},
	{[]string{"mtr", "-n", "--report", "--json", "-c3", "-i0.2", "-G1"}, mtrHops},
	{[]string{"mtr", "-n", "--report", "--json", "-c3", "-i0.2", "-G1", "--udp"}, mtrHops},
	{[]string{"mtr", "-n", "--report", "--json", "-c3", "-i0.2", "-G1", "--tcp"}, mtrHops},
	{[]string{"scamper", "-O", "json", "-c", "trace -P icmp-paris -q 1 -w 1", "-i"}, scamperHops},
	{[]string{"scamper", "-O", "json", "-c", "trace -P udp -q 1 -w 1", "-i"}, scamperHops},
	{[]string{"scamper", "-O", "json", "-c", "trace -P tcp -q 1 -w 1", "-i"}, scamperHops},
}

// mtrHops reads a report of mtr(8).
func mtrHops(out []byte) (route []netip.Addr) {
	var report struct {
		Report struct {
			Hubs []struct {
				Host string `json:"host"`
			} `json:"hubs"`
		} `json:"report"`
	}
	if json.Unmarshal(out, &report) != nil {
		return nil
	}
	for _, hub := range report.Report.Hubs {
		a, _ := netip.ParseAddr(hub.Host) // "???" is the zero Addr
		route = append(route, a)
	}
	return route
}

// scamperHops reads what scamper(1) prints, a line for each thing it has to say.
func scamperHops(out []byte) (route []netip.Addr) {
	for line := range strings.Lines(string(out)) {
		var trace struct {
			Type string `json:"type"`
			Hops []struct {
				Addr netip.Addr `json:"addr"`
				TTL  int        `json:"probe_ttl"`
			} `json:"hops"`
		}
		if json.Unmarshal([]byte(line), &trace) != nil || trace.Type != "trace" {
			continue
		}
		for _, h := range trace.Hops {
			for len(route) < h.TTL {
				route = append(route, netip.Addr{})
			}
			route[h.TTL-1] = h.Addr
		}
	}
	return route
}

// seenBy is what another program sees of the way to an address.
type seenBy struct {
	what  string
	route []netip.Addr
	out   []byte
	err   error
}

// seenByOthers lets all other programs that are installed trace at the same time.
func seenByOthers(t *testing.T, n *netlab.Node, hosts ...netip.Addr) map[netip.Addr][]seenBy {
	t.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	all := make(map[netip.Addr][]seenBy)
	for _, o := range otherTracers {
		if _, err := exec.LookPath(o.args[0]); err != nil {
			t.Logf("not compared: %v", err)
			continue
		}
		if o.args[0] == "scamper" && !manyUsers() {
			t.Log("not compared: scamper becomes another user, and there is none")
			continue
		}
		for _, to := range hosts {
			cmd := n.Command(t.Context(), o.args[0], append(slices.Clone(o.args[1:]), to.String())...)
			running.Go(func() {
				s := seenBy{what: fmt.Sprint(o.args, " ", to)}
				s.out, s.err = cmd.Output()
				s.route = o.read(s.out)
				mu.Lock()
				defer mu.Unlock()
				all[to] = append(all[to], s)
			})
		}
	}
	running.Wait()
	if len(all) == 0 {
		t.Skip("neither traceroute nor mtr nor scamper is installed")
	}
	return all
}

// manyUsers reports whether root can become another user, as it cannot in a user
// namespace of netlab.Enter.
func manyUsers() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(ids))
	return err == nil && (len(f) != 3 || f[2] != "1")
}

// misplaced reports whether one program alone sees an address as that of a hop, and
// others see it as that of another one: mtr by UDP has given the answer of the hop
// before to one that is silent, on a busy machine.
func misplaced(theirs []seenBy, hop int, a netip.Addr) bool {
	here, elsewhere := 0, 0
	for _, s := range theirs {
		if hop < len(s.route) && s.route[hop] == a {
			here++
		} else if slices.Contains(s.route, a) {
			elsewhere++
		}
	}
	return here == 1 && elsewhere > 1
}

// wantNoneMissing checks that every hop that others see is among ours.
func wantNoneMissing(t *testing.T, theirs []seenBy, ours []vitals.Path, hops int) {
	t.Helper()
	for _, s := range theirs {
		if s.err != nil || len(s.route) < hops {
			t.Errorf("%s: %v, only %v in\n%s", s.what, s.err, s.route, s.out)
		}
		for i, a := range s.route {
			if a.IsValid() && misplaced(theirs, i, a) {
				t.Logf("%s: hop %d is %s: nobody else sees it there, and others elsewhere", s.what, i+1, a)
				continue
			}
			if a.IsValid() && !slices.ContainsFunc(ours, func(p vitals.Path) bool { return i < len(p.Hops) && p.Hops[i].Addr == a }) {
				t.Errorf("%s: hop %d is %s, which is missing", s.what, i+1, a)
			}
		}
	}
}

// pathsTo are those that traces by every method show, of so many flows.
func pathsTo(t *testing.T, b *bench, key uint32, to netip.Addr, n int) (all []vitals.Path) {
	t.Helper()
	for _, method := range methods {
		key += 100
		w := b.add(key, to, flows(method, n))
		all = append(all, followed(b.of(t, key, 1)[0].Path)...)
		w.Remove()
	}
	return all
}

// TestNoHopThatOthersSeeIsMissing compares hop by hop, on a chain of which two
// routers are silent.
func TestNoHopThatOthersSeeIsMissing(t *testing.T) {
	t.Parallel()
	const hops = 12
	top := chain12(t)
	hosts := pair(top.Links[hops-1].B)
	theirs := seenByOthers(t, top.Client, hosts...)
	b := run(t, top.Client, Options{})
	for i, to := range hosts {
		for _, p := range pathsTo(t, b, uint32(i), to, 1) { // each method for itself
			wantNoneMissing(t, theirs[to], []vitals.Path{p}, hops)
		}
	}
}

// TestNoWayThatOthersSeeIsMissing compares where others are led over one way and
// the other, for not all keep their flow constant.
func TestNoWayThatOthersSeeIsMissing(t *testing.T) {
	t.Parallel()
	const hops = 6
	top := netlab.Diamonds(t, []int{2, 4})
	hosts := pair(top.Links[len(top.Links)-1].B)
	theirs := seenByOthers(t, top.Client, hosts...)
	b := run(t, top.Client, Options{})
	for i, to := range hosts {
		wantNoneMissing(t, theirs[to], pathsTo(t, b, uint32(i), to, 64), hops)
	}
}

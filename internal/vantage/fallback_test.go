// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"net/netip"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// withoutPrivilege are the words that start a program without a single
// capability, whoever starts it.
func withoutPrivilege(t *testing.T) []string {
	t.Helper()
	path, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip(err)
	}
	return []string{path, "--inh-caps", "-all", "--bounding-set", "-all", "--"}
}

// TestPain17PrivilegesFallBackInOrder: raw sockets, else datagram sockets where
// the system allows them, else UDP for traces alone; and the same results.
func TestPain17PrivilegesFallBackInOrder(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 4)
	top.Routers[1].Silent()
	last := top.Links[3].B
	s := pings(5, time.Hour)
	s.Trace, s.TracePause, s.Hops = true, time.Hour, 30
	for _, test := range []struct {
		kind    rawsock.Kind
		by      []string
		allow   bool // datagram sockets, which a new namespace allows to nobody
		df      bool // pings leave by the second socket, whose identifier is another
		results int
	}{
		{rawsock.Raw, nil, false, false, 2},
		{rawsock.UDP, withoutPrivilege(t), false, false, 1},
		{rawsock.Datagram, withoutPrivilege(t), true, false, 2},
		{rawsock.Datagram, withoutPrivilege(t), true, true, 2},
	} {
		s.DF = test.df
		if test.allow {
			top.Client.AllowPings()
		}
		hosts := []netip.Addr{last.Addr4, last.Addr6}
		start, wait := process(t, top.Client, order{Hosts: hosts, Settings: s, Results: test.results}, test.by...)
		start()
		out := wait()
		for i, to := range hosts {
			can := out.Can[i]
			if out.Kinds[i] != test.kind.String() || out.Faults[i] != "" || can.Ping != (test.kind != rawsock.UDP) || !can.Trace || can.Denied == can.Ping {
				t.Fatalf("%s: %+v %v", test.kind, can, out)
			}
			lacks := can.Lacks(&s)
			if (len(lacks) == 0) != can.Ping {
				t.Errorf("%s: %q", test.kind, lacks)
			}
			for _, what := range lacks {
				if !strings.Contains(what, "setcap cap_net_raw+ep") || !strings.Contains(what, "net.ipv4.ping_group_range") {
					t.Errorf("%s: %q names no remedy", test.kind, what)
				}
			}
			pinged, traced := 0, 0
			for _, r := range of(out.Results, uint32(i)) {
				if r.Traced {
					traced++
					wantRoute(t, test.kind.String(), r, vitals.EndReached, routeTo(top, 4, to, 2)...)
					continue
				}
				pinged++
				wantWhole(t, r, 5)
			}
			if traced != 1 || pinged != test.results-1 {
				t.Errorf("%s: %d pings, %d traces", test.kind, pinged, traced)
			}
		}
	}
}

// TestMeasuringNeedsNoPrivilegesOnceOpen: what privilege.Drop leaves is enough
// for every measurement, also for the Don't Fragment socket that is opened late.
func TestMeasuringNeedsNoPrivilegesOnceOpen(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	s := pings(5, time.Hour)
	s.DF, s.Trace, s.TracePause, s.Hops = true, true, time.Hour, 30
	s.Scan, s.ScanPause, s.Source = true, time.Hour, top.Links[0].A.Device
	hosts := []netip.Addr{top.Host4(1), top.Host6(1)}
	start, wait := process(t, top.Client, order{Hosts: hosts, Settings: s, Results: 3, Drop: true})
	start()
	out := wait()
	if !out.Dropped && !withCgo() {
		t.Error("the process could still open a low port")
	}
	for _, r := range out.Results {
		switch {
		case r.Traced:
			wantRoute(t, "dropped", r, vitals.EndReached, hosts[r.Key])
		case r.Scanned:
			if r.Scan == nil || r.Err != "" {
				t.Errorf("scan %+v, %s", r.Scan, r.Err)
			}
		default:
			wantWhole(t, r, 5)
		}
	}
}

// withCgo reports whether this is not how the programs are built: with cgo the
// privileges of all threads cannot be dropped.
func withCgo() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"})
}

// TestPain05AsynchronousErrors: on sockets without privilege the ICMP errors of
// one host wait on the socket and fail the next call; a healthy host beside it
// does not notice.
func TestPain05AsynchronousErrors(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 2)
	top.Client.AllowPings()
	top.Routers[0].Reject("10.98.9.9", "icmp type host-unreachable")
	top.Routers[0].Reject("fd98::99", "icmpv6 type no-route")
	b := run(t, top.Client, Options{}, rawsock.Datagram)
	s := pings(50, 10*time.Millisecond)
	s.Interval = 500 * time.Microsecond
	for i := range uint32(4) { // refused hosts and healthy ones by turns
		b.add(10+i, netip.MustParseAddr("10.98.9.9"), s)
		b.add(i, top.Host4(int(i)), s)
		b.add(30+i, netip.MustParseAddr("fd98::99"), s)
		b.add(20+i, top.Host6(int(i)), s)
	}
	for i := range uint32(4) {
		for _, key := range []uint32{i, 20 + i} {
			for _, r := range b.of(t, key, 10) {
				wantWhole(t, r, 50)
			}
			for _, r := range b.of(t, key+10, 10) {
				if p := r.Ping; p.Unreachable != 50 || p.Unknown != 0 {
					t.Errorf("%+v, %v", p, r.Cause)
				}
			}
		}
	}
	b.account()
}

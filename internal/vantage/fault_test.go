// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// fault breaks the client's way to 10.99.0.1 or fd99::1, and mends it.
type fault struct {
	name       string
	spoil      func(t *testing.T, top *netlab.Topology, v6 bool)
	mend       func(t *testing.T, top *netlab.Topology, v6 bool)
	causes     []syscall.Errno
	source     bool // by a target with a source
	alsoOthers bool // hosts beside it are hit too
}

func farm(top *netlab.Topology, v6 bool) (prefix string, via netip.Addr) {
	if v6 {
		return top.Farm6.String(), top.Links[0].B.Addr6
	}
	return top.Farm4.String(), top.Links[0].B.Addr4
}

var faults = []fault{
	{
		name: "no route",
		spoil: func(_ *testing.T, top *netlab.Topology, v6 bool) {
			prefix, _ := farm(top, v6)
			top.Client.Unroute(prefix)
		},
		mend: func(_ *testing.T, top *netlab.Topology, v6 bool) {
			prefix, via := farm(top, v6)
			top.Client.Route(prefix, via)
		},
		causes: []syscall.Errno{syscall.ENETUNREACH}, alsoOthers: true,
	},
	{
		name: "firewall",
		spoil: func(_ *testing.T, top *netlab.Topology, _ bool) {
			top.Client.NFT("table inet refuse { chain output { type filter hook output priority 0\nip daddr 10.99.0.1 drop\nip6 daddr fd99::1 drop\n}\n}")
		},
		mend:   func(_ *testing.T, top *netlab.Topology, _ bool) { top.Client.NFT("delete table inet refuse") },
		causes: []syscall.Errno{syscall.EPERM},
	},
	{
		name: "dropped below",
		spoil: func(_ *testing.T, top *netlab.Topology, _ bool) {
			top.Client.NFT(fmt.Sprintf("table netdev refuse { chain egress { type filter hook egress device %q priority 0\nip daddr 10.99.0.1 drop\nip6 daddr fd99::1 drop\n}\n}", top.Links[0].A.Device))
		},
		mend:   func(_ *testing.T, top *netlab.Topology, _ bool) { top.Client.NFT("delete table netdev refuse") },
		causes: []syscall.Errno{syscall.ENOBUFS},
	},
	{
		name: "unreachable route",
		spoil: func(_ *testing.T, top *netlab.Topology, _ bool) {
			top.Client.Unreachable("10.99.0.1/32")
			top.Client.Unreachable("fd99::1/128")
		},
		mend: func(_ *testing.T, top *netlab.Topology, _ bool) {
			top.Client.Unroute("10.99.0.1/32")
			top.Client.Unroute("fd99::1/128")
		},
		causes: []syscall.Errno{syscall.EHOSTUNREACH},
	},
	{
		name:  "link down",
		spoil: func(_ *testing.T, top *netlab.Topology, _ bool) { top.Links[0].Down() },
		mend:  func(_ *testing.T, top *netlab.Topology, _ bool) { top.Links[0].Up() },
		// What was underway when it went down is lost with it.
		causes: []syscall.Errno{syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL}, alsoOthers: true,
	},
	{
		name: "source address removed",
		spoil: func(_ *testing.T, top *netlab.Topology, _ bool) {
			top.Client.IP("addr", "del", "10.77.0.1/32", "dev", "lo")
			top.Client.IP("addr", "del", "fd77::1/128", "dev", "lo")
		},
		mend:   func(_ *testing.T, top *netlab.Topology, _ bool) { addSources(top) },
		causes: []syscall.Errno{syscall.EINVAL, syscall.ENETUNREACH}, source: true, // by the kernel's release
	},
}

func addSources(top *netlab.Topology) {
	top.Client.Address("10.77.0.1/32", "lo")
	top.Client.Address("fd77::1/128", "lo")
}

// TestDefect06SendErrorIsUnknownAndPasses: what our own side refuses is no
// loss, its cause is told, the loop goes on, another host is measured
// meanwhile, and measuring resumes by itself.
func TestDefect06SendErrorIsUnknownAndPasses(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			top := netlab.Farm(t)
			addSources(top)
			top.Server.Route("10.77.0.1/32", top.Links[0].A.Addr4)
			top.Server.Route("fd77::1/128", top.Links[0].A.Addr6)
			b := run(t, top.Client, Options{})
			s := pings(5, 10*time.Millisecond)
			s.Timeout = time.Second
			for i, v6 := range both {
				host, other, with := top.Host4(1), top.Host4(2), s
				if v6 {
					host, other = top.Host6(1), top.Host6(2)
				}
				if f.source {
					with.Source = map[bool]string{false: "10.77.0.1", true: "fd77::1"}[v6]
				}
				broken, beside := uint32(2*i), uint32(2*i+1)
				b.add(broken, host, with)
				b.add(beside, other, s)
				fine := func(r result) bool { return r.Ping.Received == 5 && r.Cause == 0 }
				unknown := func(r result) bool { return r.Ping.Unknown == 5 }
				for range 2 {
					wantWhole(t, b.next(t, broken, "a whole burst", fine), 5)
					f.spoil(t, top, v6)
					r := b.next(t, broken, "an unknown burst", unknown)
					wantCause(t, r, f.causes)
					if p := r.Ping; p.Known() != 0 || p.Lost() != 0 || p.Received != 0 {
						t.Errorf("%+v", p)
					}
					if !f.alsoOthers {
						for _, r := range b.more(beside, 3) {
							wantWhole(t, r, 5)
						}
					}
					f.mend(t, top, v6)
					wantWhole(t, b.next(t, broken, "a whole burst again", fine), 5)
				}
				if f.name == "link down" {
					continue
				}
				for _, r := range of(b.results(), broken) {
					if r.Ping.Lost() != 0 {
						t.Errorf("%+v, %v: no ping was lost", r.Ping, r.Cause)
					}
				}
			}
			b.account()
		})
	}
}

func wantCause(t *testing.T, r result, causes []syscall.Errno) {
	t.Helper()
	if !slices.Contains(causes, r.Cause) {
		t.Errorf("cause %v (%d), want one of %v", r.Cause, r.Cause, causes)
	}
}

// TestDefect14SpoiledTraceIsNoTrace: a trace that our own side refuses has a
// cause and no path, is no change of the route, and does not end tracing.
func TestDefect14SpoiledTraceIsNoTrace(t *testing.T) {
	t.Parallel()
	top := netlab.Chain(t, 3)
	b := run(t, top.Client, Options{})
	s := traces(5 * time.Millisecond)
	for i, v6 := range both {
		key, to := uint32(i), top.Host4(1)
		if v6 {
			to = top.Host6(1)
		}
		prefix, via := farm(top, v6)
		b.add(key, to, s)
		b.of(t, key, 3)
		top.Client.Unroute(prefix)
		r := b.next(t, key, "the spoiled trace", func(r result) bool { return r.Path == nil })
		if r.Changed || r.Cause != syscall.ENETUNREACH {
			t.Errorf("%+v", r)
		}
		top.Client.Route(prefix, via)
		r = b.next(t, key, "a trace again", func(r result) bool { return r.Path != nil && r.Path.End == vitals.EndReached })
		wantRoute(t, "again", r, vitals.EndReached, routeTo(top, 3, to)...)
		b.more(key, 3)
		if changes, all := b.repeated(key, 1); changes != 1 {
			t.Errorf("%d changes in %d traces", changes, len(all))
		}
	}
}

// TestDefect09NoIPv6: on a host that has IPv6 switched off IPv4 is measured,
// and a target of IPv6 is unknown with its cause.
func TestDefect09NoIPv6(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t, netlab.AllLinks(netlab.IPv4Only()), netlab.Prefixes("10.99.0.0/16"))
	top.Client.Sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.lo.disable_ipv6=1")
	b := run(t, top.Client, Options{})
	s := pings(5, 10*time.Millisecond)
	s.Trace, s.TracePause, s.Hops = true, 10*time.Millisecond, 30
	b.add(1, top.Host4(1), s)
	b.add(2, netip.MustParseAddr("2001:db8::1"), s)
	b.add(3, netip.IPv6Loopback(), s)
	for _, key := range []uint32{2, 3} {
		for _, r := range b.of(t, key, 10) {
			if r.Ping != nil && r.Ping.Unknown != 5 || r.Path != nil || r.Cause == 0 || r.Changed {
				t.Errorf("%+v", r)
			}
		}
	}
	for _, r := range b.of(t, 1, 10) {
		if r.Traced {
			wantRoute(t, "IPv4", r, vitals.EndReached, top.Host4(1))
			continue
		}
		wantWhole(t, r, 5)
	}
	b.account()
}

// TestDefect09KernelWithoutIPv6: where there are not even sockets of IPv6, that
// is said, and IPv4 is measured.
func TestDefect09KernelWithoutIPv6(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	o, s := Options{}, newSink()
	o.Loop.OpenSocket = func(o rawsock.Options) (r prober.Socket, err error) {
		if o.IPv6 {
			return nil, fmt.Errorf("open socket: %w", syscall.EAFNOSUPPORT)
		}
		top.Client.Do(func() { r, err = rawsock.Open(o) })
		return r, err
	}
	p := New(o, s)
	p.Open()
	want := pings(3, 10*time.Millisecond)
	can := p.Can(true)
	lacks := can.Lacks(&want)
	if can.Ping || can.Trace || can.Denied || len(lacks) != 1 || !strings.Contains(lacks[0], "address family not supported") {
		t.Errorf("%+v: %q", can, lacks)
	}
	if can := p.Can(false); !can.Ping || !can.Trace || can.Lacks(&want) != nil {
		t.Errorf("%+v", can)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	w, err := p.Add(6, target(top.Host6(1), want), top.Host6(1), time.Now())
	if pinged, traced, _ := w.Measures(); err != nil || pinged || traced {
		t.Errorf("%v %v %v", pinged, traced, err)
	}
	if _, err := p.Add(4, target(top.Host4(1), want), top.Host4(1), time.Now()); err != nil {
		t.Error(err)
	}
	for _, r := range of(s.until(t, "IPv4", func(all []result) bool { return len(of(all, 4)) >= 3 }), 4) {
		wantWhole(t, r, 3)
	}
	w.Remove()
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSourceThatIsNotOursIsAnError: a source that this host does not have, or of
// the other family, is told when the target is added.
func TestSourceThatIsNotOursIsAnError(t *testing.T) {
	t.Parallel()
	node := netlab.New(t).Node("client")
	b := run(t, node, Options{})
	for source, to := range map[string]string{"eth77": "127.0.0.1", "127.0.0.1": "::1", "::1": "127.0.0.1", "fe80::1%eth77": "fe80::2"} {
		s := pings(1, time.Hour)
		s.Source = source
		addr := netip.MustParseAddr(to)
		var err error
		node.Do(func() { _, err = b.point.Add(1, target(addr, s), addr, time.Now()) })
		if err == nil {
			t.Errorf("source %s to %s is accepted", source, to)
		}
	}
	if all := b.results(); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

// TestUnprivilegedIPv6TakesNoSourceAddress: where the kernel would leave by
// another address than was asked for, that is said in place of measured.
func TestUnprivilegedIPv6TakesNoSourceAddress(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings()
	b := run(t, top.Client, Options{}, rawsock.Datagram)
	s := pings(3, time.Hour)
	s.Source = top.Links[0].A.Addr6.String()
	if _, err := b.point.Add(1, target(top.Host6(1), s), top.Host6(1), time.Now()); err == nil || !strings.Contains(err.Error(), "setcap") {
		t.Error(err)
	}
	s.Source = top.Links[0].A.Device
	b.add(2, top.Host6(1), s)
	wantWhole(t, b.of(t, 2, 1)[0], 3)
	s.Source = top.Links[0].A.Addr4.String()
	b.add(3, top.Host4(1), s)
	wantWhole(t, b.of(t, 3, 1)[0], 3)
}

// TestTargetFromBeforeTheLoops: a target that was to start before the loops
// were made starts at once.
func TestTargetFromBeforeTheLoops(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	b := run(t, top.Client, Options{})
	s := pings(3, time.Hour)
	s.Trace, s.TracePause, s.Hops = true, time.Hour, 30
	var err error
	top.Client.Do(func() {
		_, err = b.point.Add(1, target(top.Host4(1), s), top.Host4(1), time.Now().Add(-time.Minute))
	})
	if err != nil {
		t.Fatal(err)
	}
	b.of(t, 1, 2)
}

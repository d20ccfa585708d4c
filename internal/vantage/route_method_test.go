// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// methods are those of a trace, by their names in the configuration.
var methods = map[string]vitals.Method{"icmp": vitals.MethodICMP, "udp": vitals.MethodUDP, "tcp": vitals.MethodTCP}

// flows are settings for traces of several flows by a method, as often as can be.
func flows(method vitals.Method, n int) vitals.Settings {
	s := traces(time.Millisecond)
	s.Method, s.Flows = method, n
	return s
}

// followed are the paths of all flows of a trace, the first flow's first.
func followed(p *vitals.Path) []vitals.Path {
	if p == nil {
		return nil
	}
	return append([]vitals.Path{*p}, p.Others...)
}

// wantFlows checks that every flow of a trace took one route.
func wantFlows(t *testing.T, what string, r result, n int, end vitals.End, want ...netip.Addr) {
	t.Helper()
	all := followed(r.Path)
	if len(all) != n {
		t.Errorf("%s: %d flows, want %d; cause %v", what, len(all), n, r.Cause)
	}
	for i := range all {
		wantRoute(t, fmt.Sprintf("%s, flow %d", what, i), result{Path: &all[i]}, end, want...)
	}
}

// pair are the addresses of an end of a link.
func pair(e *netlab.Endpoint) []netip.Addr { return []netip.Addr{e.Addr4, e.Addr6} }

// TestMethodsSeeEveryHop: by each method every flow shows every router, what
// routers that balance load look at stays the same on the wire at every TTL, and
// a link that is too narrow for others, told of or not, hides nothing.
func TestMethodsSeeEveryHop(t *testing.T) {
	t.Parallel()
	const hops, count = 6, 4
	top := netlab.Chain(t, hops)
	wire := tapWire(t, top.Links[0].A)
	b := run(t, top.Client, Options{})
	key := uint32(0)
	for i, narrow := range []func(){func() {}, func() { top.Links[3].Narrow(1280) }, top.Routers[2].SilentTooBig} {
		narrow()
		for name, method := range methods {
			for _, to := range pair(top.Links[hops-1].B) {
				what := fmt.Sprintf("%s to %s, link %d", name, to, i)
				w := b.add(key, to, flows(method, count))
				for _, r := range b.of(t, key, 10) {
					wantFlows(t, what, r, count, vitals.EndReached, routeTo(top, hops, to)...)
					wantQuotes(t, what, r)
				}
				if changes, _ := b.repeated(key, 10); changes != 1 {
					t.Errorf("%s: %d changes", what, changes)
				}
				w.Remove()
				wire.wantFlows(what, method, to, count, hops)
				key++
			}
		}
	}
	b.account()
}

// wantQuotes checks what routers say of the probe: its TTL was used up there, and
// the answer's own tells how far they are.
func wantQuotes(t *testing.T, what string, r result) {
	t.Helper()
	for _, p := range followed(r.Path) {
		for i, h := range p.Hops[:len(p.Hops)-1] {
			if a := h.Reply; !a.Quotes || a.QuotedTTL != 1 || a.TTL != uint8(64-i) || a.Rewritten.IsValid() || a.Labels != nil {
				t.Errorf("%s: hop %d says %+v", what, i+1, a)
			}
		}
	}
}

// TestMethodTCP: who listens is reached, and is left without a connection, whole
// or half; who does not is reached too.
func TestMethodTCP(t *testing.T) {
	t.Parallel()
	const hops, port = 6, 8080
	top := netlab.Chain(t, hops)
	top.Server.Sysctl("net.ipv4.tcp_synack_retries=10") // what is half open stays so
	var l net.Listener
	var err error
	top.Server.Do(func() { l, err = net.Listen("tcp", fmt.Sprintf(":%d", port)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	b := run(t, top.Client, Options{})
	hosts := append(pair(top.Links[hops-1].B), top.Host4(7), top.Host6(7))
	for i, to := range hosts {
		for k := range 2 { // somebody listens, and nobody
			s := flows(vitals.MethodTCP, 4)
			s.Port = uint16(port + k)
			key := uint32(2*i + k)
			w := b.add(key, to, s)
			for _, r := range b.of(t, key, 20) {
				wantFlows(t, fmt.Sprintf("%s port %d", to, s.Port), r, 4, vitals.EndReached, routeTo(top, hops, to)...)
			}
			w.Remove()
		}
	}
	netlab.Await(t, "end of the connections", func() bool { return connections(top.Server, port) == 0 })
	if err := l.(*net.TCPListener).SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if c, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("accepted %v, %v", c, err)
	}
	b.account()
}

// connections counts what a node has at a local port beside who listens, half
// open ones too (state 03 of /proc/net/tcp, see proc(5)).
func connections(n *netlab.Node, port int) (count int) {
	for line := range strings.Lines(n.Proc("tcp") + n.Proc("tcp6")) {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] != "0A" {
			count++
		}
	}
	return count
}

// TestMethodUDPToAService: who listens does not answer, and the path says that
// its end was not found.
func TestMethodUDPToAService(t *testing.T) {
	t.Parallel()
	const hops, most = 4, 7
	top := netlab.Chain(t, hops)
	var c net.PacketConn
	var err error
	top.Server.Do(func() { c, err = net.ListenPacket("udp", ":5353") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b := run(t, top.Client, Options{})
	for i, to := range pair(top.Links[hops-1].B) {
		s := flows(vitals.MethodUDP, 2)
		s.Port, s.Hops, s.Timeout = 5353, most, 300*time.Millisecond
		b.add(uint32(i), to, s)
		want := append(routeTo(top, hops, to)[:hops-1], make([]netip.Addr, most-hops+1)...)
		wantFlows(t, to.String(), b.of(t, uint32(i), 1)[0], 2, vitals.EndHops, want...)
	}
}

// TestMethodsWithoutPrivilege: UDP finds the same route by the error queue, each
// flow by a port of its own. TCP is not possible, and that is said.
func TestMethodsWithoutPrivilege(t *testing.T) {
	t.Parallel()
	const hops, count = 6, 4
	top := netlab.Chain(t, hops)
	top.Client.AllowPings()
	wire := tapWire(t, top.Links[0].A)
	for _, allowed := range [][]rawsock.Kind{{rawsock.UDP}, {rawsock.Datagram, rawsock.UDP}} {
		b := run(t, top.Client, Options{}, allowed...)
		wire.sent() // what the other kind still sent
		for i, to := range pair(top.Links[hops-1].B) {
			what := fmt.Sprintf("%s to %s", allowed[0], to)
			w := b.add(uint32(i), to, flows(vitals.MethodUDP, count))
			for _, r := range b.of(t, uint32(i), 10) {
				wantFlows(t, what, r, count, vitals.EndReached, routeTo(top, hops, to)...)
			}
			w.Remove()
			wire.wantFlows(what, vitals.MethodUDP, to, count, hops)

			s := flows(vitals.MethodTCP, count)
			_, traced, _ := b.add(uint32(10+i), to, s).Measures()
			lacks := b.point.Can(to.Is6()).Lacks(&s)
			if traced || !slices.ContainsFunc(lacks, func(l string) bool {
				return strings.Contains(l, "traces by TCP") && strings.Contains(l, "setcap cap_net_raw+ep")
			}) {
				t.Errorf("%s: traced by TCP %v, told %q", what, traced, lacks)
			}
		}
		b.account()
		b.end()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
	}
}

// TestMethodUDPOfAProcessWithoutPrivilege is the same of a process that has no
// capability at all.
func TestMethodUDPOfAProcessWithoutPrivilege(t *testing.T) {
	t.Parallel()
	const hops, count = 4, 4
	top := netlab.Chain(t, hops)
	hosts := pair(top.Links[hops-1].B)
	start, wait := process(t, top.Client, order{Hosts: hosts, Settings: flows(vitals.MethodUDP, count), Results: 3}, withoutPrivilege(t)...)
	start()
	out := wait()
	for i, to := range hosts {
		if out.Kinds[i] != rawsock.UDP.String() {
			t.Errorf("%s: by %s", to, out.Kinds[i])
		}
		rs := of(out.Results, uint32(i))
		if len(rs) < 3 {
			t.Errorf("%s: %d traces", to, len(rs))
		}
		for _, r := range rs {
			wantFlows(t, to.String(), r, count, vitals.EndReached, routeTo(top, hops, to)...)
		}
	}
}

// TestLabelSwitchedHops: what a label switched path of Linux swallows is silent,
// and nothing behind it is lost.
func TestLabelSwitchedHops(t *testing.T) {
	t.Parallel()
	if err := netlab.MPLS(); err != nil {
		t.Skipf("the kernel does not switch labels: %v", err)
	}
	const hops = 6
	top := netlab.Chain(t, hops)
	top.LabelPath(0, 3)
	b := run(t, top.Client, Options{})
	key := uint32(0)
	for name, method := range methods {
		for _, to := range []netip.Addr{top.Host4(7), top.Host6(7)} {
			w := b.add(key, to, flows(method, 2))
			for _, p := range followed(b.of(t, key, 1)[0].Path) {
				if got, want := addresses(&p), routeTo(top, hops, to, 2, 3); !slices.Equal(got[:hops-1], want[:hops-1]) || p.End != vitals.EndReached {
					t.Errorf("%s: %v, end %d; want %v", name, got, p.End, want)
				}
			}
			w.Remove()
			key++
		}
	}
}

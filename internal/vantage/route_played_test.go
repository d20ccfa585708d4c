// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// manner is how a router answers what ends at it where Linux cannot play the part.
type manner struct {
	name       string
	quote      int   // bytes behind the IP header that it quotes; 0: all
	left       uint8 // the TTL that it quotes
	labels     []wire.MPLSEntry
	unmeasured bool // it does not say how long the quotation before its labels is
}

var manners = []manner{
	{name: "28 bytes", quote: 8, left: 1},
	{name: "labels", left: 1, labels: []wire.MPLSEntry{wire.NewMPLSEntry(24000, 5, false, 1), wire.NewMPLSEntry(16, 0, true, 255)}},
	{name: "labels in a tunnel", left: 3, labels: []wire.MPLSEntry{wire.NewMPLSEntry(1048575, 0, true, 1)}},
	{name: "labels behind 28 bytes", quote: 8, left: 1, labels: []wire.MPLSEntry{wire.NewMPLSEntry(300, 0, true, 1)}},
	{name: "labels of an old router", left: 1, unmeasured: true, labels: []wire.MPLSEntry{wire.NewMPLSEntry(299776, 0, true, 1)}},
}

// answer is the error about a packet that ends at the router.
func (m *manner) answer(packet []byte, from netip.Addr) *forgery {
	s := &seen{v6: from.Is6(), packet: slices.Clone(packet)}
	header, typ, lengthAt, unit := 20, wire.TypeTimeExceeded, 5, 4
	if s.v6 {
		header, typ, lengthAt, unit = 40, wire.Type6TimeExceeded, 4, 8
		s.packet[7] = m.left
		s.src = netip.AddrFrom16([16]byte(packet[8:]))
	} else {
		s.packet[8] = m.left
		sum4(s.packet[:header])
		s.src = netip.AddrFrom4([4]byte(packet[12:]))
	}
	s.icmp = s.packet[header:]
	quoted := s.packet
	if m.quote > 0 {
		quoted = quoted[:header+m.quote]
	}
	icmp := append([]byte{typ, 0, 0, 0, 0, 0, 0, 0}, quoted...)
	if m.labels != nil {
		const extended = 128 // RFC 4884, 4
		icmp = append(icmp, make([]byte, 8+extended-len(icmp))...)
		if !m.unmeasured {
			icmp[lengthAt] = uint8(extended / unit)
		}
		icmp = wire.AppendExtensions(icmp, wire.ExtensionObject{
			Class: wire.ClassMPLS, CType: wire.CTypeIncomingStack, Data: wire.AppendMPLS(nil, m.labels...),
		})
	}
	return &forgery{seen: s, from: from, icmp: icmp}
}

// shown is what a trace tells of the label stack.
func (m *manner) shown() (labels []vitals.Label) {
	for _, l := range m.labels {
		labels = append(labels, vitals.Label{Value: l.Label(), TrafficClass: l.TrafficClass(), Bottom: l.Bottom(), TTL: l.TTL()})
	}
	return labels
}

// playRouter answers in place of the router at one end of a link, which must be
// silent, what ends there: each destination's probes in a manner.
func playRouter(t *testing.T, l *netlab.Link, manners map[netip.Addr]*manner) {
	t.Helper()
	a := attack(t, l.B, l.A)
	ended := make(chan error, 1)
	go func() {
		var failed error
		err := a.read(func(packet []byte) {
			id, ttl, ok := identify(packet)
			if m := manners[id.to]; ok && ttl == 1 && m != nil && failed == nil {
				failed = a.inject(id.to.Is6(), m.answer(packet, far(l, id.to)).packets()...)
			}
		})
		if err == nil {
			err = failed
		}
		ended <- err
	}()
	t.Cleanup(func() {
		_ = a.file.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestRoutersThatLinuxCannotPlay: those that quote 28 bytes, and those that tell
// the labels that a probe came with, as the real sockets take their answers: by
// every method in both families each hop is there, and says what it said.
func TestRoutersThatLinuxCannotPlay(t *testing.T) {
	t.Parallel()
	const hops, flowCount = 4, 3
	top := netlab.Chain(t, hops)
	top.Routers[1].Silent()
	played := make(map[netip.Addr]*manner)
	for i := range manners {
		played[top.Host4(1+i)], played[top.Host6(1+i)] = &manners[i], &manners[i]
	}
	playRouter(t, top.Links[1], played)
	b := run(t, top.Client, Options{})
	key := uint32(0)
	for to, m := range played {
		for name, method := range methods {
			what := fmt.Sprintf("%s: %s to %s", m.name, name, to)
			w := b.add(key, to, flows(method, flowCount))
			b.next(t, key, what+" with the router", seesAll(1))
			for _, r := range b.of(t, key, 5) {
				if n := len(followed(r.Path)); n != flowCount {
					t.Fatalf("%s: %d flows, cause %v", what, n, r.Cause)
				}
				for _, p := range followed(r.Path) {
					wantBut(t, what, &p, routeTo(top, hops, to), 1)
					if a := p.Hops[1].Reply; !p.Hops[1].Silent() && (!a.Quotes || a.QuotedTTL != m.left || !reflect.DeepEqual(a.Labels, m.shown()) || a.Rewritten.IsValid()) {
						t.Errorf("%s: the router says %+v", what, a)
					}
				}
			}
			if changes, _ := b.repeated(key, 5); changes != 1 {
				t.Errorf("%s: %d changes", what, changes)
			}
			w.Remove()
			key++
		}
	}
	b.account()
}

// TestOldRoutersBehindATranslator: of a UDP probe whose destination was replaced,
// and with it the checksum that tells it, 28 bytes do not say which it was: that
// hop is silent, and none stands in another's place. Other probes are told.
func TestOldRoutersBehindATranslator(t *testing.T) {
	t.Parallel()
	const hops, flowCount = 4, 4
	top := netlab.Chain(t, hops)
	top.Routers[1].Silent()
	played := make(map[netip.Addr]*manner)
	// One less in the address is one more in the checksum: that of the next probe.
	for asked, behind := range map[netip.Addr]netip.Addr{top.Host4(2): top.Host4(1), top.Host6(2): top.Host6(1)} {
		top.Routers[0].StatelessNAT(asked, behind)
		played[behind] = &manners[0]
	}
	playRouter(t, top.Links[1], played)
	b := run(t, top.Client, Options{})
	for i, asked := range []netip.Addr{top.Host4(2), top.Host6(2)} {
		for name, method := range methods {
			what, key := fmt.Sprintf("%s to %s", name, asked), uint32(10*i)+uint32(method)
			w := b.add(key, asked, flows(method, flowCount))
			want := routeTo(top, hops, asked)
			if method == vitals.MethodUDP {
				want[1] = netip.Addr{}
			} else {
				b.next(t, key, what+" with the router", seesAll(1))
			}
			for _, r := range b.of(t, key, 10) {
				for _, p := range followed(r.Path) {
					wantBut(t, what, &p, want, 1)
				}
			}
			w.Remove()
		}
	}
}

// seesAll is a trace of which every flow has an answer at a hop, by its index.
func seesAll(hop int) func(r result) bool {
	return func(r result) bool {
		return r.Path != nil && !slices.ContainsFunc(followed(r.Path), func(p vitals.Path) bool { return hop >= len(p.Hops) || p.Hops[hop].Silent() })
	}
}

// wantBut checks a path whose hop of one index may be silent, where a program
// plays the router and a busy machine is late to let it answer. The server answers
// UDP over IPv6 from an address of its own.
func wantBut(t *testing.T, what string, p *vitals.Path, want []netip.Addr, played int) {
	t.Helper()
	got, last := addresses(p), len(want)-1
	ok := len(got) == len(want) && p.End == vitals.EndReached
	for i := range want[:last] {
		ok = ok && (got[i] == want[i] || i == played && p.Hops[i].Silent())
	}
	if !ok {
		t.Fatalf("%s: %v, end %d, want %v", what, got, p.End, want)
	}
}

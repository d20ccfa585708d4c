// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// expireBy makes a router say that the TTL of what comes over IPv4 has expired in
// words that Linux does not use by itself: its own errors are dropped, and others
// sent by the device that the client is behind. say is the ICMP message, but for
// its checksum.
func expireBy(t *testing.T, router *netlab.Node, west *netlab.Endpoint, say func(packet []byte) []byte) {
	t.Helper()
	router.Silent()
	fd := west.PacketSocket()
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var answering sync.WaitGroup
	answering.Go(func() {
		b := make([]byte, 1<<16)
		for {
			select {
			case <-over:
				return
			default:
			}
			n, from, err := unix.Recvfrom(fd, b, 0)
			l, ok := from.(*unix.SockaddrLinklayer)
			if err != nil || !ok || l.Pkttype == unix.PACKET_OUTGOING {
				continue
			}
			if h, _, is4 := wire.ParseIPv4(b[:n]); is4 && h.TTL == 1 {
				_ = unix.Sendto(fd, datagram(west.Addr4.As4(), h.Src, say(b[:n])), 0, l)
			}
		}
	})
	t.Cleanup(func() {
		close(over)
		answering.Wait()
		_ = unix.Close(fd)
	})
}

// datagram is an IPv4 datagram with an ICMP message.
func datagram(from, to [4]byte, icmp []byte) []byte {
	binary.BigEndian.PutUint16(icmp[2:], wire.Checksum(icmp))
	b := wire.AppendIPv4(nil, wire.IPv4{TTL: 64, Protocol: wire.ProtoICMP, Src: from, Dst: to, TotalLen: 20 + len(icmp)})
	return append(b, icmp...)
}

// little is "time exceeded" that quotes no more than the headers (RFC 792).
func little(packet []byte) []byte {
	return append([]byte{wire.TypeTimeExceeded, 7: 0}, packet[:28]...)
}

// labelled is "time exceeded" of a router that the packet came to with two labels
// (RFC 4950): what is quoted is filled up to 128 bytes (RFC 4884, 5.1).
func labelled(packet []byte) []byte {
	const room = 128
	m := make([]byte, 8, 256)
	m[0], m[5] = wire.TypeTimeExceeded, room/4
	m = append(m, packet[:min(len(packet), room)]...)
	m = append(m, make([]byte, 8+room-len(m))...)
	return append(m, recordedLabels()...)
}

// recordedLabels is an extension header with one object, as RFC 4950 draws them:
// label 24001 TC 5 TTL 1, and below it label 16 TC 0 TTL 254.
func recordedLabels() []byte {
	b := []byte{
		0x20, 0, 0, 0,
		0, 12, 1, 1,
		24001 >> 12, 24001 >> 4 & 255, 24001&15<<4 | 5<<1, 1,
		0, 1, 1, 254,
	}
	binary.BigEndian.PutUint16(b[2:], wire.Checksum(b))
	return b
}

// TestLabelsAreShown: what labels a probe came to a router with, by each method and
// in each flow, and only there.
func TestLabelsAreShown(t *testing.T) {
	t.Parallel()
	const hops, at = 5, 2
	top := netlab.Chain(t, hops)
	expireBy(t, top.Routers[at], top.Links[at].B, labelled)
	b := run(t, top.Client, Options{})
	to := top.Links[hops-1].B.Addr4
	want := []vitals.Label{{Value: 24001, TrafficClass: 5, TTL: 1}, {Value: 16, Bottom: true, TTL: 254}}
	key := uint32(0)
	for name, method := range methods {
		b.add(key, to, flows(method, 2))
		r := b.next(t, key, name+": a trace of all hops", func(r result) bool {
			return !slices.ContainsFunc(followed(r.Path), func(p vitals.Path) bool { return slices.Contains(addresses(&p), netip.Addr{}) })
		})
		for _, p := range followed(r.Path) {
			for i, h := range p.Hops {
				if i == at && !slices.Equal(h.Reply.Labels, want) || i != at && h.Reply.Labels != nil {
					t.Errorf("%s: hop %d came with labels %v", name, i+1, h.Reply.Labels)
				}
			}
		}
		key++
	}
}

// TestRoutersThatQuoteLittle are there by every method and privilege.
func TestRoutersThatQuoteLittle(t *testing.T) {
	t.Parallel()
	const hops = 7
	top := netlab.Chain(t, hops)
	top.Client.AllowPings()
	for _, k := range []int{1, 2, 4} {
		expireBy(t, top.Routers[k], top.Links[k].B, little)
	}
	to := top.Links[hops-1].B.Addr4
	for i, kind := range kinds {
		b := run(t, top.Client, Options{}, from(i)...)
		key := uint32(0)
		for name, method := range methods {
			if kind != rawsock.Raw && method == vitals.MethodTCP {
				continue
			}
			s := traces(10 * time.Millisecond)
			s.Method, s.Flows = method, 3
			w := b.add(key, to, s)
			route, what := routeTo(top, hops, to), fmt.Sprint(kind, " ", name)
			// The routers are a process that may be late.
			b.next(t, key, what+": a trace of all hops", func(r result) bool {
				return !slices.ContainsFunc(followed(r.Path), func(p vitals.Path) bool { return !slices.Equal(addresses(&p), route) })
			})
			for _, r := range of(b.results(), key) {
				for _, p := range followed(r.Path) {
					for i, a := range addresses(&p) {
						if a.IsValid() && (i >= hops || a != route[i]) {
							t.Errorf("%s: hop %d is %v", what, i+1, a)
						}
					}
				}
			}
			w.Remove()
			key++
		}
	}
}

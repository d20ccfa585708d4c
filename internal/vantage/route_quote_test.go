// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"encoding/binary"
	"fmt"
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

// quoteLittle makes a router quote no more than the headers of what has expired
// (RFC 792), which Linux does not do by itself: its own errors are dropped, and
// sent by the device that the client is behind.
func quoteLittle(t *testing.T, router *netlab.Node, west *netlab.Endpoint) {
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
				_ = unix.Sendto(fd, expiredLittle(west.Addr4.As4(), h.Src, b[:28]), 0, l)
			}
		}
	})
	t.Cleanup(func() {
		close(over)
		answering.Wait()
		_ = unix.Close(fd)
	})
}

// expiredLittle is "time exceeded" with a quote.
func expiredLittle(from, to [4]byte, quote []byte) []byte {
	b := make([]byte, 28, 56)
	b[0], b[8], b[9] = 0x45, 64, wire.ProtoICMP
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	b[20] = wire.TypeTimeExceeded
	b = append(b, quote...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:20]))
	binary.BigEndian.PutUint16(b[22:], wire.Checksum(b[20:]))
	return b
}

// TestRoutersThatQuoteLittle are there by every method and privilege.
func TestRoutersThatQuoteLittle(t *testing.T) {
	t.Parallel()
	const hops = 7
	top := netlab.Chain(t, hops)
	top.Client.AllowPings()
	for _, k := range []int{1, 2, 4} {
		quoteLittle(t, top.Routers[k], top.Links[k].B)
	}
	to := top.Links[hops-1].B.Addr4
	for i, kind := range kinds {
		allowed := kinds[i:]
		if kind == rawsock.Raw {
			allowed = nil // those for UDP and TCP as well
		}
		b := run(t, top.Client, Options{}, allowed...)
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

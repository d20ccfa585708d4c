// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
	"connmonitor/internal/vitals"
)

// quoteless are routers of which some quote no more than the headers; r4 is
// silent.
const quoteless = "router r1 10.1.0.1 quote 8\nrouter r2 10.1.0.2\nrouter r3 10.1.0.3 quote 8\nrouter r4 10.1.0.4 silent\n" +
	"router r5 10.1.0.5 quote 8\nrouter r6 10.1.0.6\nhost 10.0.0.9 rtt 40ms\npath 10.0.0.9 r1@1ms r2@5ms r3@30ms r4@31ms r5@32ms r6@33ms\n"

// TestQuoteless: without privilege hops that quote no more than the headers are
// found all the same, each at its TTL, in every trace, and none of them lost
// anything. Where nothing is heard nothing more is asked.
func TestQuoteless(t *testing.T) {
	for deny, method := range map[string]vitals.Method{"deny raw datagram\n": vitals.MethodICMP, "deny raw\n": vitals.MethodUDP} {
		inLab(t, prober.Options{}, deny+quoteless, func(b *lab) {
			p := plan()
			p.Method, p.Flows = method, 3
			b.add(1, "10.0.0.9", p)
			time.Sleep(time.Minute)
			rs := b.of(1)
			if len(rs) < 20 || changes(rs) != 1 {
				b.T.Errorf("%d traces, %d changes: %v", len(rs), changes(rs), told(rs))
			}
			for _, r := range rs {
				for _, path := range append([]vitals.Path{*r.path}, r.path.Others...) {
					if got := text(&path); got != "1 2 3 * 5 6 9 ." {
						b.T.Fatalf("at %v: %s", r.at, got)
					}
					for i, h := range path.Hops {
						if i != 3 && int(h.Sent-h.Unknown) != int(h.Received) {
							b.T.Fatalf("hop %d: sent %d, unknown %d, received %d", i+1, h.Sent, h.Unknown, h.Received)
						}
					}
				}
			}
		})
	}
}

// TestQuotelessTwice: of two traces to one address at the same time neither takes
// the answers of the other: what is found is right.
func TestQuotelessTwice(t *testing.T) {
	inLab(t, prober.Options{}, "deny raw datagram\n"+quoteless, func(b *lab) {
		for key := range uint32(2) {
			p := plan()
			p.Pause += time.Duration(key) * 37 * time.Millisecond
			b.add(key, "10.0.0.9", p)
		}
		time.Sleep(2 * time.Minute)
		found := 0
		for key := range uint32(2) {
			for _, r := range b.of(key) {
				for i, h := range r.path.Hops[:6] {
					if h.Silent() {
						continue
					}
					if h.Addr != simnet.Addr([]string{"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"}[i]).Netip(false) {
						b.T.Fatalf("at %v: %s", r.at, text(r.path))
					}
					found++
				}
			}
		}
		if found == 0 {
			b.T.Error("nothing was found")
		}
	})
}

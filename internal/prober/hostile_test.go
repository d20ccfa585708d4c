// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"fmt"
	"testing"
	"time"

	"connmonitor/internal/prober"
)

// TestHostilePackets: of what is forged, foreign, truncated or oversized
// nothing changes a verdict, and each packet is counted by one reason. Defect
// 10 (the length of the IPv4 header), pain 1.
func TestHostilePackets(t *testing.T) {
	kinds := []string{
		"nonce", "id", "sequence", "index", "near", "generation", "source", "type", "request", "longer", "shorter",
		"empty", "huge", "header", "nothing", "quoted-id", "quoted-sequence", "quoted-nonce", "quoted-index",
		"quoted-destination", "quoted-protocol", "quoted-version", "quoted-fragment", "quoted-reply",
	}
	for _, kind := range kinds {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " ", v6), func(t *testing.T) { hostile(t, kind, v6) })
		}
	}
}

func hostile(t *testing.T, kind string, v6 bool) {
	living, dead := "10.0.0.1", "10.0.0.2"
	if v6 {
		living, dead = "2001:db8::1", "2001:db8::2"
	}
	scenario := fmt.Sprintf("host %[1]s rtt 20ms\nhost %[2]s rtt 20ms dead\nforge %[1]s %[3]s 1\nforge %[2]s %[3]s 1",
		living, dead, kind)
	inLab(t, prober.Options{IPv6: v6}, scenario, func(b *lab) {
		const n = 40
		first := b.send(n, probe(dead))
		b.want(n, probe(living), prober.Replied, 20*time.Millisecond)
		for _, r := range b.verdicts(first, n) {
			if r.Verdict != prober.Lost {
				t.Errorf("the dead host's probe: %+v", r)
			}
		}
		s := b.loop.Stats()
		if s.Strays+s.Forged+s.Malformed != 2*n || s.Received != 3*n || s.Duplicates != 0 {
			t.Errorf("%s: %+v", kind, s)
		}
	})
}

// TestForeignPing, defect 11: another process's replies share the socket.
func TestForeignPingChangesNothing(t *testing.T) {
	const scenario = `
host 10.0.0.1 rtt 20ms
forge 10.0.0.1 nonce 1
forge 10.0.0.1 id 1
forge 10.0.0.1 source 1
forge 10.0.0.1 quoted-nonce 1
`
	inLab(t, prober.Options{}, scenario, func(b *lab) {
		for range 50 {
			b.want(10, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package pmtu_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestSearch finds the path MTU of a target for the first time.
func TestSearch(t *testing.T) {
	tests := []struct {
		name, statements, want string
	}{
		{"the interface's", "", "1500/1500"},
		{"PPPoE's", "mtu HOST 0 1492", "1492/1492"},
		{"jumbo frames", "mtu HOST 0 9000", "9000/9000"},
		{"loopback's", "mtu HOST 0 65536", "65535/65535"},
		{"an odd interface's", "mtu HOST 0 1437", "1437/1437"},
		{"a router reports", "mtu HOST 3 1400", "1400/1500 reported by 3 at 3"},
		{"the first router", "mtu HOST 1 1400", "1400/1500 reported by 1 at 1"},
		{"the last router", "mtu HOST 6 1400", "1400/1500 reported by 6 at 6"},
		{"one byte less", "mtu HOST 4 1499", "1499/1500 reported by 4 at 4"},
		{"behind jumbo frames", "mtu HOST 0 9000\nmtu HOST 4 1500", "1500/9000 reported by 4 at 4"},
		{"two in a row", "mtu HOST 2 1480\nmtu HOST 5 1400", "1400/1500 reported by 5 at 5"},
		{"an odd size", "mtu HOST 5 1333", "1333/1500 reported by 5 at 5"},
		{"IPv6's least", "mtu HOST 5 1280", "1280/1500 reported by 5 at 5"},
		{"a black hole", "mtu HOST 4 1400 blackhole", "1400/1500 black hole by 4 at 4"},
		{"an odd one", "mtu HOST 4 1417 blackhole", "1417/1500 black hole by 4 at 4"},
		{"a narrow one", "mtu HOST 4 600 blackhole", "600/1500 black hole by 4 at 4"},
		{"at the first router", "mtu HOST 1 1450 blackhole", "1450/1500 black hole by 1 at 1"},
		{"at the last router", "mtu HOST 6 1450 blackhole", "1450/1500 black hole by 6 at 6"},
		{"a black hole behind a report", "mtu HOST 2 1480\nmtu HOST 5 1400 blackhole", "1400/1500 black hole by 5 at 5"},
		{"a report behind a black hole", "mtu HOST 2 1480 blackhole\nmtu HOST 5 1400", "1400/1500 reported by 5 at 5"},
		{"it tells what is larger", "mtu HOST 3 1400 lies 9000", "1400/1500 reported by 3 at 3"},
		{"it tells what was sent", "mtu HOST 3 1400 lies 1500", "1400/1500 reported by 3 at 3"},
		{"it tells none", "mtu HOST 3 1400 lies 0", "1400/1500 reported by 3 at 3"},
		{"it tells what cannot be", "mtu HOST 3 1400 lies 60", "1400/1500 reported by 3 at 3"},
		{"it tells too little", "mtu HOST 3 1400 lies 1300", "1400/1500 reported by 3 at 3"},
		{"it tells too much", "mtu HOST 3 1400 lies 1450", "1400/1500 reported by 3 at 3"},
		{"some report too much is too large", "forge HOST too-big 0.3", "1500/1500"},
		{"and nobody else says it", "forge HOST too-big 0.3\nmtu HOST 3 1400 blackhole", "1400/1500 black hole by 3 at 3"},
		{"false replies", "forge HOST nonce 1\nforge HOST source 1\nforge HOST quoted-id 1\nmtu HOST 3 1400", "1400/1500 reported by 3 at 3"},
		{"a host that does not reply", "host HOST rtt 10ms unreachable 3\nmtu HOST 3 1400", "1400/1500 reported by 3 at 3"},
		{"the host is dead", "host HOST dead", "0/0"},
		{"the host is dead behind a limit", "host HOST dead\nmtu HOST 3 1400", "0/0"},
	}
	for _, f := range families {
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s/%s", f, test.name), func(t *testing.T) {
				inLab(t, f, test.statements, func(b *lab) {
					r := b.round()
					if got := text(r.mtu); got != test.want {
						t.Errorf("found %s, want %s", got, test.want)
					}
					if r.changed != (r.mtu.Size > 0) || r.cause != 0 {
						t.Errorf("changed %v, cause %v", r.changed, r.cause)
					}
					t.Logf("%d probes", r.sent)
				})
			})
		}
	}
}

// TestSilentRouters: hops that never answer are not where large packets vanish.
func TestSilentRouters(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			silent := fmt.Sprintf("router r2 "+f.router+" silent\nrouter r3 "+f.router+" silent\n", 2, 3)
			inLab(t, f, silent+"mtu HOST 5 1400 blackhole", func(b *lab) {
				if got := text(b.round().mtu); got != "1400/1500 black hole by 5 at 5" {
					t.Errorf("found %s", got)
				}
			})
			inLab(t, f, silent+"mtu HOST 3 1400 blackhole", func(b *lab) {
				if got := text(b.round().mtu); got != "1400/1500 black hole by 1 at 1" {
					t.Errorf("found %s", got)
				}
			})
		})
	}
}

// TestRateLimit: a router that answers once a second is not a black hole, nor
// does one of those look nearer than it is.
func TestRateLimit(t *testing.T) {
	for _, f := range families {
		for _, test := range []struct{ limit, want string }{
			{"", "1500/1500"},
			{"mtu HOST 4 1400", "1400/1500 reported by 4 at 4"},
			{"mtu HOST 4 1400 blackhole", "1400/1500 black hole by 4 at 4"},
		} {
			t.Run(fmt.Sprintf("%s/%s", f, test.limit), func(t *testing.T) {
				s := ""
				for i := 1; i <= 6; i++ {
					s += fmt.Sprintf("router r%d "+f.router+" limit 1\n", i, i)
				}
				inLab(t, f, s+test.limit, func(b *lab) {
					for i := range 20 {
						r := b.round()
						if got := text(r.mtu); got != test.want || r.changed != (i == 0) {
							t.Fatalf("round %d: %s, changed %v, want %s", i, got, r.changed, test.want)
						}
						time.Sleep(30 * time.Second)
					}
				})
			})
		}
	}
}

// TestLoss: one packet in five is lost, of the host's and the routers' answers.
func TestLoss(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			s := "host HOST rtt 10ms loss 0.2\n"
			for i := 1; i <= 6; i++ {
				s += fmt.Sprintf("router r%d "+f.router+" loss 0.2\n", i, i)
			}
			for _, test := range []struct{ limit, want string }{
				{"", "1500/1500"},
				{"mtu HOST 4 1400", "1400/1500 reported by 4 at 4"},
				{"mtu HOST 4 1400 blackhole", "1400/1500 black hole by 4 at 4"},
			} {
				inLab(t, f, s+test.limit, func(b *lab) {
					for i := range 200 {
						r := b.round()
						if got := text(r.mtu); got != test.want || r.changed != (i == 0) {
							t.Fatalf("round %d: %s, changed %v, want %s", i, got, r.changed, test.want)
						}
						time.Sleep(30 * time.Second)
					}
				})
			}
		})
	}
}

// TestRefused: what our own side spoils is no evidence.
func TestRefused(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			inLab(t, f, "host HOST refuse ENETUNREACH", func(b *lab) {
				if r := b.round(); r.cause != syscall.ENETUNREACH || r.mtu.Size != 0 || r.changed {
					t.Errorf("%+v", r)
				}
				b.Apply(f.statements("host HOST rtt 10ms\nmtu HOST 3 1400"))
				if r := b.round(); text(r.mtu) != "1400/1500 reported by 3 at 3" || !r.changed {
					t.Errorf("%+v", r)
				}
				b.Apply(f.statements("host HOST refuse ENOBUFS"))
				for range 5 {
					if r := b.round(); r.cause != syscall.ENOBUFS || r.mtu.Size != 1400 || r.changed {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

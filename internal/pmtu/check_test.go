// SPDX-License-Identifier: Apache-2.0

package pmtu_test

import (
	"fmt"
	"testing"
	"time"
)

// TestSteady: while nothing changes a round costs three probes at most, and
// tells nothing.
func TestSteady(t *testing.T) {
	for _, f := range families {
		for _, limit := range []string{"", "mtu HOST 3 1400", "mtu HOST 3 1400 blackhole"} {
			t.Run(fmt.Sprintf("%s/%s", f, limit), func(t *testing.T) {
				inLab(t, f, limit, func(b *lab) {
					first := b.round().mtu
					for i := range 30 {
						time.Sleep(time.Minute)
						if r := b.round(); r.mtu != first || r.changed || r.sent > 3 {
							t.Fatalf("round %d: %s, changed %v, %d probes", i, text(r.mtu), r.changed, r.sent)
						}
					}
					b.Apply(f.statements("host HOST dead"))
					for i := range 10 {
						if r := b.round(); r.mtu != first || r.changed || r.sent > 3 {
							t.Fatalf("dead, round %d: %s, changed %v, %d probes", i, text(r.mtu), r.changed, r.sent)
						}
					}
				})
			})
		}
	}
}

// TestChange: what changes is told once, within a few rounds.
func TestChange(t *testing.T) {
	tests := []struct {
		name, before, after, want string
	}{
		{"shrinks", "", "mtu HOST 3 1400", "1400/1500 reported by 3 at 3"},
		{"shrinks into a black hole", "", "mtu HOST 3 1400 blackhole", "1400/1500 black hole by 3 at 3"},
		{"shrinks further", "mtu HOST 3 1400", "mtu HOST 5 1300", "1300/1500 reported by 5 at 5"},
		{"grows", "mtu HOST 3 1400", "mtu HOST 3 1500", "1500/1500"},
		{"grows a little", "mtu HOST 3 1400", "mtu HOST 3 1420", "1420/1500 reported by 3 at 3"},
		{"grows out of a black hole", "mtu HOST 3 1400 blackhole", "mtu HOST 3 0", "1500/1500"},
		{"moves", "mtu HOST 3 1400", "mtu HOST 3 0\nmtu HOST 5 1400", "1400/1500 reported by 5 at 5"},
		{"a hole moves on", "mtu HOST 3 1400 blackhole", "mtu HOST 3 0\nmtu HOST 5 1400 blackhole", "1400/1500 black hole by 5 at 5"},
		{"a hole comes nearer", "mtu HOST 5 1400 blackhole", "mtu HOST 5 0\nmtu HOST 2 1400 blackhole", "1400/1500 black hole by 2 at 2"},
		{"becomes a black hole", "mtu HOST 3 1400", "mtu HOST 3 1400 blackhole", "1400/1500 black hole by 3 at 3"},
		{"is a black hole no more", "mtu HOST 3 1400 blackhole", "mtu HOST 3 1400", "1400/1500 reported by 3 at 3"},
		{"our own link shrinks", "mtu HOST 3 1400", "mtu HOST 0 1400", "1400/1400"},
		{"our own link shrinks further", "", "mtu HOST 0 1300", "1300/1300"},
		{"our own link grows", "", "mtu HOST 0 9000", "9000/9000"},
		{"our own link grows, the next does not", "", "mtu HOST 0 9000\nmtu HOST 1 1500 blackhole", "1500/9000 black hole by 1 at 1"},
	}
	for _, f := range families {
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s/%s", f, test.name), func(t *testing.T) {
				inLab(t, f, test.before, func(b *lab) {
					first := b.round().mtu
					b.Apply(f.statements(test.after))
					changes := 0
					last := first
					for range 12 {
						time.Sleep(time.Minute)
						r := b.round()
						if r.changed {
							changes++
						}
						last = r.mtu
					}
					if changes != 1 || text(last) != test.want {
						t.Errorf("%d changes, from %s to %s, want %s", changes, text(first), text(last), test.want)
					}
				})
			})
		}
	}
}

// TestFlap: what is gone before it is found a second time is not told. Two
// searches take more than a tenth of a second here.
func TestFlap(t *testing.T) {
	for _, f := range families {
		for ms := 10; ms <= 100; ms += 10 {
			t.Run(fmt.Sprintf("%s/%d ms", f, ms), func(t *testing.T) {
				inLab(t, f, "", func(b *lab) {
					first := b.round().mtu
					b.Apply(f.statements(fmt.Sprintf("mtu HOST 3 1400\nat %dms mtu HOST 3 0", ms)))
					for range 3 {
						if r := b.round(); r.mtu != first || r.changed {
							t.Errorf("%s, changed %v", text(r.mtu), r.changed)
						}
						time.Sleep(time.Minute)
					}
				})
			})
		}
	}
}

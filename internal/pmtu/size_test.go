// SPDX-License-Identifier: Apache-2.0

package pmtu

import (
	"slices"
	"testing"

	"connmonitor/internal/rawsock"
)

// model is a path of which one router's next link is narrow.
type model struct {
	own, size int
	hole      bool
	tell      int // what the router tells; -1: the truth
}

func (m model) answer(size int) answer {
	a := answer{size: size}
	switch {
	case size > m.own:
		a.kind = refused
	case size <= m.size:
		a.kind = passed
	case m.hole:
		a.kind = lost
	default:
		a.kind, a.told, a.from = reported, m.tell, rawsock.Addr{IP: [16]byte{1}}
		if m.tell < 0 {
			a.told = m.size
		}
	}
	return a
}

// TestEverySize finds every MTU that a path can have, however it is limited,
// with a bounded number of probes.
func TestEverySize(t *testing.T) {
	worst := map[bool]int{}
	for _, own := range []int{1500, 9000, mostSize} {
		for size := 88; size <= own; size += 1 + size/2000*37 {
			for _, hole := range []bool{false, true} {
				for _, tell := range []int{-1, 0, 1, 300, 1300, 1500, 1 << 20} {
					for _, likely := range []int{0, 1400, size} {
						m := model{own: own, size: size, hole: hole, tell: tell}
						s := newSearch(true, likely)
						probes := 0
						for ; probes < mostProbes; probes++ {
							n, _, ok := s.next()
							if !ok {
								break
							}
							if n < s.base || n > mostSize {
								t.Fatalf("%+v: asks %d", m, n)
							}
							a := m.answer(n)
							s.take(&a)
						}
						if !s.found() || s.low != size || s.refused != own+1 {
							t.Fatalf("%+v, likely %d: found %d of %d by %d probes", m, likely, s.low, s.refused-1, probes)
						}
						worst[hole] = max(worst[hole], probes)
					}
				}
			}
		}
	}
	for hole, probes := range worst {
		if probes > 120 {
			t.Errorf("a search takes up to %d probes, black hole %v", probes, hole)
		}
	}
	t.Logf("probes at most, by whether it is a black hole: %v", worst)
}

// TestPlateau: what RFC 1191, 7.1 goes to from a size that was too large.
func TestPlateau(t *testing.T) {
	for _, test := range [][2]int{{mostSize, 32000}, {1500, 1492}, {1492, 1006}, {1493, 1492}, {70, 68}, {68, 68}, {10, 68}} {
		if got := plateau(test[0]); got != test[1] {
			t.Errorf("below %d comes %d, want %d", test[0], got, test[1])
		}
	}
}

// TestHalf: what is tried lies between, and what links have comes first.
func TestHalf(t *testing.T) {
	if !slices.IsSorted(common) || !slices.IsSorted(plateaus) {
		t.Fatal("the tables must be in ascending order")
	}
	for low := 68; low < 2000; low++ {
		for _, high := range []int{low + 2, low + 3, low + 100, 9001, mostSize + 1} {
			n := half(low, high, 0)
			if n <= low || n >= high {
				t.Fatalf("between %d and %d: %d", low, high, n)
			}
			if len(between(low, high)) > 0 && !slices.Contains(common, n) {
				t.Fatalf("between %d and %d: %d, which no link has", low, high, n)
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSpreadIsNoChange: ten thousand traces through routers that spread the
// packets of one flow over several ways show no change, whatever the number of
// flows that are followed, for all branches are the same route.
func TestSpreadIsNoChange(t *testing.T) {
	const s = "host H9 rtt 8ms\npath H9 R1@1ms R2&R3@2ms R4&R5&R6&R7@3ms R8@4ms R9|R10|R11@5ms"
	for flows, traces := range map[int]int{1: 10_000, 4: 1000} {
		both(t, s, func(b *lab, h string) {
			p := frequent()
			p.Flows = flows
			b.add(1, h+"9", p)
			time.Sleep(time.Duration(traces) * 36 * time.Millisecond)
			rs := b.of(1)
			if len(rs) < traces || changes(rs) > 1 {
				b.T.Errorf("%d flows: %d traces, %d changes: %v", flows, len(rs), changes(rs), told(rs))
			}
		})
	}
}

// TestLinkMoves: of what several flows cross a link moves, which is one change,
// told when all of them have come to rest; and so is the way back.
func TestLinkMoves(t *testing.T) {
	for _, flows := range []int{1, 16, 64} {
		both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2|R3@2ms R4|R5@3ms R6@4ms", func(b *lab, h string) {
			p := plan()
			p.Flows = flows
			b.add(1, h+"9", p)
			r := map[string]string{"10.0.0.": "r", "2001:db8::": "s"}[h]
			for i := range 12 {
				time.Sleep(5*time.Second + time.Duration(i)*7*time.Millisecond)
				b.path(h, fmt.Sprintf([]string{
					"%[1]s1@1ms %[1]s2|%[1]s3@2ms %[1]s4|%[1]s5@3ms %[1]s6@4ms",
					"%[1]s1@1ms %[1]s12|%[1]s13@2ms %[1]s14|%[1]s15@3ms %[1]s6@4ms",
				}[(i+1)%2], r))
			}
			time.Sleep(5 * time.Second)
			if n := changes(b.of(1)); n != 13 {
				b.T.Errorf("%d flows: %d changes, want 13: %v", flows, n, told(b.of(1)))
			}
		})
	}
}

// TestSpreadAddressGoes: a way of several, which each packet takes by chance,
// is no more: one change, when that it was not seen can be no chance.
func TestSpreadAddressGoes(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2&R3@2ms R4@3ms", func(b *lab, h string) {
		r := map[string]string{"10.0.0.": "r", "2001:db8::": "s"}[h]
		b.add(1, h+"9", frequent())
		time.Sleep(time.Minute)
		b.path(h, fmt.Sprintf("%[1]s1@1ms %[1]s3@2ms %[1]s4@3ms", r))
		time.Sleep(time.Minute)
		if n := changes(b.of(1)); n != 2 {
			b.T.Errorf("%d changes, want 2: %v", n, told(b.of(1)))
		}
	})
}

// TestFlows: each flow has its own path, in the order of their numbers, and the
// same one each time.
func TestFlows(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2|R3|R4|R5@2ms R6@3ms", func(b *lab, h string) {
		p := plan()
		p.Flows = 32
		b.add(1, h+"9", p)
		time.Sleep(time.Minute)
		var first []string
		for _, r := range b.of(1) {
			all := []string{text(r.path)}
			for i := range r.path.Others {
				all = append(all, text(&r.path.Others[i]))
			}
			if first == nil {
				first = all
			}
			if len(all) != 32 || !slices.Equal(all, first) {
				b.T.Errorf("%d paths, not those of the first trace: %q", len(all), all)
			}
		}
		slices.Sort(first)
		if ways := slices.Compact(first); len(ways) != 4 || strings.Contains(fmt.Sprint(ways), "*") {
			b.T.Errorf("the flows took %q, want the four ways", ways)
		}
	})
}

// told are the paths of the traces that were to be printed.
func told(rs []record) (paths []string) {
	for _, r := range rs {
		if r.changed {
			paths = append(paths, r.at.String()+": "+text(r.path))
		}
	}
	return paths
}

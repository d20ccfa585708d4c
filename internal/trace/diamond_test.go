// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"connmonitor/internal/prober"
)

// raced tells whether the race detector watches, which takes ten times as long.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// diamonds are ways to H9 that part and meet again at several depths.
var diamonds = map[string]string{
	"by flow":            "path H9 R1@1ms R2|R3@2ms R4|R5|R6|R7@3ms R8@4ms R9|R10@5ms",
	"by packet":          "path H9 R1@1ms R2&R3@2ms R4&R5&R6&R7@3ms R8@4ms R9&R10@5ms",
	"by both":            "path H9 R1|R2@1ms R3&R4&R5@2ms R6|R7@3ms R8&R9@4ms",
	"of eight by packet": "path H9 R1@1ms R2&R3&R4&R5&R6&R7&R8&R9@2ms R10@3ms",
	"of two lengths":     "path H9 R1@1ms R2@2ms R3@3ms or R1@1ms R4@2ms R5@3ms R6@4ms",
	"of turns of two":    "path H9 R1@1ms R2@2ms R3@3ms and R1@1ms R4@2ms R5@3ms R6@4ms",
}

// TestDiamondsAreNoChange: ten thousand traces through each, by every method in
// both families, of one flow to 64, are no change.
func TestDiamondsAreNoChange(t *testing.T) {
	traces, counts := 10_000, []int{1, 2, 3, 8, 16, 33, 64}
	if testing.Short() || raced() {
		traces, counts = 500, []int{1, 4, 64}
	}
	for name, path := range diamonds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := 0
			for i, v := range variants {
				names := actorsOf(v.v6)
				for _, n := range counts {
					p := frequent()
					p.Flows, p.Method = n, v.method
					inLab(t, prober.Options{IPv6: v.v6}, routers(10)+names.expand(fmt.Sprintf("seed %d\nhost H9 rtt 8ms\n%s", 100*i+n, path)), func(b *lab) {
						b.add(1, names.expand("H9"), p)
						least := max(10, traces/n/len(variants)/2)
						for len(b.of(1)) < least {
							time.Sleep(time.Second)
						}
						rs := b.of(1)
						made += len(rs)
						if c := changes(rs); c != 1 {
							t.Errorf("%s, %d flows: %d changes in %d traces: %s", v.name, n, c, len(rs), names.picture(rs, true, n > 1))
						}
					})
				}
			}
			t.Log(made, "traces")
		})
	}
}

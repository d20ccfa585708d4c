// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

func TestNothing(t *testing.T) {
	tests := []struct {
		name   string
		traces []vitals.Path
		want   string
	}{
		{"no traces", nil, "no traces"},
		{"no hops", []vitals.Path{{}, {End: vitals.EndReached}}, "the traces do not tell"},
		{"nobody was asked", []vitals.Path{{End: vitals.EndReached, Hops: make([]vitals.Hop, 3)}}, "the traces do not tell"},
		{"unknown only", []vitals.Path{{Hops: []vitals.Hop{{Sent: 3, Unknown: 3}}}}, "the traces do not tell"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := Find(test.traces)
			if got := f.String(); got != test.want || f.Verdict != NoEvidence {
				t.Errorf("got %q (%d), want %q", got, f.Verdict, test.want)
			}
		})
	}
}

// TestCount cuts counts that make no sense, and lets a hop that was asked again
// weigh as much as its neighbours.
func TestCount(t *testing.T) {
	tests := []struct {
		name                 string
		hop                  vitals.Hop
		each                 int
		known, lost, answers int
	}{
		{"answered", vitals.Hop{Sent: 1, Received: 1}, 1, 1, 0, 1},
		{"lost", vitals.Hop{Sent: 1}, 1, 1, 1, 0},
		{"asked three times", vitals.Hop{Sent: 3}, 1, 1, 1, 0},
		{"answered at last", vitals.Hop{Sent: 3, Received: 1}, 1, 1, 1, 1},
		{"three probes each", vitals.Hop{Sent: 3, Received: 1}, 3, 3, 2, 1},
		{"spoiled", vitals.Hop{Sent: 1, Unknown: 1}, 1, 0, 0, 0},
		{"one of two spoiled", vitals.Hop{Sent: 2, Unknown: 1, Received: 1}, 1, 1, 0, 1},
		{"shared", vitals.Hop{Sent: 1, Shared: true}, 1, 0, 0, 0},
		{"more received than sent", vitals.Hop{Sent: 1, Received: 200}, 1, 1, 0, 1},
		{"more unknown than sent", vitals.Hop{Sent: 1, Unknown: 200, Received: 1}, 1, 0, 0, 0},
	}
	for _, test := range tests {
		known, lost, answers := count(&test.hop, test.each)
		if known != test.known || lost != test.lost || answers != test.answers {
			t.Errorf("%s: known %d, lost %d, answers %d; want %d, %d, %d",
				test.name, known, lost, answers, test.known, test.lost, test.answers)
		}
	}
}

// TestWilson compares with the roots of Wilson's equation (p-q)^2 = z^2 q(1-q)/n,
// found by bisection.
func TestWilson(t *testing.T) {
	tests := []struct {
		lost, known int
		low, high   float64
	}{
		{0, 0, 0, 1},
		{0, 10, 0, 0.2130},
		{1, 10, 0.0226, 0.3477},
		{10, 10, 0.7870, 1},
		{50, 100, 0.4188, 0.5812},
	}
	for _, test := range tests {
		low, high := wilson(test.lost, test.known, z95)
		if math.Abs(low-test.low) > 5e-4 || math.Abs(high-test.high) > 5e-4 {
			t.Errorf("%d of %d: %.4f..%.4f, want %.4f..%.4f", test.lost, test.known, low, high, test.low, test.high)
		}
	}
}

func TestExceeds(t *testing.T) {
	tests := []struct {
		lostA, knownA, lostB, knownB int
		want                         bool
	}{
		{1, 10, 0, 10, false},
		{1, 10, 0, 1000, true},
		{50, 100, 10, 100, true},
		{10, 100, 50, 100, false},
		{12, 100, 10, 100, false},
		{0, 0, 10, 100, false},
		{5, 5, 0, 0, false},
		{100, 100, 0, 100, true},
	}
	for _, test := range tests {
		if got := exceeds(test.lostA, test.knownA, test.lostB, test.knownB, z99); got != test.want {
			t.Errorf("%v: %v", test, got)
		}
	}
}

func TestRankSum(t *testing.T) {
	low, high := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []float64{11, 12, 13, 14, 15}
	// U is 50 of 50: (50-25)/sqrt(10*5*16/12).
	if got := rankSum(low, high); math.Abs(got-3.0619) > 1e-4 {
		t.Errorf("apart: %.4f", got)
	}
	if got := rankSum(high, low); math.Abs(got+3.0619) > 1e-4 {
		t.Errorf("apart, the other way: %.4f", got)
	}
	if got := rankSum([]float64{1, 1, 1}, []float64{1, 1}); got != 0 {
		t.Errorf("ties: %.4f", got)
	}
	if got := rankSum(nil, nil); got != 0 {
		t.Errorf("nothing: %.4f", got)
	}
}

func TestFigures(t *testing.T) {
	percents := []struct {
		lost, known int
		want        string
	}{
		{0, 10, "0 %"},
		{12, 100, "12 %"},
		{1, 150, "0.7 %"},
		{2, 100, "2 %"},
		{999, 1000, "over 99 %"},
		{10, 10, "100 %"},
		{1, 5000, "under 0.1 %"},
		{0, 0, "0 %"},
	}
	for _, test := range percents {
		if got := percent(&Hop{Lost: test.lost, Known: test.known}); got != test.want {
			t.Errorf("%d of %d: %q, want %q", test.lost, test.known, got, test.want)
		}
	}
	if got := ms(2340 * time.Microsecond); got != "2.3 ms" {
		t.Errorf("%q", got)
	}
	if got := ms(45321 * time.Microsecond); got != "45 ms" {
		t.Errorf("%q", got)
	}
}

// TestAllocations: what is allocated does not grow with the traces.
func TestAllocations(t *testing.T) {
	text := "traces %\n" + strings.Repeat("hop 192.0.2.1 loss 10\n", 20)
	for _, n := range []string{"40", "400"} {
		traces, err := parse(strings.Replace(text, "%", n, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := testing.AllocsPerRun(10, func() { Find(traces) }); got > 20 {
			t.Errorf("%s traces: %v allocations", n, got)
		}
	}
}

// TestInputStays: the traces are others', and are not changed.
func TestInputStays(t *testing.T) {
	traces, err := parse("traces 30\nhop 192.0.2.1\nhop silent\nhop 192.0.2.3 loss 20\n")
	if err != nil {
		t.Fatal(err)
	}
	before := make([][]vitals.Hop, len(traces))
	for i := range traces {
		before[i] = slices.Clone(traces[i].Hops)
	}
	Find(traces)
	for i := range traces {
		for k := range before[i] {
			if h := traces[i].Hops[k]; h.Addr != before[i][k].Addr || h.RTT != before[i][k].RTT || h.Sent != before[i][k].Sent {
				t.Fatalf("trace %d, hop %d was changed", i, k+1)
			}
		}
	}
}

func BenchmarkFind(b *testing.B) {
	traces, err := parse("traces 100\n" + strings.Repeat("hop 192.0.2.1 loss 5\n", 20))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Find(traces)
	}
}

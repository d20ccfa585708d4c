// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"connmonitor/internal/vitals"
)

// TestTableFitsTheTerminal but for a single cell that is wider than it.
func TestTableFitsTheTerminal(t *testing.T) {
	for _, c := range detailCases() {
		if c.name == "hostile" {
			continue
		}
		for text := range strings.Lines(string(AppendTable(nil, with(c.record, vitals.Bundled, false, false)))) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(text, "\n")); n > terminal && !strings.Contains(text, "\t") {
				t.Errorf("%s: %d columns: %s", c.name, n, text)
			}
			if strings.TrimRight(text, " \n")+"\n" != text {
				t.Errorf("%s: blanks at the end of %q", c.name, text)
			}
		}
	}
}

// tableRow is how a row of a table begins, and nothing else does.
var tableRow = regexp.MustCompile(`(?m)^[ 0-9]{2}[0-9]  `)

// TestTableCannotBeForged counts the rows of a trace with hostile names.
func TestTableCannotBeForged(t *testing.T) {
	r := hostileTrace()
	got := AppendTable(nil, with(r, vitals.Bundled, false, false))
	if n := len(tableRow.FindAll(got, -1)); n != 1 {
		t.Errorf("%d rows:\n%s", n, got)
	}
	checkPrintable(t, got, "\n")
	if cells := regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(asCell(r.Path.Hops[0].AS)), -1); len(cells) != 1 {
		t.Errorf("an AS became %d cells: %q", len(cells), cells)
	}
	if name := unspaced(r.Path.Hops[0].Name); strings.Contains(name, " ") {
		t.Errorf("a name with blanks: %s", name)
	}
}

// TestTableOfManyHops keeps its columns: the least and the greatest TTL.
func TestTableOfManyHops(t *testing.T) {
	r := traced("192.0.2.9", vitals.MethodICMP, vitals.Path{Hops: make([]vitals.Hop, 255)})
	got := AppendTable(nil, with(r, vitals.Bundled, false, false))
	if n := len(tableRow.FindAll(got, -1)); n != 255 {
		t.Errorf("%d rows", n)
	}
	if !strings.HasPrefix(string(got), "h (192.0.2.9)\nTTL  address  loss  RTT ms\n  1  *\n") || !strings.HasSuffix(string(got), "\n255  *\n") {
		t.Errorf("%s", got)
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		numbers []int
		want    string
	}{
		{[]int{0}, "[0]"},
		{[]int{0, 1}, "[0 1]"},
		{[]int{0, 1, 2}, "[0-2]"},
		{[]int{1, 3, 4, 6, 7, 8, 9, 63}, "[1 3 4 6-9 63]"},
	} {
		if got := fmt.Sprint(ranges(c.numbers)); got != c.want {
			t.Errorf("%v: %s, want %s", c.numbers, got, c.want)
		}
	}
}

// TestManyFlows has a line of their numbers that goes on in the next.
func TestManyFlows(t *testing.T) {
	p := vitals.Path{Hops: []vitals.Hop{hop("192.0.2.1", 1)}}
	other := vitals.Path{Hops: []vitals.Hop{hop("192.0.2.2", 1)}}
	for i := 1; i < 64; i++ {
		p.Others = append(p.Others, []vitals.Path{{Hops: p.Hops}, other}[i%2])
	}
	got := string(AppendTable(nil, with(traced("192.0.2.9", vitals.MethodUDP, p), vitals.Bundled, false, false)))
	want := "\nflows 0, 2, 4, "
	if !strings.Contains(got, want) || !strings.Contains(got, ",\n       ") || !strings.Contains(got, " 62:\n") || !strings.Contains(got, " 63:\n") {
		t.Errorf("%s", got)
	}
	for text := range strings.Lines(got) {
		if len(text) > terminal+1 {
			t.Errorf("%d columns: %s", len(text), text)
		}
	}
}

// TestContradict tells what makes two flows differ at a hop.
func TestContradict(t *testing.T) {
	a, b := hop("192.0.2.1", 1), hop("192.0.2.2", 2)
	spread := a
	spread.Also = []netip.Addr{b.Addr}
	for _, c := range []struct {
		name string
		a, b vitals.Hop
		want bool
	}{
		{"the same router", a, hop("192.0.2.1", 9), false},
		{"two routers", a, b, true},
		{"one is silent", a, vitals.Hop{}, false},
		{"one of several", spread, b, false},
		{"none of several", spread, hop("192.0.2.3", 1), true},
	} {
		if contradict(&c.a, &c.b) != c.want || contradict(&c.b, &c.a) != c.want {
			t.Errorf("%s: want %v", c.name, c.want)
		}
	}
}

func TestLossCell(t *testing.T) {
	for _, c := range []struct {
		sent, received, unknown uint8
		want                    string
	}{
		{0, 0, 0, ""}, {1, 1, 0, "0%"}, {3, 0, 0, "100%"}, {3, 1, 0, "67%"}, {3, 2, 0, "33%"}, {2, 1, 1, "0%"}, {2, 0, 2, "?"}, {1, 2, 0, "0%"}, {1, 0, 2, "?"},
	} {
		if got := lossCell(&vitals.Hop{Sent: c.sent, Received: c.received, Unknown: c.unknown}); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

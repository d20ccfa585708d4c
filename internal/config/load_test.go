// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

func TestLoad(t *testing.T) {
	tests := []struct {
		text string
		want Load // without memory
	}{
		{"a ping=1s numpings=1", Load{Targets: 1, Pings: 1, Records: 1}},
		{"a ping=500 numpings=10 interval=50", Load{Targets: 1, Pings: 10 / 0.95, Records: 1 / 0.95}},
		{"10.0.0.1-10.0.0.10 ping=1s numpings=1", Load{Targets: 10, Pings: 10, Records: 10}},
		{"a ping=0 trace=2s hops=20 flows=2", Load{Targets: 1, TraceProbes: 20, Records: 0.5}},
		{"a ping=0 scan=2s", Load{Targets: 1, Connections: 1.5, Records: 0.5}},
		{"a ping=0 scan=1s ports=22,80-89", Load{Targets: 1, Connections: 11 / 1.018, Records: 1 / 1.018}},
		{"a paused=1 scan=1s trace=1s\nb ping=0", Load{}},
		{"1 1 1 11 41 30 0 900\na\nb", Load{
			Targets: 2, Pings: 22, TraceProbes: 60, Connections: 6, Records: 2,
		}},
		// Without pings and without a sleep, a round is taken as 1 ms.
		{"0 0 1 0 0 0 0 0\na", Load{Targets: 1, Connections: 3000, Records: 1000}},
		{"0 0 0 0 0 0 0 0\na", Load{}},
	}
	for _, test := range tests {
		c := read(t, test.text)
		if c.Form == vitals.Bundled && c.Targets[0].Ping {
			// 11 pings, 100/11 ms apart: a round of 990.9 ms.
			round := roundTime(c.Targets[0].Settings)
			test.want.Pings /= round
			test.want.TraceProbes /= round
			test.want.Connections /= round
			test.want.Records /= round
		}
		got := c.Load()
		test.want.Probes = test.want.Pings + test.want.TraceProbes
		pairs := [][2]float64{
			{float64(got.Targets), float64(test.want.Targets)},
			{got.Probes, test.want.Probes},
			{got.Pings, test.want.Pings},
			{got.TraceProbes, test.want.TraceProbes},
			{got.Connections, test.want.Connections},
			{got.Records, test.want.Records},
		}
		for _, p := range pairs {
			if math.Abs(p[0]-p[1]) > 1e-9*p[1] {
				t.Errorf("%q: got %+v, want %+v", test.text, got, test.want)
				break
			}
		}
	}
}

// TestLoadMemory checks the estimate against its constants.
func TestLoadMemory(t *testing.T) {
	tests := map[string]int64{
		"":                                       memoryBase,
		"a paused=1":                             memoryBase + memoryTarget,
		"a ping=1s numpings=1 timeout=10s":       memoryBase + memoryTarget + memoryRTT + 10*memoryProbe,
		"a ping=0 trace=1s hops=10":              memoryBase + memoryTarget + 10*(memoryHop+memoryProbe),
		"a ping=0 scan=1s ports=1-100":           memoryBase + memoryTarget + 64*memoryConnection + 100*memoryPort,
		"a ping=0 scan=10s timeout=1s":           memoryBase + memoryTarget + memoryConnection + 3*memoryService,
		"10.0.0.0/16 ping=0 scan=1s timeout=9s":  memoryBase + 65534*(memoryTarget+3*memoryService) + 512*memoryConnection,
		"a ping=1us numpings=1 timeout=1h":       memoryBase + memoryTarget + memoryRTT + 3.6e9*memoryProbe,
		"a ping=1e-6 numpings=1 timeout=876000h": 1 << 62,
	}
	for text, want := range tests {
		if got := read(t, text).Load().Memory; got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// TestTableEscapes checks that a table of values that Read did not make drives
// no terminal either.
func TestTableEscapes(t *testing.T) {
	s := defaults()
	s.Source, s.Ports, s.Labels = "\x1b[2J", "\x1b[3J", "a=\u202e\nb=\xff"
	c := Config{Targets: []vitals.Target{{ID: "\x1b[31m", Name: "a\nb", Settings: &s}}}
	s.Scan = true
	var b strings.Builder
	if err := c.Table(&b); err != nil {
		t.Fatal(err)
	}
	checkPrintable(t, b.String())
	for _, want := range []string{`\x1b[31m`, `a\nb`, `\x1b[2J`, `\x1b[3J`, `label.a=\u202e`, `label.b=\xff`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}

// TestTableIsComplete checks that no target is left out of a long table, and
// that its rows are aligned.
func TestTableIsComplete(t *testing.T) {
	c := read(t, "10.0.0.0/20\n")
	var b bytes.Buffer
	if err := c.Table(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	at := strings.Index(lines[2], "FAMILY")
	for i, g := range c.Targets {
		row := lines[3+i]
		if !strings.HasPrefix(row, "1     "+g.ID+" ") || row[at-1:at+3] != " 4  " {
			t.Fatalf("row %d: %s", i, row)
		}
	}
}

// fullDisk refuses what is written to it.
type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestTableReportsWriteErrors(t *testing.T) {
	for _, text := range []string{"", "a", "10.0.0.0/20"} {
		if err := read(t, text).Table(fullDisk{}); !errors.Is(err, errFull) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestLoadOfScans is about how long scans take, and from when on that is a
// warning.
func TestLoadOfScans(t *testing.T) {
	tests := []struct {
		text, least, most string
		warned            bool
	}{
		{"a ping=0 scan=1m", "0s", "1s", false},
		{"a ping=1s", "0s", "0s", false},
		{"a ping=0 scan=1m ports=2000-2010", "20ms", "1.02s", false},
		{"a ping=0 scan=1m ports=1-65535", "2m11.068s", "17m4s", false},
		{"10.0.0.1-10.0.0.250 ping=0 scan=1m ports=1-65535", "2m11.068s", "8h53m19.51171875s", true},
		{"a ping=0 scan=1m ports=1-65535 timeout=876000h", "2m11.068s", "876000h0m0s", true},
	}
	for _, test := range tests {
		l := read(t, test.text).Load()
		if l.ScanLeast.String() != test.least || l.ScanMost.String() != test.most || (len(l.Warnings()) > 0) != test.warned {
			t.Errorf("%q: from %v to %v, %q, want %s, %s, %t", test.text, l.ScanLeast, l.ScanMost, l.Warnings(), test.least, test.most, test.warned)
		}
	}
	c := read(t, tests[4].text)
	c.ScanParallel = 4096
	l := c.Load()
	if got := l.ScanMost.Round(time.Minute); got != 67*time.Minute {
		t.Errorf("with 4096 sockets %v", got)
	}
	var b strings.Builder
	if err := c.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  all scanned once in   2m11.068s at least, 1h6m40s when nothing answers\n", "\nwarning: until every port"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

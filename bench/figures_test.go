// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseCounts(t *testing.T) {
	snmp := "Ip: Forwarding DefaultTTL\nIp: 1 64\nIcmp: InMsgs InEchoReps OutEchos\nIcmp: 9 7 8\nIcmpMsg: InType0\nIcmpMsg: 7\n"
	if got := parseSNMP(snmp, "Icmp"); got["InEchoReps"] != 7 || got["OutEchos"] != 8 || len(got) != 3 {
		t.Errorf("snmp: %v", got)
	}
	if got := parseSNMP("Icmp: InMsgs\n", "Icmp"); len(got) != 0 {
		t.Errorf("names without values: %v", got)
	}
	raw := "  sl  local_address rem_address   st ... inode ref pointer drops\n   1: 00000000:0001 00000000:0000 07 5 2 0 3\n   1: 00000000:0001 00000000:0000 07 5 2 0 4\n"
	if got := parseDrops(raw); got != 7 {
		t.Errorf("drops: %d, want 7", got)
	}
	status := "Name:\tx\nVmHWM:\t  20 kB\nVmRSS:\t      12 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n"
	for name, want := range map[string]uint64{"VmRSS": 12, "VmHWM": 20, "voluntary_ctxt_switches": 5, "VmSwap": 0} {
		if got := statusField(status, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if got := droppedByKernel("tcpdump: listening\n8 packets captured\n9 packets received by filter\n1 packets dropped by kernel\n"); got != 1 {
		t.Errorf("tcpdump's drops: %d", got)
	}
}

func TestStatistics(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median of three: %v", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median of four: %v", got)
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("nothing has a median")
	}
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if got := growth([]float64{10, 10, 10, 12, 11}); math.Abs(got-10) > 1e-9 {
		t.Errorf("growth: %v", got)
	}
	for _, test := range []struct {
		v      float64
		digits int
		want   string
	}{{1234567, 0, "1,234,567"}, {999, 0, "999"}, {-1234.5, 1, "-1,234.5"}, {-0.001, 2, "0.00"}, {math.NaN(), 1, "-"}} {
		if got := number(test.v, test.digits); got != test.want {
			t.Errorf("number(%v, %d): %q, want %q", test.v, test.digits, got, test.want)
		}
	}
	if got := spread([]float64{2, 1, 9}, 1); got != "2.0 [1.0..9.0]" {
		t.Errorf("spread: %q", got)
	}
}

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		l    limit
		v    float64
		want verdict
		text string
	}{
		{atMost(1.2), 1.2, met, "<= 1.2"},
		{atMost(1200), 1201, missed, "<= 1,200"},
		{atLeast(0.85), 0.85, met, ">= 0.85"},
		{atLeast(100), 99.9, missed, ">= 100"},
		{atMost(2), math.NaN(), none, "<= 2"},
	} {
		if got := test.l.judge(test.v); got != test.want || test.l.String() != test.text {
			t.Errorf("%v %v: %s, want %s as %s", test.l, test.v, got, test.want, test.text)
		}
	}
	found := series{}
	for _, v := range []float64{5, 7, 6} {
		found.add("a", figures{cpuPerEcho: v})
		found.add("b", figures{cpuPerEcho: v - 1})
	}
	row := bar{work: "w", ours: "a", against: "b", metric: cpuPerEcho, unit: "u", digits: 1, limit: atMost(1.2)}.judge(found)
	if want := (line{"w, u", "<= 1.2 x the floor", "6.0 [5.0..7.0]", "5.0 [4.0..6.0]", "1.20", met}); row != want {
		t.Errorf("row %+v, want %+v", row, want)
	}
	found.add("b", figures{cpuPerEcho: 9})
	if row := (bar{ours: "a", against: "b", metric: cpuPerEcho, limit: atMost(2)}).judge(found); row.verdict != unsteady {
		t.Errorf("a floor that moves by more than a half: %s", row.verdict)
	}
	if row := (bar{ours: "c", metric: cpuPerEcho}).judge(found); row.verdict != none {
		t.Errorf("a figure that is missing: %s", row.verdict)
	}
}

// TestEveryRowHasItsContenders holds the lists together: names are what joins
// them.
func TestEveryRowHasItsContenders(t *testing.T) {
	known := make(map[string]bool)
	for _, c := range contenders() {
		if known[c.name] {
			t.Errorf("%s: twice", c.name)
		}
		known[c.name] = true
	}
	o, err := readOptions(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	all := choose(o)
	if len(all.contenders) != len(known) || len(all.bars) != len(bars) || len(all.rivals) != len(rivalRows()) {
		t.Errorf("%d of %d contenders, %d bars, %d peers are chosen by default", len(all.contenders), len(known), len(all.bars), len(all.rivals))
	}
	for _, b := range bars {
		if !known[b.ours] || (b.against != "" && !known[b.against]) {
			t.Errorf("%s: nobody measures %q or %q", b.name, b.ours, b.against)
		}
	}
	for _, r := range rivalRows() {
		if !known[costOf(r.program, r.load)] || !known[errorOf(r.program, r.load)] {
			t.Errorf("%s: nobody measures it", r.name())
		}
	}
	for _, c := range contests() {
		for name := range c.contenders() {
			if !known[name] {
				t.Errorf("%s: nobody measures %q", c.section, name)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			if i := slices.Index(pairs, name); i >= 0 {
				return pairs[i+1]
			}
			return ""
		}
	}
	o, err := readOptions(env("BENCH_RUNS", "2", "BENCH_SECONDS", "3", "BENCH_ONLY", "^idle$", "BENCH_IDLE", "5s"))
	if err != nil || o.runs != 2 || o.window != 3*time.Second || o.idle != 5*time.Second || o.growth != 10*time.Minute {
		t.Errorf("options %+v, %v", o, err)
	}
	if s := choose(o); len(s.bars) != 1 || len(s.contenders) != 1 || len(s.rivals) != 0 {
		t.Errorf("chosen: %+v", s)
	}
	for _, bad := range [][]string{{"BENCH_RUNS", "0"}, {"BENCH_SECONDS", "1.5"}, {"BENCH_ONLY", "("}, {"BENCH_NICE", "-21"}, {"BENCH_GROWTH", "10"}} {
		if _, err := readOptions(env(bad...)); err == nil || !strings.Contains(err.Error(), bad[0]) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// pcapOf makes the file that tcpdump would have left.
func pcapOf(packets ...echo) []byte {
	file := binary.NativeEndian.AppendUint32(nil, 0xa1b23c4d)
	file = append(file, make([]byte, 20)...)
	for _, p := range packets {
		frame := make([]byte, 14+20+8)
		frame[12], frame[14], frame[23] = 8, 0x45, 1
		host := p.host.As4()
		if p.reply {
			copy(frame[26:], host[:])
		} else {
			copy(frame[30:], host[:])
			frame[34] = 8
		}
		binary.BigEndian.PutUint32(frame[38:], p.key)
		for _, v := range []uint32{uint32(p.time / 1e9), uint32(p.time % 1e9), uint32(len(frame)), uint32(len(frame))} {
			file = binary.NativeEndian.AppendUint32(file, v)
		}
		file = append(file, frame...)
	}
	return file
}

func TestWire(t *testing.T) {
	a, b := netip.MustParseAddr("10.97.0.1"), netip.MustParseAddr("10.97.0.2")
	file := pcapOf(
		echo{1e9, false, a, 1}, echo{1e9 + 5, false, b, 1}, echo{2e9, false, a, 2},
		echo{2e9 + 10_500_000, true, a, 2}, echo{2e9 + 11_000_000, true, a, 1}, echo{3e9, true, b, 9})
	wire := wireTimes(echoes(file))
	if got := wire["10.97.0.1"]; !slices.Equal(got, []float64{1_011_000, 10_500}) {
		t.Errorf("times of the first: %v", got)
	}
	if got := wire["10.97.0.2"]; len(got) != 1 || !math.IsNaN(got[0]) {
		t.Errorf("times of the second: %v", got)
	}
	for cut := range file {
		wireTimes(echoes(file[:cut])) // a capture that was cut short is no fault
	}
	f, err := compare(reported{times: map[string][]float64{"10.97.0.1": {1_011_001, 10_497}, "10.97.0.2": {1, 2}, "10.97.0.3": {1}}}, wire)
	if err != nil || f[medianError] != 1 || f[tailError] != 3 || math.Abs(f[unmatchedPct]-200./3) > 1e-9 {
		t.Errorf("compared: %v, %v", f, err)
	}
	f, err = compare(reported{times: map[string][]float64{"10.97.0.1": {500_000}}, counts: map[string]int{"10.97.0.1": 2}}, wire)
	if err != nil || f[medianError] != 10_750 {
		t.Errorf("means compared: %v, %v", f, err)
	}
	if _, err := compare(reported{}, wire); err == nil {
		t.Error("nothing was compared without a complaint")
	}
}

// same is slices.Equal for times, of which NaN is one.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) })
}

func TestReports(t *testing.T) {
	records, err := parseRecords([]byte(`{"addr":"10.0.0.1","name":"x","ping":{"min":10.5,"avg":1,"max":1,"std":0,"loss":0}}
{"addr":"10.0.0.1","name":"x","ping":{"min":-1,"avg":-1,"max":-1,"std":-1,"loss":100}}
`))
	if err != nil {
		t.Error(err)
	}
	scamper, err := parseScamper([]byte(`{"type":"cycle-start","id":0}
{"type":"ping","dst":"10.0.0.1","ping_sent":2,"responses":[{"seq":0,"rtt":10.5}]}
`))
	if err != nil {
		t.Error(err)
	}
	for name, got := range map[string]reported{
		"connmonitor":    records,
		"scamper":        scamper,
		"fping":          parseFping("10.0.0.1   : 10.5 -\nICMP Host Unreachable\n"),
		"hipercontracer": parseHipercontracer("#P 10.9.9.9 10.0.0.1 b 1 1 7 0 44\n#P 10.9.9.9 10.0.0.1 a 1 255 10500 0 44\n#T x\n"),
	} {
		if want := []float64{10_500, math.NaN()}; !same(got.times["10.0.0.1"], want) || len(got.times) != 1 {
			t.Errorf("%s: %v", name, got.times)
		}
	}
	means := parseSmokeping(`smokeping_response_duration_seconds_bucket{host="10.0.0.1",ip="10.0.0.1",le="5e-05"} 0
smokeping_response_duration_seconds_sum{host="10.0.0.1",ip="10.0.0.1"} 0.021
smokeping_response_duration_seconds_count{host="10.0.0.1",ip="10.0.0.1"} 2
`)
	if !same(means.times["10.0.0.1"], []float64{10_500}) || means.counts["10.0.0.1"] != 2 {
		t.Errorf("smokeping_prober: %+v", means)
	}
}

func TestPunctuality(t *testing.T) {
	readings := func(sent ...uint64) (list []reading) {
		for i, n := range sent {
			at := time.Duration(i) * 10 * time.Millisecond
			list = append(list, reading{at, at, n})
		}
		return list
	}
	held := readings(5, 35, 25, 35)
	held[1].to += 20 * time.Millisecond
	for _, test := range []struct {
		name     string
		readings []reading
		want     time.Duration
	}{
		{"a steady rate", readings(5, 15, 25, 35), 0},
		{"eight late", readings(5, 15, 17, 35), 8 * time.Millisecond},
		{"the reader was held up", held, 0},
		{"nothing seen", nil, 0},
	} {
		if got := behind(test.readings, 1000); got.Round(time.Microsecond) != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestLargestStep(t *testing.T) {
	const steps = 36
	for limit := -1; limit < steps; limit++ {
		for _, previous := range []int{-1, 0, 5, steps - 1} {
			tries := 0
			got := largestStep(func(step int) bool {
				tries++
				return step <= limit
			}, steps, previous)
			if got != limit {
				t.Errorf("from %d: %d, want %d", previous, got, limit)
			}
			if previous < 0 && tries > 6 {
				t.Errorf("%d: found by %d tries", limit, tries)
			}
		}
	}
}

func TestSpread(t *testing.T) {
	begun := time.Unix(100, 0)
	var requests []echo
	for i := range 400 {
		at := begun.UnixNano() + 5e8
		if i >= 250 {
			at += 1e9 + int64(i)*1e6
		}
		requests = append(requests, echo{time: at, host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	f := spreadOf(requests, begun)
	if f[firstProbe] != 0.5 || f[probedShare] != 0.4 || f[peakShare] != 2.5 || f[peakTime] != 0 {
		t.Errorf("spread: %v", f)
	}
	if spreadOf(nil, begun) != nil {
		t.Error("no request has a spread")
	}
}

func TestSplice(t *testing.T) {
	const begin, end = "<!-- bench: x -->\n", "<!-- bench: end of x -->\n"
	got, err := splice("a\n"+begin+"old\n"+end+"b\n", section{"x", "new\n"})
	if want := "a\n" + begin + "\nnew\n\n" + end + "b\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"a\n", end + begin} {
		if _, err := splice(bad, section{name: "x"}); err == nil {
			t.Errorf("%q: no complaint about its marks", bad)
		}
	}
	document, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bars", "peers", "traces", "scans"} {
		if _, err := splice(string(document), section{name: name}); err != nil {
			t.Errorf("%s: %v", documentPath, err)
		}
	}
}

// TestDocument shows the sections of a run in which one peer was measured and
// connmonitor was not.
func TestDocument(t *testing.T) {
	o, err := readOptions(func(name string) string { return map[string]string{"BENCH_ONLY": "peer scamper, 1,000"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	d := document{options: o, found: series{}, failed: map[string]error{costOf(us, thousand): errors.New("in /run/x: a|b")}, chosen: choose(o), dir: "/run/x"}
	d.found.add(costOf("scamper", thousand), figures{cpuPerEcho: 30, answered: 100, residentMB: 4})
	sections := d.sections()
	if len(sections) != 1 || sections[0].name != "peers" {
		t.Fatalf("sections %+v", sections)
	}
	for _, want := range []string{"| 1,000 hosts, 1/s | scamper | 30.00       |", "connmonitor, 1,000 hosts, 1/s: in .: a/b\n", "`scamper -p HOSTS"} {
		if !strings.Contains(sections[0].text, want) {
			t.Errorf("no %q in\n%s", want, sections[0].text)
		}
	}
	if got := d.missed(); len(got) != 0 {
		t.Errorf("missed %q", got)
	}
}

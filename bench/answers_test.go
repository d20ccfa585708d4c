// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRoutes(t *testing.T) {
	way := []netip.Addr{netip.MustParseAddr("10.64.0.2"), {}, netip.MustParseAddr("10.64.2.2"), netip.MustParseAddr("10.64.3.2")}
	records := "10.98.0.1\n10.64.0.2\t0.045\n*\n10.64.2.2\t4.1\n10.98.0.1\t4.2\nname (10.98.0.2)\n10.64.0.2\t0.05\n*\n*\n"
	traceroute := `traceroute to 10.98.0.1 (10.98.0.1), 30 hops max, 60 byte packets
 1  10.64.0.2  0.045 ms  0.030 ms  0.029 ms
 2  * * *
 3  * 10.64.2.2  4.1 ms 10.64.9.9  4.2 ms
 4  10.98.0.1  4.2 ms
`
	scamper := "traceroute from 10.64.0.1 to 10.98.0.1\n 1  10.64.0.2  0.045 ms\n 2  *\n 3  10.64.2.2  4.100 ms\n 4  10.98.0.1  4.200 ms\n"
	for name, found := range map[string]routes{
		"records": parseRecordRoutes(records), "traceroute": parseRoutes(traceroute), "scamper": parseRoutes(scamper),
	} {
		if there, seen := hopsFound(way, "10.98.0.1", found["10.98.0.1"]); there != 3 || seen != 3 {
			t.Errorf("%s: %d of %d hops in %v", name, seen, there, found)
		}
	}
	if there, seen := hopsFound(way, "10.98.0.2", parseRecordRoutes(records)["name"]); there != 3 || seen != 1 {
		t.Errorf("a route that ends early: %d of %d hops", seen, there)
	}
	if there, seen := hopsFound(way, "10.98.0.2", parseRoutes("traceroute to 10.98.0.2 (10.98.0.2)\n 2  10.64.0.2  1 ms\nx\n 1  * !H\n")["10.98.0.2"]); there != 3 || seen != 0 {
		t.Errorf("lines out of order: %d of %d hops", seen, there)
	}
	w := whole{cpu: 120 * time.Microsecond, wall: 3 * time.Millisecond, probes: 12}
	f, err := w.traced(way, []string{"10.98.0.1", "10.98.0.2"}, parseRecordRoutes(records))
	if err != nil || f[foundShare] != 50 || f[cpuPerProbe] != 10 || f[probeCount] != 12 || f[wallTime] != 3 || f[cleanShare] != 100 {
		t.Errorf("figures %v, %v", f, err)
	}
	w.probes = 0
	if _, err := w.traced(way, []string{"10.98.0.1"}, parseRecordRoutes(records)); err == nil {
		t.Error("a trace without probes: no complaint")
	}
}

func TestServices(t *testing.T) {
	records := "10.97.0.0\n56.4, 200, gws\t75.5, 200, gws\tNone\n10.97.0.1\n1.000\t1.000\t1.000\t0.000\t0.000\n1.0, 200, a\tNone\t0.1, 5.7\n"
	if got := countRecordServices(records); got != 4 {
		t.Errorf("records: %d services, want 4", got)
	}
	nmap := "# Nmap 7.93 scan\nHost: 10.97.0.0 ()\tStatus: Up\nHost: 10.97.0.0 ()\tPorts: 80/open/tcp//http//nginx 1.22.1/, 443/open/tcp//ssl|http//nginx/, " +
		"3306/open/tcp//mysql///\nHost: 10.97.0.1 ()\tPorts: 80/closed/tcp//http///, 443/filtered/tcp//https///, 3306/open/tcp//mysql//MariaDB (unauthorized)/\n"
	if got := countNmapServices(nmap); got != 3 {
		t.Errorf("nmap: %d services, want 3", got)
	}
	w := whole{status: errors.New("exit status 1"), stderr: "x: no\ny"}
	if f, err := w.figures(2, 4); err != nil || f[foundShare] != 50 || f[cleanShare] != 0 {
		t.Errorf("figures %v, %v", f, err)
	}
	if _, err := w.figures(0, 4); err == nil || !strings.HasSuffix(err.Error(), "exit status 1: x: no") {
		t.Errorf("nothing found: %v", err)
	}
}

// TestGreeting holds the server on port 3306 to what a client reads first.
func TestGreeting(t *testing.T) {
	packet := greeting()
	if int(packet[0]) != len(packet)-4 || packet[4] != 10 || !strings.HasPrefix(string(packet[5:]), "5.5.5-10.") {
		t.Errorf("greeting % x", packet)
	}
}

// TestContest shows the section of a match that is won in one figure and lost in
// another.
func TestContest(t *testing.T) {
	o, err := readOptions(func(name string) string { return map[string]string{"BENCH_ONLY": "^trace 1,000$"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	chosen := choose(o)
	if len(chosen.contests) != 1 || len(chosen.contenders) != 4 || len(chosen.bars) != 0 {
		t.Fatalf("chosen %+v", chosen)
	}
	d := document{options: o, found: series{}, failed: map[string]error{}, chosen: chosen}
	for _, share := range []float64{100, 99, 100} {
		d.found.add(ourTraces, figures{wallTime: 1900, cpuPerProbe: 11, foundShare: share, cleanShare: 100})
	}
	d.found.add(scamperTraces, figures{wallTime: 2500, cpuPerProbe: 10, foundShare: 80})
	d.found.add(floorTraces, figures{wallTime: 1300, cpuPerProbe: 8, foundShare: 100})
	sections := d.sections()
	if len(sections) != 1 || sections[0].name != "traces" {
		t.Fatalf("sections %+v", sections)
	}
	// How far columns are padded is not the question.
	text := regexp.MustCompile(` +\|`).ReplaceAllString(sections[0].text, " |")
	for _, want := range []string{
		"| 1,000 destinations: from start to end | <= 2,000 ms | 1,900 [1,900..1,900] | - | - | met |",
		"| 1,000 destinations: all hops found, each time | >= 100 % | 100.0 [99.0..100.0] | - | - | MISSED |",
		"| 1,000 destinations: CPU beside the floor, us/probe | <= 1.75 x floor | 11.00 [11.00..11.00] | 8.00 | 1.38 | met |",
		"| 1,000 destinations | floor | 1,300 | - | 8.00 | - | 100.0 | |",
		"| 1,000 destinations | scamper | 2,500 | - | 10.00 | - | 80.0 | time; MISSED: CPU |",
		"`connvitals -Pt --rate 10000 HOST...`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	want := []string{"trace 1,000: CPU (MISSED)", "trace 1,000: all hops found, each time (MISSED)", "trace 1,000: ahead of scamper in CPU"}
	if got := d.missed(); !slices.Equal(got, want) {
		t.Errorf("missed %q, want %q", got, want)
	}
}

// TestContestBeside shows a bound that is another program's share.
func TestContestBeside(t *testing.T) {
	found := series{}
	found.add(ourFewScan, figures{cpuPerService: 200})
	found.add(nmapFewScan, figures{cpuPerService: 1000})
	scans := scanContest().matches
	m := scans[slices.IndexFunc(scans, func(m match) bool { return m.name == "scan 50" })]
	row := m.judge(m.bounds[0], found)
	if want := (line{"50 hosts: CPU, us/service", "<= 0.33 x nmap", "200", "1,000", "0.20", met}); row != want {
		t.Errorf("row %+v, want %+v", row, want)
	}
	if got := m.judge(m.bounds[1], found).verdict; got != none {
		t.Errorf("a figure that is missing: %s", got)
	}
}

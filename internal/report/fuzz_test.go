// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"connmonitor/internal/vitals"
)

// FuzzAppendRecord gives a server, a name and a zone all they want, and looks
// for a line, a column, a member or a control character too many.
func FuzzAppendRecord(f *testing.F) {
	f.Add("h", "eth0", "200", hostile, 1.5, 10, 5, int64(1500), uint8(7))
	f.Add("a\nb", "%\"", "\t", "\x9b\xff\u2028", -1.0, 0, 0, int64(-1), uint8(0))
	f.Add("h", "a  1  b", "A  0%\n  3  b", hostile, 1.5, 11, 3, int64(1500), uint8(0xff))
	f.Add("h", "", "AS", "r.example", 1.5, 3, 3, int64(1<<40), uint8(0x62))
	f.Fuzz(func(t *testing.T, name, zone, code, software string, rtt float64, sent, received int, ns int64, bits uint8) {
		r := fuzzRecord(name, zone, code, software, rtt, sent, received, ns, bits)
		checkText(t, r, AppendRecord(nil, with(*r, r.Target.Form, false, r.Target.Timestamp)))
		checkTable(t, r, AppendTable(nil, with(*r, r.Target.Form, false, r.Target.Timestamp)))
		checkJSON(t, r, AppendRecord(nil, with(*r, r.Target.Form, true, r.Target.Timestamp)))
	})
}

func fuzzRecord(name, zone, code, software string, rtt float64, sent, received int, ns int64, bits uint8) *vitals.Record {
	r := record(name, "fe80::1")
	r.Addr = r.Addr.WithZone(zone)
	r.Time = time.Unix(ns, 0)
	if bits&1 != 0 {
		r.Ping = &vitals.Ping{Sent: sent, Received: received, Min: rtt, Mean: rtt, Max: rtt, Std: rtt}
	}
	if bits&2 != 0 {
		r.Path = fuzzPath(zone, code, software, uint8(sent), uint8(received), ns, bits)
	}
	if bits&4 != 0 {
		r.Scan = &vitals.Scan{Services: []vitals.Service{
			{Name: "http", State: vitals.ServiceOpen, RTT: time.Duration(ns), Code: code, Software: software},
			{Name: "https"},
			{Name: "mysql", State: vitals.ServiceOpen, Software: software},
		}}
	}
	r.Target.Details, r.Target.Method = bits&32 != 0, vitals.Method(bits%3)
	form := vitals.Separate
	if bits&8 != 0 {
		form = vitals.Bundled
	}
	return with(r, form, false, bits&16 != 0)
}

// fuzzPath is two hops, of which the second says all that a hop can say, and
// perhaps another flow that differs there.
func fuzzPath(zone, as, name string, sent, received uint8, ns int64, bits uint8) *vitals.Path {
	said := vitals.Hop{
		Addr: netip.IPv6LinkLocalAllNodes().WithZone(zone), RTT: time.Duration(ns),
		Sent: sent, Received: received, Unknown: bits, Shared: bits&1 != 0,
		Also: []netip.Addr{netip.MustParseAddr("fe80::3").WithZone(zone)},
		Name: name, AS: vitals.AS{Number: uint32(ns), Name: as},
		Reply: vitals.Reply{
			TTL: sent, QuotedTTL: received, Quotes: bits&4 != 0, Type: sent, Code: received,
			Rewritten: netip.MustParseAddr("fe80::4").WithZone(zone),
			Labels:    []vitals.Label{{Value: uint32(ns), TrafficClass: bits, TTL: sent}, {Bottom: true}},
		},
	}
	p := &vitals.Path{Hops: []vitals.Hop{{}, said}, End: vitals.End(received)}
	if bits&64 != 0 {
		said.Addr = netip.MustParseAddr("fe80::2").WithZone(zone)
		p.Others = []vitals.Path{{Hops: []vitals.Hop{{}, said}}}
	}
	if bits&128 != 0 {
		p.MTU = &vitals.MTU{Size: int(sent), Interface: int(received), Limit: vitals.Limit(sent), Router: said.Addr, TTL: int(bits)}
	}
	return p
}

func checkText(t *testing.T, r *vitals.Record, got []byte) {
	t.Helper()
	pings, hops, scans := wanted(r)
	want := pings + hops + scans
	if want > 0 {
		want++
		if timestamped(r) {
			want++
		}
	}
	if n := bytes.Count(got, []byte("\n")); n != want {
		t.Fatalf("%d lines, want %d: %q", n, want, got)
	}
	if n := bytes.Count(got, []byte("\t")); n != 4*pings+hops/2+2*scans {
		t.Fatalf("%d tabs: %q", n, got)
	}
	checkPrintable(t, got, "\n\t")
}

// checkTable looks for a row too many or too few. The first line is the host's.
func checkTable(t *testing.T, r *vitals.Record, got []byte) {
	t.Helper()
	checkPrintable(t, got, "\n\t")
	_, below, _ := bytes.Cut(got, []byte("\n"))
	want := 0
	if r.Path != nil {
		want = len(r.Path.Hops) + len(r.Path.Others)
	}
	if n := len(tableRow.FindAll(below, -1)); n != want {
		t.Fatalf("%d rows, want %d: %q", n, want, got)
	}
}

func checkJSON(t *testing.T, r *vitals.Record, got []byte) {
	t.Helper()
	pings, hops, scans := wanted(r)
	if pings+hops+scans == 0 {
		if len(got) != 0 {
			t.Fatalf("%q from an empty record", got)
		}
		return
	}
	if bytes.Count(got, []byte("\n")) != 1 || got[len(got)-1] != '\n' {
		t.Fatalf("not one line: %q", got)
	}
	checkPrintable(t, got, "\n")

	var object map[string]any
	if err := json.Unmarshal(got, &object); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	want := []string{"addr", "name"}
	for key, there := range map[string]bool{"timestamp": timestamped(r), "ping": pings > 0, "trace": hops > 0, "path": hops > 0 && r.Target.Details, "scan": scans > 0} {
		if there {
			want = append(want, key)
		}
	}
	if keys := slices.Sorted(maps.Keys(object)); !slices.Equal(keys, slices.Sorted(slices.Values(want))) {
		t.Fatalf("members %v, want %v", keys, want)
	}
	if utf8.ValidString(r.Target.Name) && object["name"] != r.Target.Name {
		t.Fatalf("name %q became %q", r.Target.Name, object["name"])
	}
	if hops > 0 && r.Target.Details {
		checkPath(t, r.Path, object["path"].(map[string]any))
	}
	if scans > 0 && !r.Target.Details {
		checkScan(t, r.Scan, object["scan"].(map[string]any))
	}
}

func checkPath(t *testing.T, p *vitals.Path, object map[string]any) {
	t.Helper()
	hops, _ := object["hops"].([]any)
	flows, _ := object["flows"].([]any)
	if len(hops) != len(p.Hops) || len(flows) != len(p.Others) {
		t.Fatalf("%d hops, %d other flows: %v", len(hops), len(flows), object)
	}
	for i, h := range p.Hops {
		said, _ := hops[i].(map[string]any)
		if said["ttl"] != float64(i+1) || said["sent"] != float64(h.Sent) || (said["addr"] != nil) == h.Silent() {
			t.Fatalf("hop %d: %v", i+1, said)
		}
		if h.Name != "" && utf8.ValidString(h.Name) && said["name"] != h.Name {
			t.Fatalf("name %q became %q", h.Name, said["name"])
		}
	}
}

func checkScan(t *testing.T, s *vitals.Scan, object map[string]any) {
	t.Helper()
	mysql, ok := object["mysql"].(map[string]any)
	if len(object) != 3 || object["https"] != "None" || !ok || len(mysql) != 2 {
		t.Fatalf("scan %v", object)
	}
	if software := s.Services[0].Software; utf8.ValidString(software) && mysql["version"] != software {
		t.Fatalf("version %q became %q", software, mysql["version"])
	}
}

// wanted is how many lines of each statistic a record is to have.
func wanted(r *vitals.Record) (pings, hops, scans int) {
	if r.Ping != nil && r.Ping.Known() > 0 {
		pings = 1
	}
	if r.Path != nil {
		hops = len(r.Path.Hops)
	}
	if r.Scan != nil {
		scans = 1
	}
	return pings, hops, scans
}

func checkPrintable(t *testing.T, got []byte, but string) {
	t.Helper()
	if !utf8.Valid(got) {
		t.Fatalf("not UTF-8: %q", got)
	}
	for _, r := range string(got) {
		if !strconv.IsPrint(r) && !strings.ContainsRune(but, r) {
			t.Fatalf("%U in %q", r, got)
		}
	}
}

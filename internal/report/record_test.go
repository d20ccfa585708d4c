// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/vitals"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	// Records show local time; the golden files are those of one zone.
	time.Local = time.FixedZone("CET", 3600)
	goleak.VerifyTestMain(m)
}

// when is Mon Jan  1 12:59:59 2018 in the zone of the tests.
var when = time.Unix(1514807999, 123456789)

func ms(v float64) time.Duration { return time.Duration(math.Round(v * 1e6)) }

func hop(addr string, rtt float64) vitals.Hop {
	return vitals.Hop{Addr: netip.MustParseAddr(addr), RTT: ms(rtt)}
}

func record(name, addr string) vitals.Record {
	return vitals.Record{
		Target: &vitals.Target{Name: name, Settings: &vitals.Settings{Timestamp: true}},
		Addr:   netip.MustParseAddr(addr),
		Time:   when,
	}
}

func with(r vitals.Record, form vitals.Form, asJSON, timestamp bool) *vitals.Record {
	s := *r.Target.Settings
	s.Form, s.JSON, s.Timestamp = form, asJSON, timestamp
	t := *r.Target
	t.Settings = &s
	r.Target = &t
	return &r
}

func somePing() *vitals.Ping {
	return &vitals.Ping{Sent: 10, Received: 10, Min: 3.52, Mean: 4.42, Max: 5.75, Std: 0.47}
}

func somePath() *vitals.Path {
	return &vitals.Path{Hops: []vitals.Hop{{}, hop("10.168.253.8", 2.187)}}
}

func someScan() *vitals.Scan {
	return &vitals.Scan{Services: []vitals.Service{
		{Name: "http", State: vitals.ServiceOpen, RTT: ms(59.095), Code: "200", Software: "gws"},
		{Name: "https"},
		{Name: "mysql", State: vitals.ServiceOpen, RTT: ms(0.148), Software: "5.7.2"},
	}}
}

// TestContractExamples holds the examples of the contract, byte for byte, where
// no -update can reach them.
func TestContractExamples(t *testing.T) {
	classic := record("google.com", "172.217.3.14")
	classic.Ping = &vitals.Ping{Sent: 10, Received: 10, Min: 3.543, Mean: 4.955, Max: 11.368, Std: 1.442}
	classic.Path = &vitals.Path{Hops: []vitals.Hop{hop("10.169.240.1", 3.108), {}, hop("172.217.3.14", 3.927)}}
	classic.Scan = &vitals.Scan{Services: []vitals.Service{
		{Name: "http", State: vitals.ServiceOpen, RTT: ms(56.446), Code: "200", Software: "gws"},
		{Name: "https", State: vitals.ServiceOpen, RTT: ms(75.599), Code: "200", Software: "gws"},
		{Name: "mysql"},
	}}
	object := record("google.com", "172.217.3.14")
	object.Ping, object.Path, object.Scan = somePing(), somePath(), someScan()
	pings := record("google.com", "172.217.3.14")
	pings.Ping = somePing()
	lost := record("127.0.0.1", "127.0.0.1")
	lost.Ping = &vitals.Ping{Sent: 10, Min: -1, Mean: -1, Max: -1, Std: -1}

	for name, c := range map[string]struct {
		r    *vitals.Record
		want string
	}{
		"1.4": {
			with(classic, vitals.Bundled, false, true),
			"google.com (172.217.3.14)\n3.543\t4.955\t11.368\t1.442\t0.000\n10.169.240.1\t3.108\n*\n172.217.3.14\t3.927\n56.446, 200, gws\t75.599, 200, gws\tNone\n",
		},
		"1.5": {
			with(object, vitals.Bundled, true, true),
			`{"addr":"172.217.3.14","name":"google.com","ping":{"min":3.52,"avg":4.42,"max":5.75,"std":0.47,"loss":0},` +
				`"trace":[["*"],["10.168.253.8",2.187]],` +
				`"scan":{"http":{"rtt":59.095,"response code":"200","server":"gws"},"https":"None","mysql":{"rtt":0.148,"version":"5.7.2"}}}` + "\n",
		},
		"separate text": {
			with(pings, vitals.Separate, false, true),
			"google.com 172.217.3.14\nMon Jan  1 12:59:59 2018\n3.520\t4.420\t5.750\t0.470\t0.000\n",
		},
		"separate text without time": {
			with(pings, vitals.Separate, false, false),
			"google.com 172.217.3.14\n3.520\t4.420\t5.750\t0.470\t0.000\n",
		},
		"separate JSON": {
			with(pings, vitals.Separate, true, true),
			`{"addr":"172.217.3.14","name":"google.com","timestamp":1514807999123.4568,"ping":{"min":3.52,"avg":4.42,"max":5.75,"std":0.47,"loss":0}}` + "\n",
		},
		"all lost, text": {with(lost, vitals.Bundled, false, true), "127.0.0.1\n-1.000\t-1.000\t-1.000\t-1.000\t100.000\n"},
		"all lost, separate": {
			with(lost, vitals.Separate, false, false),
			"127.0.0.1\n-1.000\t-1.000\t-1.000\t-1.000\t100.000\n",
		},
		"all lost, JSON": {
			with(lost, vitals.Bundled, true, true),
			`{"addr":"127.0.0.1","name":"127.0.0.1","ping":{"min":-1,"avg":-1,"max":-1,"std":-1,"loss":100}}` + "\n",
		},
	} {
		if got := string(AppendRecord([]byte("before\n"), c.r)); got != "before\n"+c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, "before\n"+c.want)
		}
	}
}

// hostile is what a server may send to forge lines, columns, members and to
// drive terminals.
const hostile = "gws\",\"ping\":{\"loss\":0},\"x\":\"\r\n127.0.0.1\n1.000\t1.000\x00\x1b[2J\x1b]0;title\a\x7f\x85\xff" +
	"\u0085\u009b31m\u2028\u2029\u202eevil\u2066\u200b\ufeff\u00a0\U000e0041\\x1b\\ é 日本 \U0001f600 \ufffd"

type goldenCase struct {
	name   string
	record vitals.Record
}

func goldenCases() []goldenCase {
	var cases []goldenCase
	add := func(name, host, addr string, fill func(*vitals.Record)) {
		r := record(host, addr)
		fill(&r)
		cases = append(cases, goldenCase{name, r})
	}
	add("everything", "google.com", "172.217.3.14", func(r *vitals.Record) {
		r.Ping, r.Path, r.Scan = somePing(), somePath(), someScan()
	})
	add("ping", "google.com", "172.217.3.14", func(r *vitals.Record) { r.Ping = somePing() })
	add("one reply of three", "10.0.0.1", "10.0.0.1", func(r *vitals.Record) {
		r.Ping = &vitals.Ping{Sent: 3, Received: 1, Min: 0.0421, Mean: 0.0421, Max: 0.0421}
	})
	add("unknown is not lost", "10.0.0.1", "10.0.0.1", func(r *vitals.Record) {
		r.Ping = &vitals.Ping{Sent: 10, Received: 4, Unknown: 2, Min: 1, Mean: 1.0 / 3, Max: 2e-7, Std: 1e21}
	})
	add("all lost", "192.0.2.1", "192.0.2.1", func(r *vitals.Record) { r.Ping = &vitals.Ping{Sent: 10} })
	add("wholly unknown", "192.0.2.1", "192.0.2.1", func(r *vitals.Record) { r.Ping = &vitals.Ping{Sent: 10, Unknown: 10} })
	add("wholly unknown beside a scan", "192.0.2.1", "192.0.2.1", func(r *vitals.Record) {
		r.Ping, r.Scan = &vitals.Ping{Sent: 10, Unknown: 10}, someScan()
	})
	add("figures that are none", "192.0.2.1", "192.0.2.1", func(r *vitals.Record) {
		r.Ping = &vitals.Ping{Sent: 1, Received: 1, Min: math.NaN(), Mean: math.Inf(1), Max: math.Inf(-1), Std: 1}
	})
	add("nothing", "192.0.2.1", "192.0.2.1", func(*vitals.Record) {})
	add("hollow", "192.0.2.1", "192.0.2.1", func(r *vitals.Record) { r.Path, r.Scan = &vitals.Path{}, &vitals.Scan{} })
	add("silent hops", "192.0.2.1", "192.0.2.1", func(r *vitals.Record) {
		r.Path = &vitals.Path{Hops: make([]vitals.Hop, 4)}
	})
	add("route over IPv6", "example.org", "2001:db8::1", func(r *vitals.Record) {
		r.Path = &vitals.Path{Hops: []vitals.Hop{hop("fe80::1%eth0", 0.5), {}, hop("2001:db8::1", 20.25)}}
	})
	add("IPv6 literal", "2001:db8::1", "2001:db8::1", func(r *vitals.Record) { r.Ping = somePing() })
	add("IPv6 literal written otherwise", "2001:DB8:0::1", "2001:db8::1", func(r *vitals.Record) { r.Ping = somePing() })
	add("scoped address", "fe80::1%eth0", "fe80::1%eth0", func(r *vitals.Record) { r.Ping = somePing() })
	add("scoped address with a strange zone", "gw", "fe80::1%\"a\tb\x1b", func(r *vitals.Record) { r.Ping = somePing() })
	add("no service", "10.0.0.1", "10.0.0.1", func(r *vitals.Record) {
		r.Scan = &vitals.Scan{Services: []vitals.Service{{Name: "http"}, {Name: "https"}, {Name: "mysql"}}}
	})
	add("services in another order", "10.0.0.1", "10.0.0.1", func(r *vitals.Record) {
		r.Scan = &vitals.Scan{Services: []vitals.Service{
			{Name: "mysql", State: vitals.ServiceOpen, RTT: ms(1), Software: "Unknown"},
			{Name: "http", State: vitals.ServiceOpen, RTT: ms(2), Code: "400", Software: "Unknown"},
		}}
	})
	add("hostile banners", "10.0.0.1", "10.0.0.1", func(r *vitals.Record) {
		r.Scan = &vitals.Scan{Services: []vitals.Service{
			{Name: "http", State: vitals.ServiceOpen, RTT: ms(1), Code: "2\t0", Software: hostile},
			{Name: "https"},
			{Name: "mysql", State: vitals.ServiceOpen, RTT: ms(1), Software: hostile},
		}}
	})
	return cases
}

func TestGoldenRecords(t *testing.T) {
	for name, f := range map[string]struct {
		form      vitals.Form
		json      bool
		timestamp bool
	}{
		"bundled-text":       {vitals.Bundled, false, true},
		"bundled-json":       {vitals.Bundled, true, true},
		"separate-text":      {vitals.Separate, false, true},
		"separate-json":      {vitals.Separate, true, true},
		"separate-text-bare": {vitals.Separate, false, false},
		"separate-json-bare": {vitals.Separate, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var got []byte
			for _, c := range goldenCases() {
				got = append(got, "== "+c.name+"\n"...)
				got = AppendRecord(got, with(c.record, f.form, f.json, f.timestamp))
			}
			golden(t, name, got)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s:\n%s", file, got)
	}
}

// TestPainMtr283JSONIsValid is mtr#283 (invalid JSON on failure), and the README of the
// original, whose sample has a brace too many: every record there is decodes.
func TestPainMtr283JSONIsValid(t *testing.T) {
	for _, c := range goldenCases() {
		line := AppendRecord(nil, with(c.record, vitals.Separate, true, true))
		if len(line) > 0 && !json.Valid(line) {
			t.Errorf("%s: not JSON: %s", c.name, line)
		}
	}
}

func TestDefect19ServerHeaderIsEscaped(t *testing.T) {
	r := record("10.0.0.1", "10.0.0.1")
	r.Scan = &vitals.Scan{Services: []vitals.Service{{Name: "http", State: vitals.ServiceOpen, Code: "200", Software: `x","injected":"y`}}}
	var got struct {
		Scan map[string]map[string]any
	}
	if err := json.Unmarshal(AppendRecord(nil, with(r, vitals.Bundled, true, false)), &got); err != nil {
		t.Fatal(err)
	}
	http := got.Scan["http"]
	if len(http) != 3 || http["server"] != `x","injected":"y` {
		t.Errorf("members of http: %v", http)
	}
}

func TestDefect32PercentInAName(t *testing.T) {
	r := record("fe80::1%eth0", "fe80::1%eth0")
	r.Ping = somePing()
	got := string(AppendRecord(nil, with(r, vitals.Bundled, true, false)))
	if !strings.HasPrefix(got, `{"addr":"fe80::1%eth0","name":"fe80::1%eth0","ping":`) {
		t.Error(got)
	}
	r.Target.Name = "100%s%d%f"
	got = string(AppendRecord(nil, with(r, vitals.Bundled, false, false)))
	if !strings.HasPrefix(got, "100%s%d%f (fe80::1%eth0)\n") {
		t.Error(got)
	}
}

// TestReadmeAgainstCode is the list of that name: the spacing of JSON does not
// depend on the time stamp, numbers are not rounded, and the object is flat.
func TestReadmeAgainstCode(t *testing.T) {
	r := record("h", "10.0.0.1")
	r.Ping = &vitals.Ping{Sent: 3, Received: 3, Min: 1.0 / 3, Mean: math.Pi, Max: 1e6 / 7, Std: 2.0 / 3}
	stamped := string(AppendRecord(nil, with(r, vitals.Separate, true, true)))
	bare := string(AppendRecord(nil, with(r, vitals.Separate, true, false)))
	if got := strings.Replace(stamped, `"timestamp":1514807999123.4568,`, "", 1); got != bare {
		t.Errorf("without its timestamp %s, not %s", got, bare)
	}
	var got struct {
		Addr string
		Ping struct{ Min, Avg, Max, Std float64 }
	}
	if err := json.Unmarshal([]byte(bare), &got); err != nil {
		t.Fatal(err)
	}
	p := got.Ping
	if got.Addr != "10.0.0.1" || p.Min != r.Ping.Min || p.Avg != r.Ping.Mean || p.Max != r.Ping.Max || p.Std != r.Ping.Std {
		t.Errorf("decoded %+v from %s", got, bare)
	}
}

// TestNumbers compares with encoding/json.
func TestNumbers(t *testing.T) {
	for _, v := range []float64{
		0, -1, 100, 0.1, 1.0 / 3, 1e-6, 9.99e-7, 1e-7, 1.5e-9, 1e-10, 1e-100, 1e20, 1e21, 1e22, 1e300,
		math.MaxFloat64, math.SmallestNonzeroFloat64, -2.5e-8, 59.095, 1514807999123.4568,
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendNumber(nil, v); !bytes.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestEscapes(t *testing.T) {
	for _, c := range []struct{ in, text, json string }{
		{"", "", ""},
		{"Apache/2.4 (Unix) <&>", "Apache/2.4 (Unix) <&>", "Apache/2.4 (Unix) <&>"},
		{"Grüße 日本 😀", "Grüße 日本 😀", "Grüße 日本 😀"},
		{"a\tb\nc\rd", `a\x09b\x0ac\x0dd`, `a\u0009b\u000ac\u000dd`},
		{"\x00\x1b\x7f", `\x00\x1b\x7f`, `\u0000\u001b\u007f`},
		{`quo"te back\slash`, `quo"te back\slash`, `quo\"te back\\slash`},
		{`\x1b`, `\x1b`, `\\x1b`},
		{"\u0085\u009b", `\u0085\u009b`, `\u0085\u009b`},
		{"\u2028\u2029", `\u2028\u2029`, `\u2028\u2029`},
		{"\u202a\u202e\u2066\u2069\u200f\u061c", `\u202a\u202e\u2066\u2069\u200f\u061c`, `\u202a\u202e\u2066\u2069\u200f\u061c`},
		{"\u200b\u2060\ufeff\u00ad\u00a0", `\u200b\u2060\ufeff\u00ad\u00a0`, `\u200b\u2060\ufeff\u00ad\u00a0`},
		{"\U000e0041", `\U000e0041`, `\udb40\udc41`},
		{"\xff\x85\xed\xa0\x80", `\xff\x85\xed\xa0\x80`, `\\xff\\x85\\xed\\xa0\\x80`},
		{"cut \xe6\x97", `cut \xe6\x97`, `cut \\xe6\\x97`},
		{"\ufffd", "\ufffd", "\ufffd"},
	} {
		if got := string(appendText(nil, c.in)); got != c.text {
			t.Errorf("text of %q is %s, want %s", c.in, got, c.text)
		}
		if got := string(appendJSONEscaped(nil, c.in)); got != c.json {
			t.Errorf("JSON of %q is %s, want %s", c.in, got, c.json)
		}
	}
}

func TestZeroAddrIsNotPrinted(t *testing.T) {
	r := record("h", "10.0.0.1")
	r.Addr, r.Ping = netip.Addr{}, somePing()
	if got := string(AppendRecord(nil, with(r, vitals.Bundled, false, false))); !strings.HasPrefix(got, "h\n") {
		t.Error(got)
	}
	if got := string(AppendRecord(nil, with(r, vitals.Bundled, true, false))); !strings.HasPrefix(got, `{"addr":"","name":"h",`) {
		t.Error(got)
	}
}

func TestAppendRecordDoesNotAllocate(t *testing.T) {
	r := record("example.org", "2001:db8::1")
	r.Ping, r.Path, r.Scan = somePing(), somePath(), someScan()
	buf := make([]byte, 0, 4096)
	for _, form := range []vitals.Form{vitals.Separate, vitals.Bundled} {
		for _, asJSON := range []bool{false, true} {
			r := with(r, form, asJSON, true)
			if n := testing.AllocsPerRun(100, func() { buf = AppendRecord(buf[:0], r) }); n != 0 {
				t.Errorf("form %d, JSON %v: %v allocations", form, asJSON, n)
			}
		}
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	r := record("example.org", "192.0.2.1")
	r.Ping = somePing()
	buf := make([]byte, 0, 4096)
	for _, asJSON := range []bool{false, true} {
		b.Run(fmt.Sprintf("json=%v", asJSON), func(b *testing.B) {
			r := with(r, vitals.Separate, asJSON, true)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendRecord(buf[:0], r)
			}
		})
	}
}

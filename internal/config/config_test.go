// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

	"connmonitor/internal/vitals"
)

// read parses text that must be valid.
func read(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Read(strings.NewReader(text), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	checkInvariants(t, c)
	return c
}

// defaults are the settings of a line without options.
func defaults() vitals.Settings {
	return vitals.Settings{
		Form: vitals.Separate, Timestamp: true, Ping: true,
		PingPause: 500 * time.Millisecond, NumPings: 10, Payload: 41, Interval: 10 * time.Millisecond,
		Hops: 30, Flows: 1, Timeout: time.Second, DegradedLoss: 1,
	}
}

// TestOptions holds every option against the field that it sets.
func TestOptions(t *testing.T) {
	tests := []struct {
		options string
		change  func(s *vitals.Settings)
	}{
		{"", func(*vitals.Settings) {}},
		{"ping=0", func(s *vitals.Settings) { s.Ping, s.PingPause = false, 0 }},
		{"ping=0.25", func(s *vitals.Settings) { s.PingPause = 250 * time.Microsecond }},
		{"PING=1h", func(s *vitals.Settings) { s.PingPause = time.Hour }},
		{"numpings=1", func(s *vitals.Settings) { s.NumPings = 1 }},
		{"numpings=20", func(s *vitals.Settings) { s.NumPings, s.Interval = 20, 5*time.Millisecond }},
		{"numpings=20 interval=7", func(s *vitals.Settings) { s.NumPings, s.Interval = 20, 7*time.Millisecond }},
		{"interval=0", func(s *vitals.Settings) { s.Interval = 0 }},
		{"payload=65507", func(s *vitals.Settings) { s.Payload = 65507 }},
		{"trace=50", func(s *vitals.Settings) { s.Trace, s.TracePause = true, 50*time.Millisecond }},
		{"trace=0", func(*vitals.Settings) {}},
		{"hops=256", func(s *vitals.Settings) { s.Hops = 255 }},
		{"hops=99999999999999999999", func(s *vitals.Settings) { s.Hops = 255 }},
		{"scan=1.5s", func(s *vitals.Settings) { s.Scan, s.ScanPause = true, 1500*time.Millisecond }},
		{"json=-3", func(s *vitals.Settings) { s.JSON = true }},
		{"json=tRuE", func(s *vitals.Settings) { s.JSON = true }},
		{"json=0", func(*vitals.Settings) {}},
		{"timestamp=FALSE", func(s *vitals.Settings) { s.Timestamp = false }},
		{"timeout=0.5", func(s *vitals.Settings) { s.Timeout = 500 * time.Microsecond }},
		{"family=4", func(s *vitals.Settings) { s.Family = vitals.Family4 }},
		{"family=6", func(s *vitals.Settings) { s.Family = vitals.Family6 }},
		{"family=Any", func(*vitals.Settings) {}},
		{"source=eth0", func(s *vitals.Settings) { s.Source = "eth0" }},
		{"source=192.0.2.1", func(s *vitals.Settings) { s.Source, s.Family = "192.0.2.1", vitals.Family4 }},
		{"dscp=63", func(s *vitals.Settings) { s.DSCP = 63 }},
		{"df=1", func(s *vitals.Settings) { s.DF = true }},
		{"paused=True", func(s *vitals.Settings) { s.Paused = true }},
		{"details=True", func(s *vitals.Settings) { s.Details = true }},
		{"mtu=True", func(s *vitals.Settings) { s.MTU = true }},
		{"degraded.loss=0.5", func(s *vitals.Settings) { s.DegradedLoss = 0.5 }},
		{"degraded.rtt=80ms", func(s *vitals.Settings) { s.DegradedRTT = 80 * time.Millisecond }},
		{"method=udp", func(s *vitals.Settings) { s.Method = vitals.MethodUDP }},
		{"method=TCP port=443", func(s *vitals.Settings) { s.Method, s.Port = vitals.MethodTCP, 443 }},
		{"flows=64", func(s *vitals.Settings) { s.Flows = 64 }},
		{"ports=http,https,mysql", func(*vitals.Settings) {}},
		{"ports=https,http", func(s *vitals.Settings) { s.Ports = "https,http" }},
		{"label.b=2 Label.a=x=y", func(s *vitals.Settings) { s.Labels = "a=x=y\nb=2" }},
	}
	for _, test := range tests {
		want := defaults()
		test.change(&want)
		c := read(t, "a.example.net "+test.options)
		if got := *c.Targets[0].Settings; got != want {
			t.Errorf("%q: got\n%+v, want\n%+v", test.options, got, want)
		}
	}
}

// TestGlobalForm holds the first line of the global form against the settings.
func TestGlobalForm(t *testing.T) {
	global := defaults()
	global.Form, global.Timestamp, global.PingPause, global.Ping = vitals.Bundled, false, 0, false
	tests := []struct {
		header string
		change func(s *vitals.Settings)
	}{
		{"1 0 1 10 1337 100 0 500", func(s *vitals.Settings) {
			s.Ping, s.Scan, s.Payload, s.Sleep = true, true, 1337, 500*time.Millisecond
		}},
		{"0 0 0 0 0 0 0 0", func(*vitals.Settings) {}},
		{"0 0 0 -1 70000 -1 0 0", func(*vitals.Settings) {}},
		{"-1 -1 -1 1 1 1 -1 0", func(s *vitals.Settings) {
			s.Ping, s.Trace, s.Scan, s.JSON = true, true, true, true
			s.NumPings, s.Payload, s.Hops = 1, 1, 1
		}},
		{"1 1 0 0 0 0 1 1", func(s *vitals.Settings) { s.JSON, s.Sleep = true, time.Millisecond }},
		{"1 0 0 50 41 0 0 0", func(s *vitals.Settings) {
			s.Ping, s.NumPings, s.Interval = true, 50, 2*time.Millisecond
		}},
		{"0 1 0 0 0 256 0 0", func(s *vitals.Settings) { s.Trace, s.Hops = true, 255 }},
	}
	for _, test := range tests {
		want := global
		test.change(&want)
		c := read(t, test.header+"\nlocalhost\n127.0.0.1\n")
		if c.Form != vitals.Bundled || c.JSON != want.JSON || len(c.Targets) != 2 {
			t.Errorf("%s: %+v", test.header, c)
			continue
		}
		if got := *c.Targets[0].Settings; got != want {
			t.Errorf("%s: got\n%+v, want\n%+v", test.header, got, want)
		}
		if c.Targets[0].Settings != c.Targets[1].Settings {
			t.Errorf("%s: equal settings are not shared", test.header)
		}
	}
}

// TestTargets holds lines against the IDs and addresses of their targets.
func TestTargets(t *testing.T) {
	tests := []struct {
		text string
		want string // ID name address line, separated by ;
	}{
		{"a\na\na", "a a - 1;a#2 a - 2;a#3 a - 3"},
		{"a id=b\nb\nc", "b a - 1;b#2 b - 2;c c - 3"},
		{"a family=both", "a a - 1;a#2 a - 1"},
		{"# x\n\nG_o.Example.NET. # x", "G_o.Example.NET. G_o.Example.NET. - 3"},
		{"0::1", "0::1 0::1 ::1 1"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1 ::ffff:192.0.2.1 192.0.2.1 1"},
		// Defect 32: a % in a host.
		{"fe80::1%eth0", "fe80::1%eth0 fe80::1%eth0 fe80::1%eth0 1"},
		{"192.0.2.0/30", "192.0.2.1 192.0.2.1 192.0.2.1 1;192.0.2.2 192.0.2.2 192.0.2.2 1"},
		{"192.0.2.4/31 \n192.0.2.4/32", "192.0.2.4 192.0.2.4 192.0.2.4 1;192.0.2.5 192.0.2.5 192.0.2.5 1;192.0.2.4#2 192.0.2.4 192.0.2.4 2"},
		{"192.0.2.7-192.0.2.7 id=x", "x 192.0.2.7 192.0.2.7 1"},
		{"2001:db8::/126", "2001:db8::1 2001:db8::1 2001:db8::1 1;2001:db8::2 2001:db8::2 2001:db8::2 1;2001:db8::3 2001:db8::3 2001:db8::3 1"},
		{"2001:db8::/128", "2001:db8:: 2001:db8:: 2001:db8:: 1"},
	}
	for _, test := range tests {
		var got []string
		for _, g := range read(t, test.text).Targets {
			addr := "-"
			if g.Addr.IsValid() {
				addr = g.Addr.String()
			}
			got = append(got, fmt.Sprintf("%s %s %s %d", g.ID, g.Name, addr, g.Line))
		}
		if got := strings.Join(got, ";"); got != test.want {
			t.Errorf("%q: got %s, want %s", test.text, got, test.want)
		}
	}
}

// TestSpanSizes holds the number of usable addresses of ranges, up to the most
// that a line may stand for.
func TestSpanSizes(t *testing.T) {
	tests := map[string]int{
		"10.0.0.0/16": 65534, "10.0.0.0/30": 2, "10.0.0.0-10.0.255.255": 65536,
		"2001:db8::/112": 65535, "2001:db8::-2001:db8::ffff": 65536,
		"2001:db8::ffff:ffff:ffff:ffff-2001:db8:0:1::": 2,
		"255.255.255.252/30":                           2, "2001:db8::/127": 2, "0.0.0.0/30": 2,
	}
	for text, want := range tests {
		c := read(t, text)
		if len(c.Targets) != want {
			t.Errorf("%s: %d targets, want %d", text, len(c.Targets), want)
		}
		first := c.Targets[0].Settings
		if slices.ContainsFunc(c.Targets, func(g vitals.Target) bool { return g.Settings != first }) {
			t.Errorf("%s: settings are not shared", text)
		}
	}
}

// TestDefaultsApplyToLaterLines checks the scope of a line of defaults, and
// that options of one line do not leak into the next.
func TestDefaultsApplyToLaterLines(t *testing.T) {
	c := read(t, "a\n* ping=1s label.x=1 label.y=1\nb label.x=2 dscp=1\nc\n* numpings=100\nd\n")
	got := make(map[string]vitals.Settings)
	for _, g := range c.Targets {
		got[g.Name] = *g.Settings
	}
	want := map[string]vitals.Settings{"a": defaults()}
	s := defaults()
	s.PingPause, s.Labels = time.Second, "x=1\ny=1"
	want["c"] = s
	s.NumPings, s.Interval = 100, time.Millisecond
	want["d"] = s
	s = want["c"]
	s.Labels, s.DSCP = "x=2\ny=1", 1
	want["b"] = s
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: got\n%+v, want\n%+v", name, got[name], want[name])
		}
	}
}

// TestDefaultFamilySpeaksOfNames checks that a family among the defaults does
// not refuse the addresses of the other one.
func TestDefaultFamilySpeaksOfNames(t *testing.T) {
	c := read(t, "* family=6\n127.0.0.1\nname\n::1\n* family=both\n10.0.0.0/30\nother\n")
	var got []string
	for _, g := range c.Targets {
		got = append(got, fmt.Sprintf("%s %d", g.ID, g.Family))
	}
	want := []string{"127.0.0.1 0", "name 6", "::1 6", "10.0.0.1 0", "10.0.0.2 0", "other 4", "other#2 6"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRepeatedOptionsAreErrors: the original's README says that options cannot
// be repeated, and its code lets the last one win.
func TestRepeatedOptionsAreErrors(t *testing.T) {
	for _, o := range optionTable {
		value := "1"
		switch o.name {
		case "family":
			value = "6"
		case "source":
			value = "eth0"
		case "method":
			value = "udp"
		}
		_, err := Read(strings.NewReader("a "+o.name+"="+value+" "+strings.ToUpper(o.name)+"="+value), "f")
		want := fmt.Sprintf("f:1:%d: option %q: stands twice on the line", 5+len(o.name)+len(value), strings.ToUpper(o.name))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", o.name, err, want)
		}
	}
}

// TestDefect30EveryLineIsJudgedAlone: one bad line is reported with its place,
// together with the next, and none stops the process.
func TestDefect30EveryLineIsJudgedAlone(t *testing.T) {
	_, err := Read(strings.NewReader("a ping\nb ping=-5\nok\nc..d"), "f")
	list, ok := errors.AsType[*ErrorList](err)
	if !ok {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list.Errors {
		got = append(got, fmt.Sprintf("%s %d %d %s", e.File, e.Line, e.Column, e.Option))
	}
	if want := []string{"f 1 3 ping", "f 2 8 ping", "f 4 1 "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var e *Error
	if !errors.As(err, &e) || e != list.Errors[0] {
		t.Error("errors.As does not find the first error")
	}
}

// TestUnreadable checks that what cannot be read differs from what is invalid,
// and names the file once.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	_, err = Read(f, dir)
	if _, ok := errors.AsType[*ErrorList](err); err == nil || ok || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("a directory: %v", err)
	}
	broken := io.MultiReader(strings.NewReader("a\na..b\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err = Read(broken, "standard input")
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "read standard input: unexpected EOF" {
		t.Errorf("a broken reader: %v", err)
	}
}

// TestLineLimits checks the longest line, in every position and with every
// end.
func TestLineLimits(t *testing.T) {
	fill := func(n int) string { return "a #" + strings.Repeat("x", n-3) }
	good := []string{
		fill(maxLine), fill(maxLine) + "\r\n", byteOrderMark + fill(maxLine) + "\r\n", "b\n" + fill(maxLine) + "\r\n" + fill(maxLine),
	}
	for i, text := range good {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			if _, err := Read(r, "f"); err != nil {
				t.Errorf("good %d: %v", i, err)
			}
		}
	}
	bad := []string{fill(maxLine + 1), fill(maxLine+1) + "\n", byteOrderMark + fill(maxLine+1) + "\r\n", fill(10*maxLine) + "\n"}
	for i, text := range bad {
		_, err := Read(strings.NewReader(text), "f")
		if want := "f:1:65537: the line is longer than 64 KiB"; err == nil || err.Error() != want {
			t.Errorf("bad %d: got %v", i, err)
		}
	}
}

// TestNoTarget checks that a configuration without targets is not an error of
// Read.
func TestNoTarget(t *testing.T) {
	for _, text := range []string{"", "\n", "#\n", "1 1 1 10 41 40 1 500", "* ping=5\n"} {
		if c := read(t, text); len(c.Targets) != 0 {
			t.Errorf("%q: %+v", text, c.Targets)
		}
	}
}

// TestTargetLimit checks that ranges cannot add up to more memory than there
// is.
func TestTargetLimit(t *testing.T) {
	f := newFile("f")
	f.limit = 1
	if err := f.read(strings.NewReader("a\n10.0.0.0/24\nb family=both\n")); err != nil {
		t.Fatal(err)
	}
	want := "f:2:1: more than 1 targets in one configuration\nf:3:1: more than 1 targets in one configuration"
	if err := f.faults.err(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestErrorsCarryNoControlCharacters checks the escaping of the file's name.
func TestErrorsCarryNoControlCharacters(t *testing.T) {
	_, err := Read(strings.NewReader("a..b"), "x\x1b[31m\n.conf")
	if want := `x\x1b[31m\n.conf:1:1: host "a..b" has an empty part: two dots in a row, or one at the start`; err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestExamples reads the examples that users begin with.
func TestExamples(t *testing.T) {
	for name, want := range map[string]vitals.Form{"first.conf": vitals.Separate, "global.conf": vitals.Bundled} {
		c, err := readFile(t, "../../examples/"+name)
		if err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, c)
		if c.Form != want || len(c.Targets) == 0 {
			t.Errorf("%s: form %v, %d targets", name, c.Form, len(c.Targets))
		}
		var ping, trace, scan bool
		for _, g := range c.Targets {
			if g.Addr.IsValid() && !g.Addr.IsLoopback() || !g.Addr.IsValid() && g.Name != "localhost" {
				t.Errorf("%s: %s needs a network", name, g.Name)
			}
			ping, trace, scan = ping || g.Ping, trace || g.Trace, scan || g.Scan
		}
		if !ping || !trace || !scan || c.JSON {
			t.Errorf("%s shows not everything: ping %v, trace %v, scan %v, JSON %v", name, ping, trace, scan, c.JSON)
		}
	}
}

// TestNamesAreCopies checks that a target's strings are no substrings of its
// line, which would keep every line in memory as long as its target.
func TestNamesAreCopies(t *testing.T) {
	f := newFile("f")
	text := "name source=eth0 ports=ssh id=x label.a=b"
	f.take(split(nil, text))
	g := f.config.Targets[0]
	for _, s := range []string{g.ID, g.Name, g.Source, g.Ports, g.Labels} {
		at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
		line := uintptr(unsafe.Pointer(unsafe.StringData(text)))
		if s == "" || at >= line && at < line+uintptr(len(text)) {
			t.Errorf("%q lives in the line", s)
		}
	}
}

// BenchmarkRead100k reads 100,000 lines of names and addresses with a few
// different settings.
func BenchmarkRead100k(b *testing.B) {
	var text bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&text, "host-%d.example.net ping=%d numpings=1 label.site=s%d\n", i, 1000+i%10, i%10)
		fmt.Fprintf(&text, "10.%d.%d.%d ping=1s trace=1m\n", 1+i>>16, i>>8&255, i&255)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		c, err := Read(bytes.NewReader(text.Bytes()), "bench.conf")
		if err != nil || len(c.Targets) != 100_000 {
			b.Fatal(err)
		}
	}
}

// BenchmarkTable100k renders 100,000 targets.
func BenchmarkTable100k(b *testing.B) {
	c, err := Read(strings.NewReader("10.0.0.0/16\n10.1.0.0-10.1.134.159\n"), "bench.conf")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Table(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

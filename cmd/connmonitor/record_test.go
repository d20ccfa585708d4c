// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// record is what a checker has read, by the grammar of contract 1.4 and 1.5.
type record struct {
	name, addr string
	time       float64 // ms since the epoch; 0: not told
	ping       []float64
	trace      []string // addresses, "*"
	scan       []string // http, https, mysql as they were written
}

// shape is what the records of a configuration look like.
type shape struct {
	bundled, json, bare bool // bare: no timestamp
}

// records reads all that was written, which is whole records only; what is
// not as the contract says fails the test.
func (s shape) records(t *testing.T, text string) []record {
	t.Helper()
	rs, err := s.parse(text)
	if err != nil {
		t.Errorf("record %d: %v", len(rs)+1, err)
	}
	return rs
}

func (s shape) parse(text string) ([]record, error) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the end is torn: %q", text[max(0, len(text)-80):])
	}
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\r\x00") {
		return nil, fmt.Errorf("not clean UTF-8")
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	var rs []record
	for len(lines) > 0 {
		var r record
		var err error
		if s.json {
			r, err = s.object(lines[0])
			lines = lines[1:]
		} else {
			r, lines, err = s.block(lines)
		}
		if err != nil {
			return rs, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

var (
	number   = `-?(?:0|[1-9][0-9]*)\.[0-9]{3}`
	pingLine = regexp.MustCompile(`^` + number + `(?:\t` + number + `){4}\n$`)
	hopLine  = regexp.MustCompile(`^(?:\*|([^\t ]+)\t(` + number + `))\n$`)
	scanLine = regexp.MustCompile(`^(None|` + number + `, [0-9]{3}, [^\t\n]+)\t(None|` + number + `, [0-9]{3}, [^\t\n]+)\t(None|` + number + `, [^\t\n]+)\n$`)
	hostLine = map[bool]*regexp.Regexp{
		true:  regexp.MustCompile(`^([^\t ]+)(?: \(([^\t ()]+)\))?\n$`),
		false: regexp.MustCompile(`^([^\t ]+)(?: ([^\t ()]+))?\n$`),
	}
)

// block reads one record of plain text and returns the lines behind it.
func (s shape) block(lines []string) (r record, rest []string, err error) {
	host := hostLine[s.bundled].FindStringSubmatch(lines[0])
	if host == nil || lines[0] == "*\n" {
		return r, nil, fmt.Errorf("no host line: %q", lines[0])
	}
	r.name, r.addr = host[1], host[2]
	if r.addr == "" {
		r.addr = r.name
	}
	if _, err := netip.ParseAddr(r.addr); err != nil {
		return r, nil, fmt.Errorf("host line %q: %w", lines[0], err)
	}
	lines = lines[1:]
	if !s.bundled && !s.bare {
		if len(lines) == 0 {
			return r, nil, fmt.Errorf("no time")
		}
		at, err := time.ParseInLocation(time.ANSIC+"\n", lines[0], time.UTC)
		if err != nil {
			return r, nil, err
		}
		r.time = float64(at.UnixMilli())
		lines = lines[1:]
	}
	lines = r.statistics(lines)
	return r, lines, r.complete(s)
}

// statistics takes the lines of the statistics, in their order.
func (r *record) statistics(lines []string) (rest []string) {
	if len(lines) > 0 && pingLine.MatchString(lines[0]) {
		for v := range strings.SplitSeq(strings.TrimSuffix(lines[0], "\n"), "\t") {
			f, _ := strconv.ParseFloat(v, 64)
			r.ping = append(r.ping, f)
		}
		lines = lines[1:]
	}
	for len(lines) > 0 {
		hop := hopLine.FindStringSubmatch(lines[0])
		if hop == nil {
			break
		}
		r.trace = append(r.trace, hop[1])
		if hop[1] == "" {
			r.trace[len(r.trace)-1] = "*"
		}
		lines = lines[1:]
	}
	if len(lines) > 0 {
		if scan := scanLine.FindStringSubmatch(lines[0]); scan != nil {
			r.scan = scan[1:]
			lines = lines[1:]
		}
	}
	return lines
}

// complete checks what the values say together.
func (r *record) complete(s shape) error {
	statistics := 0
	for _, has := range []bool{r.ping != nil, r.trace != nil, r.scan != nil} {
		if has {
			statistics++
		}
	}
	if statistics == 0 || !s.bundled && statistics > 1 {
		return fmt.Errorf("%s: %d statistics", r.name, statistics)
	}
	for i, hop := range r.trace {
		if _, err := netip.ParseAddr(hop); hop != "*" && err != nil {
			return fmt.Errorf("%s: hop %d: %w", r.name, i+1, err)
		}
	}
	if r.ping == nil {
		return nil
	}
	least, mean, most, std, loss := r.ping[0], r.ping[1], r.ping[2], r.ping[3], r.ping[4]
	const rounding = 0.0005
	switch lost := least == -1; {
	case lost && slices.Equal(r.ping, []float64{-1, -1, -1, -1, 100}):
	case !lost && 0 <= least && least <= mean+rounding && mean <= most+rounding && std >= 0 && loss >= 0 && loss < 100:
	default:
		return fmt.Errorf("%s: impossible figures %v", r.name, r.ping)
	}
	return nil
}

// object reads one record of JSON.
func (s shape) object(line string) (record, error) {
	var r record
	keys, values, err := members(line)
	if err != nil {
		return r, fmt.Errorf("%q: %w", line, err)
	}
	want := []string{"addr", "name"}
	if !s.bundled && !s.bare {
		want = append(want, "timestamp")
	}
	for _, optional := range []string{"ping", "trace", "scan"} {
		if slices.Contains(keys, optional) {
			want = append(want, optional)
		}
	}
	if !slices.Equal(keys, want) {
		return r, fmt.Errorf("keys %q, want %q", keys, want)
	}
	for key, into := range map[string]any{"addr": &r.addr, "name": &r.name, "timestamp": &r.time} {
		if value, ok := values[key]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return r, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	if _, err := netip.ParseAddr(r.addr); err != nil {
		return r, err
	}
	if err := r.members(values); err != nil {
		return r, err
	}
	return r, r.complete(s)
}

// members reads the statistics of a JSON record.
func (r *record) members(values map[string]json.RawMessage) error {
	if text, ok := values["ping"]; ok {
		keys, figures, err := members(string(text))
		if err != nil {
			return err
		}
		if !slices.Equal(keys, []string{"min", "avg", "max", "std", "loss"}) {
			return fmt.Errorf("ping: keys %q", keys)
		}
		for _, key := range keys {
			f, err := strconv.ParseFloat(string(figures[key]), 64)
			if err != nil {
				return err
			}
			r.ping = append(r.ping, f)
		}
	}
	if text, ok := values["trace"]; ok {
		var hops [][]any
		if err := json.Unmarshal(text, &hops); err != nil {
			return err
		}
		for _, hop := range hops {
			addr, _ := hop[0].(string)
			if addr == "*" && len(hop) == 1 {
				r.trace = append(r.trace, addr)
			} else if rtt, ok := hop[len(hop)-1].(float64); len(hop) == 2 && ok && rtt >= 0 {
				r.trace = append(r.trace, addr)
			} else {
				return fmt.Errorf("trace: hop %v", hop)
			}
		}
	}
	if text, ok := values["scan"]; ok {
		return r.services(string(text))
	}
	return nil
}

func (r *record) services(text string) error {
	keys, values, err := members(text)
	if err != nil {
		return err
	}
	if !slices.Equal(keys, []string{"http", "https", "mysql"}) {
		return fmt.Errorf("scan: keys %q", keys)
	}
	for _, key := range keys {
		r.scan = append(r.scan, string(values[key]))
		if string(values[key]) == `"None"` {
			continue
		}
		want := []string{"rtt", "response code", "server"}
		if key == "mysql" {
			want = []string{"rtt", "version"}
		}
		inner, _, err := members(string(values[key]))
		if err != nil {
			return err
		}
		if !slices.Equal(inner, want) {
			return fmt.Errorf("%s: keys %q", key, inner)
		}
	}
	return nil
}

// members reads one JSON object with its keys in their order.
func members(text string) (keys []string, values map[string]json.RawMessage, err error) {
	if !json.Valid([]byte(text)) {
		return nil, nil, fmt.Errorf("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, nil, fmt.Errorf("not an object")
	}
	values = make(map[string]json.RawMessage)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		name := key.(string)
		if _, twice := values[name]; twice {
			return nil, nil, fmt.Errorf("%q stands twice", name)
		}
		keys, values[name] = append(keys, name), value
	}
	return keys, values, nil
}

// of are the records of one host.
func of(rs []record, name string) []record {
	return slices.DeleteFunc(slices.Clone(rs), func(r record) bool { return r.name != name })
}

// logLine is the grammar of contract 1.8.
var logLine = regexp.MustCompile(`^(?:EE: ([A-Za-z]+): (.*):\t-\t|WW: (.*) -\t)([A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \d{4})$`)

// entry is one line of the log.
type entry struct {
	typ, text string // no typ: a warning
}

// entries reads a log; a line that is not as the contract says fails the test.
func entries(t *testing.T, text string) []entry {
	t.Helper()
	var es []entry
	for line := range strings.Lines(text) {
		m := logLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || !strings.HasSuffix(line, "\n") {
			t.Errorf("no line of a log: %q", line)
			continue
		}
		if _, err := time.Parse(time.ANSIC, m[4]); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		es = append(es, entry{m[1], m[2] + m[3]})
	}
	return es
}

// TestCheckerBites shows what the checker of this test does not let pass.
func TestCheckerBites(t *testing.T) {
	separate, bundled := shape{bare: true}, shape{bundled: true}
	stamped, object := shape{}, shape{bundled: true, json: true}
	tests := []struct {
		shape shape
		text  string
		ok    bool
	}{
		{separate, "127.0.0.1\n1.000\t2.000\t3.000\t1.000\t0.000\n", true},
		{separate, "a 127.0.0.1\n-1.000\t-1.000\t-1.000\t-1.000\t100.000\n", true},
		{separate, "a (127.0.0.1)\n1.000\t2.000\t3.000\t1.000\t0.000\n", false},
		{separate, "127.0.0.1\n1.000\t2.000\t3.000\t1.000\t0.000", false},
		{separate, "127.0.0.1\n1.000\t2.000\t1.000\t1.000\t0.000\n", false},
		{separate, "33.333127.0.0.1\n127.0.0.1\t1.000\n", false},
		{separate, "127.0.0.1\n", false},
		{separate, "127.0.0.1\n*\n1.000\t2.000\t3.000\t1.000\t0.000\n", false},
		{stamped, "127.0.0.1\nMon Jan  1 12:59:59 2018\n127.0.0.1\t1.000\n", true},
		{stamped, "127.0.0.1\n127.0.0.1\t1.000\n", false},
		{bundled, "a (::1)\n1.000\t2.000\t3.000\t1.000\t0.000\n*\n::1\t0.100\nNone\tNone\tNone\n", true},
		{bundled, "a ::1\nNone\tNone\tNone\n", false},
		{bundled, "::1\nNone\tNone\n", false},
		{bundled, "::1\n1.000, 200, x\tNone\t2.000, 5.7.2\n", true},
		{object, `{"addr":"::1","name":"a","scan":{"http":"None","https":"None","mysql":{"rtt":1,"version":"5"}}}` + "\n", true},
		{object, `{"name":"a","addr":"::1","scan":{"http":"None","https":"None","mysql":"None"}}` + "\n", false},
		{object, `{"addr":"::1","name":"a","ping":{"min":1,"avg":1,"max":1,"std":0,"loss":0}}` + "\n", true},
		{object, `{"addr":"::1","name":"a","ping":{"min":1,"avg":1,"max":1,"loss":0,"std":0}}` + "\n", false},
		{object, `{"addr":"::1","name":"a","trace":[["*"],["::1",0.1]]}` + "\n", true},
		{object, `{"addr":"::1","name":"a","trace":[["*",1],["::1"]]}` + "\n", false},
		{object, `{"addr":"::1","name":"a","x":1,"trace":[["*"]]}` + "\n", false},
		{object, `{"addr":"::1","name":"a","name":"b","trace":[["*"]]}` + "\n", false},
	}
	for _, test := range tests {
		if _, err := test.shape.parse(test.text); (err == nil) != test.ok {
			t.Errorf("%+v %q: %v, want good: %v", test.shape, test.text, err, test.ok)
		}
	}
}

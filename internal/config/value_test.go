// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
	"time"

	"connmonitor/internal/service"
)

func TestParseDuration(t *testing.T) {
	good := map[string]time.Duration{
		"0": 0, "-0": 0, "0s": 0, "500": 500 * time.Millisecond, "+5": 5 * time.Millisecond, "5.": 5 * time.Millisecond,
		".5": 500 * time.Microsecond, "1.1": 1100 * time.Microsecond, "0.001": time.Microsecond, "1e3": time.Second,
		"500ms": 500 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "2m": 2 * time.Minute, "1h": time.Hour,
		"7us": 7 * time.Microsecond, "7µs": 7 * time.Microsecond, "7μs": 7 * time.Microsecond, "2e1s": 20 * time.Second,
		"1e-9": 1, "1e-400": 0, "876000h": maxDuration, "3153600000000": maxDuration,
	}
	for text, want := range good {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	bad := []string{
		"", "ms", "-5", "-1ns", "5ns", "5M", "5S", "5d", "nan", "NaN", "inf", "+Inf", "-inf", "Infinity", "1e999", "-1e999",
		"876000.1h", "3153600000001", "1_000", "0x10", "0x1p5", "1,5", "1m30s", "1.2.3", "--5", "5 ms", "１", "5ms\x00", "1e", "e5",
	}
	for _, text := range bad {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is accepted as %v", text, got)
		}
	}
}

func TestBools(t *testing.T) {
	for text, want := range map[string]bool{
		"0": false, "1": true, "-1": true, "00": false, "+0": false, "99999999999999999999": true,
		"True": true, "FALSE": false, "true": true, "fAlSe": false,
	} {
		got := !want
		if err := setBool(&got, text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yes", "no", "on", "t", "1.0", "falſe", "nan", "Truee"} {
		var got bool
		if err := setBool(&got, text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestPorts(t *testing.T) {
	for text, want := range map[string]int{
		"": 3, "http,https,mysql": 3, "ssh": 1, "22,8080/http,8443/auto": 3, "1-65535": 65535, "10-10": 1, "http,2000-2009": 11,
	} {
		if got := costOf(text, time.Second).Ports; got != want {
			t.Errorf("%q: %d services, want %d", text, got, want)
		}
		var l line
		if text == "" {
			continue
		}
		if err := setPorts(&l, text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, name := range service.Names() {
		var l line
		if err := setPorts(&l, "8080/"+name); err != nil || l.Ports != "8080/"+name {
			t.Errorf("%s: %q, %v", name, l.Ports, err)
		}
	}
	for _, text := range []string{",", "http,", "-5", "5-", "5-x", "5/", "5/http/x", "http/80", "5-4", "http,80/http", "22,022", "0-4", "1-65536", "tls", "auto", "http https"} {
		var l line
		if err := setPorts(&l, text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	full := long + "." + long + "." + long + "." + long[:61]
	for _, name := range []string{"a", "a.", "_dmarc.example.net", "a-b.c_d", "xn--bcher-kva.example", "3com.example", "1.2.3.x4", full, full + "."} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a..", ".a", "a..b", "-a", "a-.b", "a b", "a\x00", "a%b", "bücher", "1", "a.1", "1.2.3.4.5", long + "a", full + "a", "a\nb"} {
		if err := checkName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestEqualFold(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"Ping", "pING", true},
		{"", "", true},
		{"ping", "pin", false},
		{"@", "`", false},
		{"[", "{", false},
		{"scan", "ſcan", false},
		{"k", "\u212a", false},
		{"degraded.rtt", "DEGRADED.RTT", true},
		{"a.", "a\x0e", false},
	} {
		if got := equalFold(test.a, test.b); got != test.want {
			t.Errorf("%q, %q: %v", test.a, test.b, got)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"ping", "ping", 0},
		{"pnig", "ping", 1},
		{"pin", "ping", 1},
		{"pingg", "ping", 1},
		{"pong", "ping", 1},
		{"kitten", "sitting", 3},
		{"ab", "ba", 1},
	} {
		if a, b := editDistance(test.a, test.b), editDistance(test.b, test.a); a != test.want || b != test.want {
			t.Errorf("%q, %q: %d and %d, want %d", test.a, test.b, a, b, test.want)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for typed, want := range map[string]string{
		"pnig": "ping", "pings": "ping", "NUMPING": "numpings", "paylaod": "payload", "jsno": "json", "time-out": "timeout",
		"label": "label.NAME", "degraded-rtt": "degraded.rtt", "dcsp": "dscp", "sauce": "source", "hop": "hops", "prot": "port",
		"xyzzy": "", "": "", strings.Repeat("ping", 1000): "",
	} {
		if got := nearestOption(typed); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// TestOptionTableIsWhole checks that no option of the table is blank.
func TestOptionTableIsWhole(t *testing.T) {
	for i, o := range optionTable {
		if o.name == "" || o.set == nil || findOption(o.name) != i {
			t.Errorf("option %d: %+v", i, o.name)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// standard is what a command line without options asks for.
func standard(hosts ...string) command {
	return command{
		hosts: hosts, rate: 10_000, interval: -1,
		settings: vitals.Settings{
			Form: vitals.Bundled, Ping: true, NumPings: 10, Payload: 41, Hops: 30,
			Timeout: time.Second, Flows: 1, Interval: 10 * time.Millisecond,
		},
	}
}

// but is standard with changes.
func but(change func(c *command), hosts ...string) command {
	c := standard(hosts...)
	change(&c)
	return c
}

func TestParse(t *testing.T) {
	tests := []struct {
		line string
		want command
	}{
		{"a", standard("a")},
		{"c a b a", standard("c", "a", "b", "a")},
		{"-stp 100 localhost ::1", but(func(c *command) {
			c.settings.Scan, c.settings.Trace, c.settings.NumPings = true, true, 100
			c.settings.Interval = time.Millisecond
		}, "localhost", "::1")},
		{"-stp100 a", but(func(c *command) {
			c.settings.Scan, c.settings.Trace, c.settings.NumPings = true, true, 100
			c.settings.Interval = time.Millisecond
		}, "a")},
		{"a --pings=3 b", but(func(c *command) { c.settings.NumPings = 3 }, "a", "b")},
		{"a --pings 3 b", but(func(c *command) { c.settings.NumPings = 3 }, "a", "b")},
		{"-p 3 -p 4 a", but(func(c *command) { c.settings.NumPings = 4 }, "a")},
		{"-p 65535 a", but(func(c *command) {
			c.settings.NumPings, c.settings.Interval = 65535, 100*time.Millisecond/65535
		}, "a")},
		{"-H 7 a", but(func(c *command) { c.settings.Hops = 7 }, "a")},
		{"--hops 1000 a", but(func(c *command) { c.settings.Hops = 255 }, "a")},
		{"-Pt a", but(func(c *command) { c.settings.Ping, c.settings.Trace = false, true }, "a")},
		{"--no-ping --port-scan a", but(func(c *command) { c.settings.Ping, c.settings.Scan = false, true }, "a")},
		{"--trace --json a", but(func(c *command) { c.settings.Trace, c.settings.JSON = true, true }, "a")},
		{"--method tcp --port 8443 --flows=16 a", but(func(c *command) {
			c.settings.Trace, c.settings.Method, c.settings.Port, c.settings.Flows = true, vitals.MethodTCP, 8443, 16
		}, "a")},
		{"-t --asn-db x.mmdb a", but(func(c *command) { c.settings.Trace, c.asn.File = true, "x.mmdb" }, "a")},
		{"-t --asn dns a", but(func(c *command) { c.settings.Trace, c.asn.DNS = true, true }, "a")},
		{"--mtu a", but(func(c *command) {
			c.settings.Trace, c.settings.Details, c.settings.MTU = true, true, true
		}, "a")},
		{"-t --details a", but(func(c *command) { c.settings.Trace, c.settings.Details = true, true }, "a")},
		{"-j a", but(func(c *command) { c.settings.JSON = true }, "a")},
		{"--payload-size 1337 a", but(func(c *command) { c.settings.Payload = 1337 }, "a")},
		{"--payload-size=65507 a", but(func(c *command) { c.settings.Payload = 65507 }, "a")},
		{"--timeout 2s a", but(func(c *command) { c.settings.Timeout = 2 * time.Second }, "a")},
		{"--timeout 250 a", but(func(c *command) { c.settings.Timeout = 250 * time.Millisecond }, "a")},
		{"--interval 0 a", but(func(c *command) { c.interval, c.settings.Interval = 0, 0 }, "a")},
		{"--interval 1.5 a", but(func(c *command) {
			c.interval = 1500 * time.Microsecond
			c.settings.Interval = c.interval
		}, "a")},
		{"--scan-parallel 65535 a", but(func(c *command) { c.scans = 65535 }, "a")},
		{"--source eth0 a", but(func(c *command) { c.settings.Source = "eth0" }, "a")},
		{"--rate 2.5 a", but(func(c *command) { c.rate = 2.5 }, "a")},
		{"-4 a", but(func(c *command) { c.ipv4, c.settings.Family = true, vitals.Family4 }, "a")},
		{"-6 -6 a", but(func(c *command) { c.ipv6, c.settings.Family = true, vitals.Family6 }, "a")},
		{"-t -- -p a", but(func(c *command) { c.settings.Trace = true }, "-p", "a")},
		{"- a", standard("-", "a")},
	}
	for _, test := range tests {
		c, err := parse(strings.Fields(test.line))
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		if !slices.Equal(c.hosts, test.want.hosts) {
			t.Errorf("%s: hosts %q, want %q", test.line, c.hosts, test.want.hosts)
		}
		got, want := *c, test.want
		got.hosts, want.hosts = nil, nil
		if got.settings != want.settings || got.rate != want.rate || got.scans != want.scans || got.interval != want.interval || got.ipv4 != want.ipv4 || got.ipv6 != want.ipv6 {
			t.Errorf("%s:\n got %+v\nwant %+v", test.line, got, want)
		}
	}
}

// TestUsageErrors are one line each, and exit status 2.
func TestUsageErrors(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", "no host given"},
		{"-t", "no host given"},
		{"--", "no host given"},
		{"-P a", "nothing to measure"},
		{"-4 -6 a", "-4 and -6 exclude each other"},
		{"-46 a", "-4 and -6 exclude each other"},
		{"-x a", `unknown option "-x"`},
		{"-tx a", `unknown option "-x"`},
		{"--bogus a", `unknown option "--bogus"`},
		{"--bogus=3 a", `unknown option "--bogus"`},
		{"--4 a", `unknown option "--4"`},
		{"--trace=1 a", "option --trace takes no value"},
		{"--details=1 a", "option --details takes no value"},
		{"--method igmp a", "is not icmp, udp or tcp"},
		{"--port 0 a", "--port"},
		{"--flows 65 a", "--flows"},
		{"--scan-parallel 0 a", `option --scan-parallel: "0": must be an integer from 1 to 65535`},
		{"--scan-parallel 65536 a", "must be an integer from 1 to 65535"},
		{"--asn whois a", `must be "dns"`},
		{"--asn dns --asn-db x a", "not both"},
		{"a -p", "option -p needs a value"},
		{"a -tp", "option -p needs a value"},
		{"a --pings", "option --pings needs a value"},
		{"-p x a", `option -p: "x": must be an integer from 1 to 65535`},
		{"-p 0 a", "must be an integer from 1 to 65535"},
		{"-p 65536 a", "must be an integer from 1 to 65535"},
		{"-p -1 a", "must be an integer from 1 to 65535"},
		{"--pings= a", "must be an integer from 1 to 65535"},
		{"-H 0 a", "must be an integer from 1 to"},
		{"-H 99999999999999999999 a", "must be an integer from 1 to"},
		{"--payload-size 0 a", "must be an integer from 1 to 65507"},
		{"--payload-size 65508 a", "must be an integer from 1 to 65507"},
		{"--timeout 0 a", "must be more than 0"},
		{"--timeout -1 a", "option --timeout"},
		{"--timeout nan a", "option --timeout"},
		{"--interval -1 a", "option --interval"},
		{"--interval 1parsec a", "option --interval"},
		{"--rate 0 a", "must be a number of probes a second, more than 0"},
		{"--rate -5 a", "more than 0"},
		{"--rate inf a", "more than 0"},
		{"--rate NaN a", "more than 0"},
	}
	for _, test := range tests {
		args := strings.Fields(test.line)
		if _, err := parse(args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want a usage error", test.line, err)
		}
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), args, &stdout, &stderr, nil)
		text := stderr.String()
		if status != exitUsage || stdout.Len() > 0 || !strings.HasPrefix(text, "connvitals: ") ||
			strings.Count(text, "\n") != 1 || !strings.Contains(text, test.want) || !strings.Contains(text, "connvitals --help") {
			t.Errorf("%q: status %d, standard error %q, want 2 and %q", test.line, status, text, test.want)
		}
	}
}

// TestAnswers are the command lines that print something and end.
func TestAnswers(t *testing.T) {
	for line, want := range map[string]string{
		"-V": "connvitals dev\n", "--version": "connvitals dev\n", "-h": usage, "--help": usage, "-th": usage, "-hV a": usage,
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), strings.Fields(line), &stdout, &stderr, nil); status != 0 || stdout.String() != want || stderr.Len() > 0 {
			t.Errorf("%s: status %d, %q, %q", line, status, stdout.String(), stderr.String())
		}
	}
}

// FuzzParse hands over anything: an error is a usage error, and what is
// accepted can be measured.
func FuzzParse(f *testing.F) {
	for _, line := range []string{"-stp\n100\nlocalhost\n::1", "--pings=3\n--\n-x", "-46\na", "--interval\n1e300\na", "-\xff", "-\x00", "--\x00"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parse(strings.Split(line, "\n"))
		switch {
		case err != nil:
			if !errors.Is(err, errUsage) || strings.ContainsAny(err.Error(), "\n\x1b\x00") {
				t.Errorf("error %q", err)
			}
		case c.help || c.version:
		case len(c.hosts) == 0, c.settings.NumPings < 1, c.settings.NumPings > 65535, c.settings.Hops < 1, c.settings.Hops > 255,
			c.settings.Interval < 0, c.settings.Timeout <= 0, c.settings.Payload < 1, c.settings.Payload > 65507, !(c.rate > 0):
			t.Errorf("accepted: %+v", c)
		}
	})
}

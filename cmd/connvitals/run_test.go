// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// The lines of contract 1.4.
const (
	number       = `\d+\.\d{3}`
	pings        = number + `(?:\t` + number + `){3}\t0\.000\n`
	lost         = `-1\.000(?:\t-1\.000){3}\t100\.000\n`
	nobodyServes = `None\tNone\tNone\n`
)

// fence drops what is sent to 127.6.6.6 and ::6, which is on loopback.
func fence(n *netlab.Node) {
	n.IP("addr", "add", "::6/128", "dev", "lo", "nodad")
	n.NFT(`table inet fence {
	chain input {
		type filter hook input priority 0
		ip daddr 127.6.6.6 drop
		ip6 daddr ::6 drop
	}
}`)
}

// TestRun measures real hosts with the real program.
func TestRun(t *testing.T) {
	n := netlab.Loopback(t)
	fence(n)
	tests := []struct {
		line           string
		status         int
		stdout, stderr string // regular expressions of the whole
	}{
		// As the contract's reader would try it; also defect 34, which needed
		// more than one CPU.
		{
			"-stp 100 localhost ::1", 0,
			`localhost \(127\.0\.0\.1\)\n` + pings + `127\.0\.0\.1\t` + number + `\n` + nobodyServes +
				`::1\n` + pings + `::1\t` + number + `\n` + nobodyServes, "",
		},
		{"127.0.0.1", 0, `127\.0\.0\.1\n` + pings, ""},
		{"::1 127.0.0.2 127.0.0.1 ::1", 0, `::1\n` + pings + `127\.0\.0\.2\n` + pings + `127\.0\.0\.1\n` + pings + `::1\n` + pings, ""},
		{"-4 localhost", 0, `localhost \(127\.0\.0\.1\)\n` + pings, ""},
		{"-Pt 127.0.0.1", 0, `127\.0\.0\.1\n127\.0\.0\.1\t` + number + `\n`, ""},
		{
			"-Pt --details 127.0.0.1", 0,
			`127\.0\.0\.1\nTTL  address(?: \(name\) +|    )loss  RTT ms\n  1  127\.0\.0\.1 .* ` + number + `\n`, "",
		},
		{
			"-Ptj --details ::1", 0,
			`\{"addr":"::1","name":"::1","trace":\[\["::1",[0-9.]+\]\],"path":\{"method":"icmp","end":"reached","hops":\[` +
				`\{"ttl":1,"addr":"::1","rtt":[0-9.]+,.*\}\]\}\}\n`, "",
		},
		// Pings are as without. Only a name has been looked up.
		{
			"-s --details 127.0.0.1", 0,
			`127\.0\.0\.1\n` + pings + `service  state\nhttp     closed  connection refused\nhttps .*\nmysql .*\n`, "",
		},
		{
			"-Ps --details localhost", 0,
			`localhost \(127\.0\.0\.1\)\nservice  state   lookup\nhttp     closed +` + number + `  connection refused\nhttps .*\nmysql .*\n`, "",
		},
		{
			"-Pj --details --ports 2000-2009 localhost", 0,
			`.*"scan":\{"2000-2009":\{"state":"closed","reason":"10 closed","lookup":[0-9.]+\}\}\}\n`, "",
		},
		{"-P --ports ssh,7-9 localhost", 0, `localhost \(127\.0\.0\.1\)\nNone\t7-9: None\n`, ""},
		{"-Ps ::1", 0, `::1\n` + nobodyServes, ""},
		{"--source 127.0.0.9 127.0.0.1", 0, `127\.0\.0\.1\n` + pings, ""},
		{"--payload-size 65507 -p 3 127.0.0.1", 0, `127\.0\.0\.1\n` + pings, ""},
		// A host that does not answer is a result.
		{"-p 3 --timeout 200 127.6.6.6", 0, `127\.6\.6\.6\n` + lost, ""},
		{"-p 3 --timeout 200 ::6 ::1", 0, `::6\n` + lost + `::1\n` + pings, ""},
		{"-tP -H 2 --timeout 200 127.6.6.6", 0, `127\.6\.6\.6\n\*\n\*\n`, ""},
		{"-ts -p 3 -H 1 --timeout 200 127.6.6.6", 0, `127\.6\.6\.6\n` + lost + `\*\n` + nobodyServes, ""},
		// What cannot be measured is an error, beside what can.
		{"nowhere.invalid 127.0.0.1", 0, `127\.0\.0\.1\n` + pings, `EE: HostError: resolve "nowhere\.invalid": .*\n`},
		{"nowhere.invalid elsewhere.invalid", 1, "", `(EE: HostError: resolve "(nowhere|elsewhere)\.invalid": .*\n){2}`},
		{"-4 ::1 127.0.0.1", 0, `127\.0\.0\.1\n` + pings, `EE: HostError: ::1 is not an IPv4 address.*\n`},
		{"-6 127.0.0.1", 1, "", `EE: HostError: 127\.0\.0\.1 is not an IPv6 address.*\n`},
		{"a..b 0.0.0.0 10.0.0.0/30", 1, "", `(EE: HostError: .*\n){3}`},
		{"--source nosuch0 127.0.0.1", 1, "", `EE: HostError: 127\.0\.0\.1: source "nosuch0": .*\n`},
		{"--source ::1 127.0.0.1", 1, "", `EE: HostError: 127\.0\.0\.1: source ::1 is not of the address family .*\n`},
		{"192.0.2.1", 1, "", `EE: LocalError: 192\.0\.2\.1: 10 of 10 pings .*network is unreachable.*\n`},
		{"-Ps 192.0.2.1", 1, "", `EE: LocalError: 192\.0\.2\.1: .*this machine has no route to it.*network is unreachable.*\n`},
		{"192.0.2.1 ::1", 0, `::1\n` + pings, `EE: LocalError: 192\.0\.2\.1: .*\n`},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel()
			o := measure(t, n, strings.Fields(test.line)...)
			if o.status != test.status {
				t.Errorf("status %d, want %d", o.status, test.status)
			}
			for _, stream := range []struct{ name, text, want string }{
				{"standard output", o.stdout, test.stdout}, {"standard error", o.stderr, test.stderr},
			} {
				if !regexp.MustCompile(`^` + stream.want + `$`).MatchString(stream.text) {
					t.Errorf("%s %q, want %q", stream.name, stream.text, stream.want)
				}
			}
		})
	}
}

// TestJSON is one valid object a line, with the members in their order.
func TestJSON(t *testing.T) {
	n := netlab.Loopback(t)
	fence(n)
	o := measure(t, n, "-jst", "-p", "3", "--timeout", "200", "-H", "3", "::1", "127.6.6.6", "localhost")
	lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
	if o.status != 0 || o.stderr != "" || len(lines) != 3 {
		t.Fatalf("%+v, want three lines", o)
	}
	shape := regexp.MustCompile(`^\{"addr":"[^"]+","name":"[^"]+","ping":\{"min":.*,"avg":.*,"max":.*,"std":.*,"loss":[0-9]+\},"trace":\[.*\],` +
		`"scan":\{"http":"None","https":"None","mysql":"None"\}\}$`)
	for i, want := range []struct {
		addr, name string
		least, los float64
		hops       int
	}{{"::1", "::1", 0, 0, 1}, {"127.6.6.6", "127.6.6.6", -1, 100, 3}, {"127.0.0.1", "localhost", 0, 0, 1}} {
		var r struct {
			Addr, Name string
			Ping       struct{ Min, Avg, Max, Std, Loss float64 }
			Trace      [][]any
		}
		if err := json.Unmarshal([]byte(lines[i]), &r); err != nil || !shape.MatchString(lines[i]) {
			t.Errorf("%s: %v", lines[i], err)
		}
		if r.Addr != want.addr || r.Name != want.name || r.Ping.Loss != want.los || (r.Ping.Min < 0) != (want.least < 0) || len(r.Trace) != want.hops {
			t.Errorf("%s: want %+v", lines[i], want)
		}
	}
}

// TestPain17Unprivileged measures by datagram sockets where they are allowed,
// and says what would help where they are not.
func TestPain17Unprivileged(t *testing.T) {
	n := netlab.Loopback(t)
	user := executable.Nobody(t)
	as := func(args ...string) outcome {
		cmd, stdout, stderr := program(args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
		return finish(t, n, cmd, stdout, stderr)
	}
	n.AllowPings()
	if o := as("-t", "127.0.0.1", "::1"); o.status != 0 || o.stderr != "" ||
		!regexp.MustCompile(`^127\.0\.0\.1\n`+pings+`127\.0\.0\.1\t`+number+`\n::1\n`+pings+`::1\t`+number+`\n$`).MatchString(o.stdout) {
		t.Errorf("where datagram sockets are allowed: %+v", o)
	}
	n.DenyPings()
	if o := as("127.0.0.1"); o.status != 1 || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "setcap cap_net_raw+ep") {
		t.Errorf("where they are not: %+v", o)
	}
	if o := as("-Ps", "127.0.0.1"); o.status != 0 || o.stderr != "" || !strings.Contains(o.stdout, "None\tNone\tNone") {
		t.Errorf("a scan alone: %+v", o)
	}
}

// TestInterrupt ends a run that would take 100 s; what is complete is printed.
func TestInterrupt(t *testing.T) {
	n := netlab.Loopback(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, stdout, stderr := program("-p", "1000", "--interval", "100", "127.0.0.1")
		before := n.EchoRequests()
		begin(t, n, cmd)
		netlab.Await(t, "echo request", func() bool { return n.EchoRequests() > before })
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if o := ended(t, cmd, stdout, stderr); o.status != 1 || o.stdout != "" || o.stderr != "" {
			t.Errorf("%v: %+v, want status 1 and nothing", s, o)
		}
	}
}

// TestCancelledContext ends before anything is measured.
func TestCancelledContext(t *testing.T) {
	netlab.New(t) // for the privilege
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if status := run(ctx, []string{"127.0.0.1"}, &stdout, &stderr, nil); status != exitNothing || stdout.Len() > 0 {
		t.Errorf("status %d, %q, %q", status, stdout.String(), stderr.String())
	}
}

// TestOutputError is told, with exit status 1.
func TestOutputError(t *testing.T) {
	netlab.New(t) // for the privilege
	var stderr bytes.Buffer
	status := run(t.Context(), []string{"-p", "1", "127.0.0.1"}, brokenWriter{}, &stderr, nil)
	if status != exitNothing || !strings.Contains(stderr.String(), "EE: OutputError: ") || !strings.Contains(stderr.String(), errBroken.Error()) {
		t.Errorf("status %d, %q", status, stderr.String())
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close() //nolint:errcheck // nothing was kept
	stderr.Reset()
	if status := run(t.Context(), []string{"-p", "1", "127.0.0.1"}, full, &stderr, nil); status != exitNothing || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("full disk: status %d, %q", status, stderr.String())
	}
}

var errBroken = errors.New("nobody reads")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

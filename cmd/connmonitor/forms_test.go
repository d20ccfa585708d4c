// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// feeds are the three ways to hand over a configuration.
func feeds(t *testing.T, text string) map[string]setup {
	return map[string]setup{
		"file":  {args: []string{config(t, text)}},
		"stdin": {stdin: text},
		"dash":  {args: []string{"-"}, stdin: text},
	}
}

// TestForms monitors in both forms and both syntaxes, from a file and from
// standard input, and reads all that comes of it.
func TestForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		shape      shape
		want       []string // name and address, ping, trace, scan
	}{
		{
			"global-text", "1 1 1 4 41 30 0 20\nlocalhost\n127.0.0.1 # a comment\n\n::1\r\n",
			shape{bundled: true},
			[]string{"localhost 127.0.0.1 ping", "127.0.0.1 127.0.0.1 ping", "::1 ::1 ping"},
		},
		{
			"global-json", "1 -1 7 4 41 300 -5 20\n127.0.0.1\n::1\n",
			shape{bundled: true, json: true},
			[]string{"127.0.0.1 127.0.0.1 ping", "::1 ::1 ping"},
		},
		{
			"separate-text", "localhost PING=20 numpings=2 trace=30 scan=30\n::1 ping=20 payload=1337\n",
			shape{},
			[]string{"localhost 127.0.0.1 ping", "localhost 127.0.0.1 scan", "::1 ::1 ping"},
		},
		{
			"separate-json", "127.0.0.1 ping=20 numpings=2 trace=30 scan=30 json=True\n::1 ping=0.02s payload=8 json=1\n",
			shape{json: true},
			[]string{"127.0.0.1 127.0.0.1 ping", "127.0.0.1 127.0.0.1 scan", "::1 ::1 ping"},
		},
		{
			"separate-bare", "127.0.0.1 ping=20 scan=30 timestamp=False\nlocalhost trace=20 timestamp=0\n",
			shape{bare: true},
			[]string{"127.0.0.1 127.0.0.1 ping", "127.0.0.1 127.0.0.1 scan", "localhost 127.0.0.1 ping"},
		},
	}
	n := netlab.Loopback(t)
	for _, test := range tests {
		for feed, s := range feeds(t, test.text) {
			t.Run(test.name+"/"+feed, func(t *testing.T) {
				t.Parallel()
				p := start(t, n, s)
				p.out.until("three of each", func(text string) bool {
					rs, err := test.shape.parse(text)
					return err == nil && enough(rs, test.want, 3)
				})
				p.terminates()
				p.silent()
				checkForms(t, test.shape.records(t, p.out.text()))
			})
		}
	}
}

// enough reports whether rs hold n of each.
func enough(rs []record, want []string, n int) bool {
	seen := map[string]int{}
	for _, r := range rs {
		for statistic, has := range map[string]bool{"ping": r.ping != nil, "trace": r.trace != nil, "scan": r.scan != nil} {
			if has {
				seen[r.name+" "+r.addr+" "+statistic]++
			}
		}
	}
	for _, each := range want {
		if seen[each] < n {
			return false
		}
	}
	return true
}

// checkForms checks what is always so on loopback: nothing is lost, the route
// has one hop and is told once, and nobody serves.
func checkForms(t *testing.T, rs []record) {
	t.Helper()
	traces := map[string]int{}
	for _, r := range rs {
		if r.ping != nil && r.ping[4] != 0 {
			t.Errorf("%s: %v %% loss", r.name, r.ping[4])
		}
		if r.trace != nil {
			traces[r.name]++
			if len(r.trace) != 1 || r.trace[0] != r.addr {
				t.Errorf("%s: route %q, want the host alone", r.name, r.trace)
			}
		}
		for _, service := range r.scan {
			if strings.Trim(service, `"`) != "None" {
				t.Errorf("%s: service %s, want None", r.name, service)
			}
		}
	}
	for name, count := range traces {
		if count != 1 {
			t.Errorf("%s: the route was told %d times, want once", name, count)
		}
	}
}

// serve is a web server on the node's 127.0.0.1:80 that names itself as it is
// told.
func serve(t *testing.T, n *netlab.Node, software string) {
	t.Helper()
	var l net.Listener
	var err error
	n.Do(func() { l, err = net.Listen("tcp", "127.0.0.1:80") })
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: hang,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			// Around net/http, which would make the header harmless.
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nServer: %s\r\nContent-Length: 0\r\n\r\n", software)
			_ = conn.Close()
		}),
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// TestDefect19HostileServerHeader scans a server whose name would forge a JSON
// member, a line and a terminal's colour.
func TestDefect19HostileServerHeader(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	serve(t, n, "evil\",\"injected\":\"1\x1b[31m\ttab\xff\\")
	p := start(t, n, setup{stdin: "127.0.0.1 ping=0 scan=20 json=1\n"})
	p.out.has("\n", 3)
	p.terminates()
	for _, r := range (shape{json: true}).records(t, p.out.text()) {
		if !strings.Contains(r.scan[0], `"server":"evil\",\"injected\":\"1\u001b[31m\u0009tab`) {
			t.Errorf("http %s: not as it was sent, escaped", r.scan[0])
		}
	}
	p = start(t, n, setup{stdin: "127.0.0.1 ping=0 scan=20\n"})
	p.out.has(", 200, ", 3)
	p.terminates()
	(shape{}).records(t, p.out.text())
}

// TestDefect3SameHostTwice watches one host by two lines, and by two processes
// beside each other: no line takes a reply of the other (pain 1).
func TestDefect3SameHostTwice(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	const text = "127.0.0.1 ping=20 numpings=5 json=1\n127.0.0.1 ping=20 numpings=5 json=1\n::1 ping=20 numpings=5 json=1\n::1 ping=20 numpings=5 payload=4 json=1\n"
	ps := []*program{start(t, n, setup{stdin: text}), start(t, n, setup{stdin: text})}
	for _, p := range ps {
		p.out.has("\n", 80)
	}
	for _, p := range ps {
		p.terminates()
		p.silent()
		for _, r := range (shape{json: true}).records(t, p.out.text()) {
			if r.ping[4] != 0 {
				t.Errorf("%s: %v %% loss, where nothing is lost", r.name, r.ping[4])
			}
		}
	}
}

// TestPain5DeadHostSpoilsNobody has a host that answers beside one whose
// packets vanish (defect 1).
func TestPain5DeadHostSpoilsNobody(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	n.NFT("table ip fence {\n chain input {\n type filter hook input priority 0;\n ip daddr 127.6.6.6 drop\n }\n}")
	p := start(t, n, setup{stdin: "127.6.6.6 ping=50 numpings=2 timeout=300 json=1\n127.0.0.1 ping=50 numpings=2 json=1\n"})
	p.out.has(`"name":"127.6.6.6"`, 5)
	p.terminates()
	p.silent()
	rs := (shape{json: true}).records(t, p.out.text())
	for _, r := range of(rs, "127.6.6.6") {
		if r.ping[4] != 100 {
			t.Errorf("the dead host has %v %% loss", r.ping[4])
		}
	}
	alive := of(rs, "127.0.0.1")
	if len(alive) < 5 {
		t.Errorf("%d records of the host that answers", len(alive))
	}
	for _, r := range alive {
		if r.ping[4] != 0 {
			t.Errorf("the host that answers has %v %% loss", r.ping[4])
		}
	}
}

// TestDefect32ScopedAddress has a % in the name.
func TestDefect32ScopedAddress(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	n.IP("link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b")
	n.IP("addr", "add", "fe80::a/64", "dev", "veth-a", "nodad")
	n.IP("link", "set", "veth-a", "up")
	n.IP("link", "set", "veth-b", "up")
	p := start(t, n, setup{stdin: "fe80::a%veth-a ping=20 numpings=2 trace=20 json=1\n"})
	p.out.has(`"loss":0}`, 3)
	p.terminates()
	for _, r := range (shape{json: true}).records(t, p.out.text()) {
		if r.name != "fe80::a%veth-a" {
			t.Errorf("name %q", r.name)
		}
	}
}

// TestStartsAreSpread has 60 hosts that begin 10 ms apart (contract 1.2). Fake
// time says how exactly, in package monitor; here a busy machine may make some
// of them a few ms early, and all of them late.
func TestStartsAreSpread(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	p := start(t, n, setup{stdin: "127.1.1.0-127.1.1.59 ping=10000 numpings=1 json=1\n"})
	p.out.has("\n", 60)
	begun := float64(p.started.UnixNano()) / 1e6
	p.terminates()
	rs := (shape{json: true}).records(t, p.out.text())
	for i := range 60 {
		mine := of(rs, fmt.Sprintf("127.1.1.%d", i))
		if len(mine) != 1 {
			t.Fatalf("host %d: %d records, want 1", i, len(mine))
		}
		if since, least := mine[0].time-begun, float64(5*i)-20; since < least {
			t.Errorf("host %d: its record came after %v ms, want %v at least", i, since, least)
		}
	}
}

// TestRate caps the probes of the whole process: it has no more credit than for
// the time that it ran.
func TestRate(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	p := start(t, n, setup{args: []string{"--rate", "200"}, stdin: "127.0.0.1 ping=1 numpings=1 json=1\n::1 ping=1 numpings=1 json=1\n"})
	p.out.has("\n", 100)
	p.terminates()
	ran := time.Since(p.started)
	rs := (shape{json: true}).records(t, p.out.text())
	if most := 200*ran.Seconds() + 10; float64(len(rs)) > most {
		t.Errorf("%d pings in %v, want at most %.0f", len(rs), ran, most)
	}
}

// TestQuietMeasures prints nothing and measures.
func TestQuietMeasures(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	p := start(t, n, setup{args: []string{"--quiet"}, stdin: "127.0.0.1 ping=10 numpings=2\n"})
	p.echoes(20)
	p.terminates()
	p.silent()
	if text := p.out.text(); text != "" {
		t.Errorf("standard output %q, want nothing", text)
	}
}

// TestPain3UnresolvableNames keeps the monitor up when no name resolves (pain 3),
// and measures the others when some do not.
func TestPain3UnresolvableNames(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t) // where no name server can be asked
	p := start(t, n, setup{stdin: "nowhere.invalid\n"})
	p.err.has("EE: ResolveError: ", 1)
	p.terminates()
	p = start(t, n, setup{stdin: "nowhere.invalid\n127.0.0.1 ping=20\nelsewhere.invalid trace=100\n"})
	p.out.has("127.0.0.1\n", 5)
	p.err.has("\n", 2)
	p.terminates()
	(shape{}).records(t, p.out.text())
	for _, e := range p.told() {
		if e.typ != "ResolveError" || !strings.Contains(e.text, ".invalid") {
			t.Errorf("unexpected line %+v", e)
		}
	}
}

// TestPain17NoPrivilege runs as an ordinary user without any way to ping: one error
// that says what would help, and exit status 1; with a scan it stays.
func TestPain17NoPrivilege(t *testing.T) {
	t.Parallel()
	user, n := executable.Nobody(t), netlab.Loopback(t)
	n.DenyPings()
	p := start(t, n, setup{stdin: "127.0.0.1 ping=20 scan=20 json=1\n", user: user})
	p.out.has("\n", 3)
	p.terminates()
	es := entries(t, p.err.text())
	if len(es) != 1 || !strings.Contains(es[0].text, "setcap cap_net_raw+ep") || !strings.Contains(es[0].text, "ping_group_range") {
		t.Errorf("standard error %+v, want one line with what would help", es)
	}
	p = start(t, n, setup{stdin: "127.0.0.1 ping=20\n", user: user})
	p.exits(exitError)
}

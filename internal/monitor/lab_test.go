// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/config"
	"connmonitor/internal/prober"
	"connmonitor/internal/report"
	"connmonitor/internal/resolve"
	"connmonitor/internal/service"
	"connmonitor/internal/simnet"
	"connmonitor/internal/vantage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a monitor in a simulated network and in fake time: all of it lives in
// one synctest bubble.
type lab struct {
	*testing.T
	net     *simnet.Net
	monitor *Monitor
	begun   time.Time
	out     sheet
	log     sheet
	names   names
	reloads chan struct{}
	start   func() // of the monitor, by the first that needs it
	stop    context.CancelFunc
	ended   chan error

	mu   sync.Mutex
	load func() (*config.Config, error)
}

// inFakeTime runs f in a bubble, with a monitor of text in the network of
// scenario.
func inFakeTime(t *testing.T, scenario, text string, f func(l *lab), change ...func(o *Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, reloads: make(chan struct{}, 1), ended: make(chan error, 1)}
		l.begun = time.Now()
		l.network(scenario)
		c, err := config.Read(strings.NewReader(text), "test.conf")
		if err != nil {
			t.Fatal(err)
		}
		log := report.NewLog(&l.log, false)
		o := Options{
			Config: c, Load: l.read, Log: log, Output: report.NewOutput(&l.out, log, report.Options{}),
			Resolver: resolve.Options{Lookup: l.names.look},
			Vantage: vantage.Options{
				Loop:    prober.Options{Clock: l.net.Clock, OpenSocket: l.net.OpenSocket},
				Scanner: service.New(service.Options{Port: func(string) uint16 { return closedPort }}),
			},
		}
		for _, c := range change {
			c(&o)
		}
		l.monitor = New(o)
		ctx, cancel := context.WithCancel(t.Context())
		l.stop = cancel
		l.start = sync.OnceFunc(func() {
			go func() { l.ended <- l.monitor.Run(ctx, l.reloads) }()
		})
		f(l)
		if len(l.ended) == 0 {
			l.end(nil)
		}
		for _, failure := range l.net.Failures() {
			t.Error(failure)
		}
	})
}

// closedPort is one where nobody listens.
const closedPort = 1

func (l *lab) network(scenario string) {
	l.Helper()
	n, err := simnet.New(1, scenario)
	if err != nil {
		l.Fatal(err)
	}
	l.net = n
}

// apply changes the network.
func (l *lab) apply(statements string) {
	l.Helper()
	if err := l.net.Apply(statements); err != nil {
		l.Fatal(err)
	}
}

// pass lets time pass.
func (l *lab) pass(d time.Duration) {
	l.start()
	time.Sleep(d)
	synctest.Wait()
}

// end stops the monitor, if it has not ended, and compares what Run returns.
func (l *lab) end(want error) {
	l.Helper()
	l.start()
	l.stop()
	err := <-l.ended
	l.ended <- err
	if !errors.Is(err, want) || want == nil && err != nil {
		l.Errorf("Run returned %v, want %v", err, want)
	}
}

// reload has the monitor read text, and waits until it has.
func (l *lab) reload(text string) {
	l.Helper()
	l.reloadBy(func() (*config.Config, error) { return config.Read(strings.NewReader(text), "test.conf") })
}

func (l *lab) reloadBy(load func() (*config.Config, error)) {
	l.mu.Lock()
	l.load = load
	l.mu.Unlock()
	l.start()
	l.reloads <- struct{}{}
	synctest.Wait()
}

func (l *lab) read() (*config.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.load()
}

// sheet is something to write on.
type sheet struct {
	mu   sync.Mutex
	text []byte
}

func (s *sheet) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

func (s *sheet) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(string(s.text), "\n"), "\n")
}

// clear forgets what was written.
func (s *sheet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = nil
}

// said are the lines of the log without their times.
func (l *lab) said() []string {
	var said []string
	for _, line := range l.log.lines() {
		text, _, ok := strings.Cut(line, "\t")
		if ok {
			said = append(said, strings.TrimSuffix(strings.TrimSuffix(text, " -"), ":"))
		}
	}
	return said
}

// wantSaid checks what the log says, line by line: each begins as wanted.
func (l *lab) wantSaid(want ...string) {
	l.Helper()
	said := l.said()
	good := len(said) == len(want)
	for i := range min(len(said), len(want)) {
		good = good && strings.HasPrefix(said[i], want[i])
	}
	if !good {
		l.Errorf("the log says\n\t%s\nwant lines that begin with\n\t%s", strings.Join(said, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantSaidBeside is wantSaid without the lines that begin with other, which
// another goroutine says at the same moment, and not again while it holds.
func (l *lab) wantSaidBeside(other string, want ...string) {
	l.Helper()
	said := l.said()
	of := slices.DeleteFunc(slices.Clone(said), func(line string) bool { return strings.HasPrefix(line, other) })
	good := len(of) == len(want) && len(of) < len(said)
	for i := range min(len(of), len(want)) {
		good = good && strings.HasPrefix(of[i], want[i])
	}
	if !good {
		l.Errorf("the log says\n\t%s\nwant lines that begin with\n\t%s\nand %s", strings.Join(said, "\n\t"), strings.Join(want, "\n\t"), other)
	}
}

// record is one JSON record.
type record struct {
	Addr, Name string
	Timestamp  float64
	Ping       *struct{ Min, Avg, Max, Std, Loss float64 }
	Trace      [][]any
	Scan       map[string]any
	at         time.Duration // since the monitor began, by Timestamp
}

// records are all that were printed for a name, which are JSON; for all when
// it is empty.
func (l *lab) records(name string) []record {
	l.Helper()
	var rs []record
	for _, line := range l.out.lines() {
		if line == "" {
			continue
		}
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			l.Errorf("%q: %v", line, err)
		}
		r.at = time.Duration(r.Timestamp*1e6) - time.Duration(l.begun.UnixNano())
		if name == "" || r.Name == name {
			rs = append(rs, r)
		}
	}
	return rs
}

// count is how many of the records satisfy ok.
func count(rs []record, ok func(r *record) bool) int {
	n := 0
	for i := range rs {
		if ok(&rs[i]) {
			n++
		}
	}
	return n
}

func isPing(r *record) bool  { return r.Ping != nil }
func isTrace(r *record) bool { return r.Trace != nil }

// names is a name server.
type names struct {
	mu    sync.Mutex
	known map[string][]string // addresses; nil: the server fails
	asked int
}

// set changes what a name resolves to; no address: it does not exist.
func (n *names) set(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string][]string)
	}
	n.known[name] = append([]string{}, addresses...)
}

// fail lets questions for a name not be answered.
func (n *names) fail(name string) {
	n.set(name)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[name] = nil
}

// questions is how often any of the names was asked for.
func (n *names) questions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func (n *names) look(_ context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host = strings.TrimSuffix(host, ".")
	n.asked++
	addresses, ok := n.known[host]
	if ok && addresses == nil {
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, Server: "192.0.2.53:53", IsTemporary: true}
	}
	var found []netip.Addr
	for _, a := range addresses {
		addr := netip.MustParseAddr(a)
		if network == "ip" || addr.Is4() == (network == "ip4") {
			found = append(found, addr)
		}
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return found, nil
}

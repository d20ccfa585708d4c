// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/netlab"
	"connmonitor/internal/privilege"
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(orderEnv); order != "" {
		obey(order)
		return
	}
	netlab.Enter()
	goleak.VerifyTestMain(m)
}

// hang is how long a test waits for what must come; it only catches hangs.
const hang = 30 * time.Second

// result is one result that a Point handed to its sink. The fields are
// exported for JSON.
type result struct {
	Key     uint32
	Ping    *vitals.Ping
	Traced  bool
	Path    *vitals.Path
	Changed bool
	Scanned bool
	Scan    *vitals.Scan
	Cause   syscall.Errno
	Err     string
}

// sink keeps all results in the order they came.
type sink struct {
	mu   sync.Mutex
	more *sync.Cond
	all  []result
}

func newSink() *sink {
	s := &sink{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *sink) take(r result) {
	s.mu.Lock()
	s.all = append(s.all, r)
	s.mu.Unlock()
	s.more.Broadcast()
}

func (s *sink) Pinged(key uint32, p *vitals.Ping, cause syscall.Errno) {
	kept := *p
	s.take(result{Key: key, Ping: &kept, Cause: cause})
}

func (s *sink) Traced(key uint32, path *vitals.Path, changed bool, cause syscall.Errno) {
	s.take(result{Key: key, Traced: true, Path: path, Changed: changed, Cause: cause})
}

func (s *sink) Scanned(key uint32, scan *vitals.Scan, err error) {
	r := result{Key: key, Scanned: true, Scan: scan}
	if err != nil {
		r.Err = err.Error()
	}
	s.take(r)
}

// results are those that have come so far.
func (s *sink) results() []result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// wait waits until enough is true of what has come, and returns that; false
// after far too long.
func (s *sink) wait(enough func(all []result) bool) ([]result, bool) {
	late := false
	watchdog := time.AfterFunc(hang, func() {
		s.mu.Lock()
		late = true
		s.mu.Unlock()
		s.more.Broadcast()
	})
	defer watchdog.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !enough(s.all) && !late {
		s.more.Wait()
	}
	return slices.Clone(s.all), !late
}

// until is wait for tests.
func (s *sink) until(t *testing.T, what string, enough func(all []result) bool) []result {
	t.Helper()
	all, ok := s.wait(enough)
	if !ok {
		t.Fatalf("%s did not come; %d results did, the last is %s", what, len(all), last(all))
	}
	return all
}

// of lists the results of one target.
func of(all []result, key uint32) []result {
	return slices.DeleteFunc(slices.Clone(all), func(r result) bool { return r.Key != key })
}

// results waits for n results of a target and returns them.
func (s *sink) of(t *testing.T, key uint32, n int) []result {
	t.Helper()
	return of(s.until(t, fmt.Sprintf("result %d of target %d", n, key), func(all []result) bool {
		return len(of(all, key)) >= n
	}), key)
}

// next waits for a result of a target, of those that come from now on, that is
// wanted.
func (s *sink) next(t *testing.T, key uint32, what string, wanted func(r result) bool) result {
	t.Helper()
	from := len(s.results())
	var found result
	s.until(t, what, func(all []result) bool {
		for ; from < len(all); from++ {
			if all[from].Key == key && wanted(all[from]) {
				found = all[from]
				return true
			}
		}
		return false
	})
	return found
}

func last(all []result) string {
	if len(all) == 0 {
		return "none"
	}
	b, _ := json.Marshal(all[len(all)-1])
	return string(b)
}

// bench is a running Point in a node.
type bench struct {
	*sink
	t     *testing.T
	node  *netlab.Node
	point *Point
	end   context.CancelFunc
	ended chan error
}

// run runs a Point in a node until the test ends. Only sockets of the kinds
// can be opened, as if privilege were missing for the others; none means all.
func run(t *testing.T, n *netlab.Node, o Options, kinds ...rawsock.Kind) *bench {
	t.Helper()
	b := &bench{sink: newSink(), t: t, node: n, ended: make(chan error, 1)}
	o.Loop.OpenSocket = func(o rawsock.Options) (s prober.Socket, err error) {
		if len(kinds) > 0 && !slices.Contains(kinds, o.Kind) {
			return nil, fmt.Errorf("open %s socket: %w", o.Kind, syscall.EPERM)
		}
		n.Do(func() {
			var r *rawsock.Socket
			if r, err = rawsock.Open(o); err == nil {
				s = r
			}
		})
		return s, err
	}
	o.Loop.ReservePorts = func(v6 bool) (p *rawsock.Ports, err error) {
		n.Do(func() { p, err = rawsock.ReservePorts(v6) })
		return p, err
	}
	o.Loop.SourceTo = func(to rawsock.Addr, v6 bool, iface int32) (a rawsock.Addr, err error) {
		n.Do(func() { a, err = rawsock.SourceTo(to, v6, iface) })
		return a, err
	}
	b.point = New(o, b.sink)
	b.point.Open()
	for _, v6 := range both {
		if can := b.point.Can(v6); can.Err != nil {
			t.Fatal(can.Err)
		}
	}
	var ctx context.Context
	ctx, b.end = context.WithCancel(context.Background())
	go func() {
		b.ended <- b.point.Run(ctx)
		close(b.ended)
	}()
	t.Cleanup(func() {
		b.end()
		for err := range b.ended {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

// both are the families, by whether they are IPv6.
var both = []bool{false, true}

// add adds a target that starts now.
func (b *bench) add(key uint32, addr netip.Addr, s vitals.Settings) *Watch {
	b.t.Helper()
	return b.addAt(key, addr, s, time.Now())
}

// addAt adds a target that starts at some time.
func (b *bench) addAt(key uint32, addr netip.Addr, s vitals.Settings, start time.Time) *Watch {
	b.t.Helper()
	var w *Watch
	var err error
	b.node.Do(func() { w, err = b.point.Add(key, target(addr, s), addr, start) })
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func target(addr netip.Addr, s vitals.Settings) *vitals.Target {
	return &vitals.Target{ID: addr.String(), Name: addr.String(), Addr: addr, Settings: &s}
}

// account fails the test when the loops saw what no correct prober sees here.
func (b *bench) account() {
	b.t.Helper()
	for i, s := range b.probes() {
		if s.Malformed+s.Forged+s.ReceiveErrors > 0 {
			b.t.Errorf("loop %d: %+v", i, s)
		}
	}
}

// pings are settings for bursts of n pings, 2 ms apart, with a pause.
func pings(n int, pause time.Duration) vitals.Settings {
	return vitals.Settings{
		Ping: true, NumPings: n, Payload: 41, Interval: 2 * time.Millisecond, PingPause: pause, Timeout: 5 * time.Second,
	}
}

// traces are settings for traces with a pause between.
func traces(pause time.Duration) vitals.Settings {
	return vitals.Settings{Trace: true, TracePause: pause, Hops: 30, Timeout: time.Second}
}

// wantWhole checks that a burst of n was answered, each ping once.
func wantWhole(t *testing.T, r result, n int) {
	t.Helper()
	p := r.Ping
	if p == nil || p.Sent != n || p.Received != n || p.Unknown+p.Unreachable+p.Late+p.Duplicate != 0 || p.Loss() != 0 || r.Cause != 0 {
		t.Errorf("target %d: %+v, cause %v; want %d sent and received", r.Key, p, r.Cause, n)
		return
	}
	if !(0 < p.Min && p.Min <= p.Mean && p.Mean <= p.Max) {
		t.Errorf("target %d: RTTs %+v", r.Key, p)
	}
}

// orderEnv holds what a copy of the test binary is to measure.
const orderEnv = "VANTAGE_TEST_ORDER"

// order is what a copy of the test binary is to measure, in the network
// namespace and with the privileges that it finds itself in.
type order struct {
	Hosts    []netip.Addr // keys are indices
	Settings vitals.Settings
	Results  int  // of each host
	Drop     bool // privileges, when the sockets are open
}

// outcome is what it found.
type outcome struct {
	Kinds   [2]string // of the sockets
	Can     [2]Ability
	Faults  [2]string
	Dropped bool
	Results []result
}

// obey is the copy's main function.
func obey(text string) {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	s := newSink()
	p := New(Options{}, s)
	p.Open()
	var out outcome
	for i, v6 := range both {
		can := p.Can(v6)
		if can.Err != nil {
			out.Faults[i], can.Err = can.Err.Error(), nil
		}
		out.Kinds[i], out.Can[i] = can.Info.Kind.String(), can
	}
	if o.Drop {
		if err := privilege.Drop(privilege.Need{Raw: true}); err != nil {
			panic(err)
		}
		out.Dropped = lowPort() != nil
	}
	ctx, end := context.WithTimeout(context.Background(), hang)
	defer end()
	for i, host := range o.Hosts {
		if _, err := p.Add(uint32(i), target(host, o.Settings), host, time.Now()); err != nil {
			panic(err)
		}
	}
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	s.wait(func(all []result) bool {
		for i := range o.Hosts {
			if len(of(all, uint32(i))) < o.Results {
				return false
			}
		}
		return true
	})
	p.Drain()
	if err := <-ended; err != nil {
		panic(err)
	}
	out.Results = s.results()
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}

// lowPort does what only a capability allows that privilege.Drop gives up.
func lowPort() error {
	l, err := net.Listen("tcp", "127.0.0.1:7")
	if err == nil {
		_ = l.Close()
	}
	return err
}

// process prepares another process that measures in a node, started by the
// words before (setpriv ...).
func process(t *testing.T, n *netlab.Node, o order, by ...string) (start func(), wait func() outcome) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(by, self)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = append(os.Environ(), orderEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	var out []byte
	var failed error
	done := make(chan struct{})
	start = func() {
		go func() {
			defer close(done)
			n.Do(func() { out, failed = cmd.Output() })
		}()
	}
	return start, func() (got outcome) {
		t.Helper()
		<-done
		if failed != nil {
			t.Fatalf("another process: %v", failed)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("another process: %v in %s", err, out)
		}
		return got
	}
}

// probes are the accounts of both loops.
func (b *bench) probes() (s [2]prober.Stats) {
	for i := range b.point.families {
		s[i] = b.point.families[i].loop.Stats()
	}
	return s
}

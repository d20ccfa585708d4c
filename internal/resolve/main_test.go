// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/vitals"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	four1 = netip.MustParseAddr("192.0.2.1")
	four2 = netip.MustParseAddr("192.0.2.2")
	four3 = netip.MustParseAddr("192.0.2.3")
	six1  = netip.MustParseAddr("2001:db8::1")
	six2  = netip.MustParseAddr("2001:db8::2")
)

var (
	errNotFound = &net.DNSError{Err: "no such host", Name: "n", Server: "192.0.2.53:53", IsNotFound: true}
	errServer   = &net.DNSError{Err: "server misbehaving", Name: "n", Server: "192.0.2.53:53", IsTemporary: true}
	errTimeout  = &net.DNSError{Err: "i/o timeout", Name: "n", Server: "192.0.2.53:53", IsTimeout: true, IsTemporary: true}
)

// zone is a fake Lookup: what each name answers now, and when it was asked.
type zone struct {
	delay time.Duration // of each look-up

	mu     sync.Mutex
	answer map[string][]netip.Addr
	fault  map[string]error
	asked  map[string][]time.Time // by "network name"
	now    int                    // look-ups at this moment
	most   int                    // look-ups at the same moment, at most
}

func newZone() *zone {
	return &zone{
		answer: make(map[string][]netip.Addr),
		fault:  make(map[string]error),
		asked:  make(map[string][]time.Time),
	}
}

// set lets a name answer with addresses.
func (z *zone) set(name string, addrs ...netip.Addr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.answer[name] = addrs
	delete(z.fault, name)
}

// fail lets the look-ups of a name fail; "" is every name.
func (z *zone) fail(name string, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fault[name] = err
}

// times is when a question was asked.
func (z *zone) times(question string) []time.Time {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.asked[question])
}

// lookup answers like net.Resolver: only addresses of the network, and "no such
// host" when there are none.
func (z *zone) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	z.begin(network, host)
	defer z.end()
	if err := z.wait(ctx); err != nil {
		return nil, err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, name := range []string{network + " " + host, host, ""} {
		if err := z.fault[name]; err != nil {
			return nil, err
		}
	}
	addrs, known := z.answer[host]
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		return network == "ip4" && !a.Is4() || network == "ip6" && !a.Is6()
	})
	if !known || len(addrs) == 0 {
		return nil, errNotFound
	}
	return addrs, nil
}

// wait passes the delay of a look-up. No timer is made for none: timer channels
// that have expired already when several goroutines of a bubble receive from them
// share one context of the race detector, which crashes it (Go 1.26).
func (z *zone) wait(ctx context.Context) error {
	if z.delay == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(z.delay):
		return nil
	}
}

func (z *zone) begin(network, host string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	question := network + " " + host
	z.asked[question] = append(z.asked[question], time.Now())
	z.now++
	z.most = max(z.most, z.now)
}

func (z *zone) end() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.now--
}

// diary keeps the updates of a watch.
type diary struct {
	mu      sync.Mutex
	updates []Update
}

func (d *diary) note(u Update) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.updates = append(d.updates, u)
}

// take returns the updates since the last call.
func (d *diary) take() []Update {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.updates
	d.updates = nil
	return u
}

// run runs scenario in a bubble of fake time with a resolver beside it. The
// end of the bubble shows that Run left no goroutine.
func run(t *testing.T, o Options, scenario func(t *testing.T, r *Resolver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := New(o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1) // so that a failed scenario ends Run too
		go func() { ended <- r.Run(ctx) }()
		scenario(t, r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v on cancellation, want nil", err)
		}
	})
}

// pass lets fake time pass and all that is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantOne asserts that there was one update with this address, and returns it.
func wantOne(t *testing.T, d *diary, addr netip.Addr) Update {
	t.Helper()
	got := d.take()
	if len(got) != 1 || got[0].Addr != addr {
		t.Fatalf("updates %+v, want one with address %v", got, addr)
	}
	return got[0]
}

// wantNone asserts that there was no update.
func wantNone(t *testing.T, d *diary) {
	t.Helper()
	if got := d.take(); len(got) != 0 {
		t.Fatalf("updates %+v, want none", got)
	}
}

// watch follows a name of any family into a diary.
func watch(r *Resolver, name string) (*Watch, *diary) {
	d := new(diary)
	return r.Watch(name, vitals.FamilyAny, d.note), d
}

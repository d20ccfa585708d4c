// SPDX-License-Identifier: Apache-2.0

// Package resolve turns names into addresses and keeps them fresh for as long
// as somebody watches them.
//
// A name that does not resolve is a state and not the end of anything: it is
// tried again with back-off until it does. A name that did resolve is looked up
// again every few minutes, and soon when its target went silent. Its address
// changes only when the name no longer lists it: a reordered answer (round-robin,
// RFC 1794) is no change, and neither is a name server that fails, times out or
// suddenly denies the name, because an outage of the DNS must not look like an
// outage of what is monitored.
//
// What an address says is found in the background: its reverse name ([Names]) and
// the autonomous system it belongs to ([Origins]). Both answer at once with what
// they know, ask for what they do not, and forget what nobody wants.
//
// How a name is asked for is left to the [Lookup] that is handed in, usually the
// standard library's resolver, with its hosts file (hosts(5)), search list and
// RFC 6724 order. Literal addresses, the syntax of names and what to do about a
// change belong to the callers; AS numbers from a file to mmdb.
package resolve

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"connmonitor/internal/heartbeat"
)

// Lookup finds all addresses of a host name. The network is "ip", "ip4" or
// "ip6". It must return soon after ctx is done. The method LookupNetIP of
// [net.Resolver] is one.
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// Options tune a Resolver; the zero value of each field means its default.
type Options struct {
	// Lookup asks for a name; the default is Go's own resolver, which reads
	// /etc/hosts and /etc/resolv.conf.
	Lookup Lookup
	// Parallel is the most look-ups at the same time; 64.
	Parallel int
	// Refresh is the time from one successful look-up of a name to the next,
	// give or take a tenth; 5 minutes.
	Refresh time.Duration
	// MinBackoff and MaxBackoff are the first and the longest pause after a
	// look-up that failed, give or take a tenth; the pauses between double. 1 s
	// and 60 s.
	MinBackoff, MaxBackoff time.Duration
	// Timeout is how long one look-up may take; 10 s.
	Timeout time.Duration
}

// Resolver follows names. Its methods may be called from any goroutine, before,
// while and after it runs; names are looked up only while it runs.
type Resolver struct {
	o     Options
	epoch time.Time     // what the monotonic times below count from
	wake  chan struct{} // holds a token when there is something new to do
	pulse *heartbeat.Pulse

	lookups, failures, changes atomic.Uint64

	mu       sync.Mutex
	entries  map[key]*entry
	queue    queue // those that are not in flight
	inFlight int
	failing  int    // entries whose last look-up failed
	serial   uint64 // of the entry queued last
	news     []*Watch
}

// New makes a Resolver that does nothing until Run.
func New(o Options) *Resolver {
	if o.Lookup == nil {
		o.Lookup = systemLookup()
	}
	if o.Parallel <= 0 {
		o.Parallel = 64
	}
	setDefault(&o.Refresh, 5*time.Minute)
	setDefault(&o.MinBackoff, time.Second)
	setDefault(&o.MaxBackoff, time.Minute)
	setDefault(&o.Timeout, 10*time.Second)
	return &Resolver{
		o:       o,
		epoch:   time.Now(),
		wake:    make(chan struct{}, 1),
		pulse:   heartbeat.New(),
		entries: make(map[key]*entry),
	}
}

// systemLookup asks as the system is configured to.
func systemLookup() Lookup { return system().LookupNetIP }

// system is Go's own resolver, which follows resolv.conf(5) and hosts(5).
func system() *net.Resolver { return &net.Resolver{PreferGo: true} }

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run looks names up until ctx is done, and returns nil when the look-ups in
// flight have ended. All notifications are made from the calling goroutine, one
// after another; none is made after Run has returned. Run must not be called a
// second time.
func (r *Resolver) Run(ctx context.Context) error {
	var lookups sync.WaitGroup
	defer lookups.Wait()
	timer := time.NewTimer(time.Hour) // set below, before it is waited for
	defer timer.Stop()
	for ctx.Err() == nil {
		if pause, ok := r.dispatch(ctx, &lookups); ok {
			timer.Reset(pause)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-r.pulse.Asked():
			r.pulse.Beat()
		case <-timer.C:
		}
		r.deliver(ctx)
	}
	return nil
}

// Prove has beat called on the goroutine of Run, soon.
func (r *Resolver) Prove(beat func()) { r.pulse.Ask(beat) }

// dispatch starts what is due as far as there is room, the longest due first. It
// returns how long it is to the next one; !ok when there is none to wait for.
func (r *Resolver) dispatch(ctx context.Context, lookups *sync.WaitGroup) (pause time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 && r.inFlight < r.o.Parallel {
		if pause = r.queue[0].due - r.now(); pause > 0 {
			return pause, true
		}
		e := r.pop()
		r.inFlight++
		current := e.addr
		lookups.Go(func() { r.lookUp(ctx, e, current) })
	}
	return 0, false
}

// lookUp asks for one name and files the answer.
func (r *Resolver) lookUp(ctx context.Context, e *entry, current netip.Addr) {
	asking, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	begun := r.now()
	addr, fault := ask(asking, r.o.Lookup, e.key, current)
	took := r.now() - begun
	r.lookups.Add(1)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	e.took = took
	if ctx.Err() != nil {
		// The answer says that we are ending, and nothing about the name.
		return
	}
	if fault != nil {
		r.failures.Add(1)
	}
	r.file(e, addr, fault)
	r.rouse()
}

// rouse makes Run look at the queue and the news again.
func (r *Resolver) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// now is the monotonic time since the Resolver was made: a step of the wall
// clock neither hastens nor delays a look-up.
func (r *Resolver) now() time.Duration { return time.Since(r.epoch) }

// Stats are the figures of a Resolver since it was made.
type Stats struct {
	Lookups  uint64 // look-ups that have ended, failed ones too
	Failures uint64 // those that gave no usable address
	Changes  uint64 // times that a name's known address was replaced

	InFlight int // look-ups at this moment
	Names    int // names followed, counted once for each family
	Failing  int // those of them whose last look-up failed
}

// Stats returns the present figures.
func (r *Resolver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		Lookups:  r.lookups.Load(),
		Failures: r.failures.Load(),
		Changes:  r.changes.Load(),
		InFlight: r.inFlight,
		Names:    len(r.entries),
		Failing:  r.failing,
	}
}

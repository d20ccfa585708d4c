// SPDX-License-Identifier: Apache-2.0

// Package vantage is the vantage point: one prober loop per address family
// with its pinger, tracer and finder of path MTUs, and the scanner of services. What is configured
// of a target becomes their plans here, by the privilege that the process has.
//
// It is the one place where connmonitor (for ever) and connvitals (once) are
// the same program. It knows addresses, not names (resolve), decides nothing
// about what is measured when beyond the schedules of the contract (monitor)
// and prints nothing (report).
package vantage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"connmonitor/internal/ping"
	"connmonitor/internal/pmtu"
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/service"
	"connmonitor/internal/trace"
	"connmonitor/internal/vitals"
)

// Sink takes what was measured; key is the one that the target was added with.
// Its methods are called on several goroutines, and must return soon: the
// loops wait for them. What the pointers point to is theirs to keep, but for
// the Ping.
type Sink interface {
	// Pinged takes a burst. cause is why the last of its unknown probes is
	// unknown, 0 when there is none.
	Pinged(key uint32, p *vitals.Ping, cause syscall.Errno)
	// Traced takes a trace. path is nil when our own side spoiled it; cause
	// then says why. changed tells whether it differs from the recorded route, or
	// where a fault begins (OnsetChanges), or the path MTU, has changed since the
	// trace before.
	Traced(key uint32, path *vitals.Path, changed bool, cause syscall.Errno)
	// Scanned takes a scan; scan is nil when err, a fault of our own side,
	// spoiled it.
	Scanned(key uint32, scan *vitals.Scan, err error)
}

// Options of a Point.
type Options struct {
	Pace *prober.Pace // caps the probes of the whole process; nil: no cap
	// ScanParallel is the most sockets of scans that are open at once; 0 is the
	// default.
	ScanParallel int
	// Scanner asks the services in place of one of its own.
	Scanner *service.Scanner
	// Loop is the template of both loops' options; tests put a simulated
	// network into it.
	Loop prober.Options
}

// Point is the vantage point of this process.
type Point struct {
	families [2]family // IPv4, IPv6
	scanner  *service.Scanner
	sink     Sink

	scanning context.Context // of the scans
	endScans context.CancelFunc
	draining chan struct{}
	mu       sync.Mutex // guards closed, and that scans only grows before it
	closed   bool       // no scan may begin any more
	scans    sync.WaitGroup
}

// family is what one address family has.
type family struct {
	loop   *prober.Loop
	pinger *ping.Pinger
	tracer *trace.Tracer
	finder *pmtu.Finder
	sink   Sink
	paths  map[uint32]*pathMTU // by key, of the targets whose path MTU is watched; the loop's own
	onsets onsets              // the loop's own, too
	err    error               // why no socket could be opened
}

// New makes a Point that hands what it measures to sink.
func New(o Options, sink Sink) *Point {
	p := &Point{scanner: o.Scanner, sink: sink, draining: make(chan struct{})}
	if p.scanner == nil {
		p.scanner = service.New(service.Options{Parallel: o.ScanParallel})
	}
	p.scanning, p.endScans = context.WithCancel(context.Background())
	for i := range p.families {
		lo := o.Loop
		lo.IPv6, lo.Pace = i == 1, o.Pace
		f := &p.families[i]
		f.loop = prober.New(lo)
		f.sink = sink
		f.pinger = ping.New(f.loop, sink.Pinged)
		f.tracer = trace.New(f.loop, func(key uint32, path *vitals.Path, changed bool, cause syscall.Errno) {
			f.traced(key, ended{path, changed, cause})
		})
		f.finder = pmtu.New(f.loop, f.foundMTU)
		f.paths = map[uint32]*pathMTU{}
	}
	return p
}

// Open opens the sockets of both families, as far as privilege and kernel
// allow; Can tells what became of it.
func (p *Point) Open() {
	for i := range p.families {
		p.families[i].err = p.families[i].loop.Open()
	}
}

// Ability is what can be measured of the hosts of one address family.
type Ability struct {
	Ping, Trace bool
	// Denied tells that it is for want of privilege.
	Denied bool
	// Err is why no socket could be opened at all.
	Err  error
	Info rawsock.Info
}

// Can tells what can be measured. It may be called after Open.
func (p *Point) Can(v6 bool) Ability {
	f := p.family(v6)
	if f.err != nil {
		return Ability{Err: f.err, Denied: rawsock.Denied(f.err)}
	}
	info := f.loop.Info()
	return Ability{Ping: info.Kind != rawsock.UDP, Trace: true, Denied: info.Kind == rawsock.UDP, Info: info}
}

// Account is what one address family says of itself.
type Account struct {
	Probes prober.Stats
	Pings  ping.Stats
}

// ScanSockets is the most sockets of scans that can be open at once.
func (p *Point) ScanSockets() int { return p.scanner.Parallel() }

// Scans is what the scans say of themselves. It may be called from any goroutine.
func (p *Point) Scans() service.Stats { return p.scanner.Stats() }

// Stats are the accounts of both families, IPv4 first. It may be called from
// any goroutine.
func (p *Point) Stats() [2]Account {
	var a [2]Account
	for i := range p.families {
		a[i] = Account{p.families[i].loop.Stats(), p.families[i].pinger.Stats()}
	}
	return a
}

func (p *Point) family(v6 bool) *family {
	if v6 {
		return &p.families[1]
	}
	return &p.families[0]
}

// Run runs the loops until ctx is cancelled, or Drain was called and all that
// was under way is finished. No result is handed to the sink after it has
// returned.
func (p *Point) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	errs := make([]error, len(p.families))
	for i := range p.families {
		f := &p.families[i]
		if f.err != nil {
			continue
		}
		loops.Go(func() {
			if errs[i] = f.run(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	loops.Wait()
	select {
	case <-ctx.Done():
	case <-p.draining: // the loops may all be missing; scans go on without them
	}
	p.finishScans(ctx)
	return errors.Join(errs...)
}

// run runs the loop of one family. A panic in it is an error: the program shall
// end with a line, and what was measured printed.
func (f *family) run(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in the %s loop: %v", rawsock.FamilyName(f.loop.IPv6()), v)
		}
	}()
	return f.loop.Run(ctx)
}

// Loops are where the loops of both families are asked to prove that they run:
// each calls what it is given on its own goroutine, soon. It may be called after
// Open. The scans are none: each ends by its own deadline.
func (p *Point) Loops() []func(beat func()) {
	var loops []func(func())
	for i := range p.families {
		if f := &p.families[i]; f.err == nil {
			loops = append(loops, f.loop.Prove)
		}
	}
	return loops
}

// beginScan reports whether a scan may begin; it ends with scans.Done.
func (p *Point) beginScan() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.scans.Add(1)
	}
	return !p.closed
}

func (p *Point) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
}

// finishScans waits for the scans that run; the end of ctx ends them.
func (p *Point) finishScans(ctx context.Context) {
	p.close()
	stop := context.AfterFunc(ctx, p.endScans)
	defer stop()
	p.scans.Wait()
	p.endScans()
}

// Drain begins no measurement any more; Run returns when those under way have
// ended. It may be called once, from any goroutine.
func (p *Point) Drain() {
	close(p.draining)
	p.close()
	for i := range p.families {
		f := &p.families[i]
		f.loop.Do(func() {
			f.pinger.Stop()
			f.tracer.Stop()
			f.finder.Stop()
		})
		f.loop.Drain()
	}
}

// IsIPv6 tells which family's loop serves an address.
func IsIPv6(a netip.Addr) bool { return a.Is6() && !a.Is4In6() }

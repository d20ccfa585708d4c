// SPDX-License-Identifier: Apache-2.0

// Package monitor is connmonitor: it makes each target's measurements run for
// ever, wires the rooms below together, and nothing else. The vantage point
// measures, resolve keeps names fresh, report formats and writes; what happens
// when is decided here, as Part 1 of the contract says.
//
// There is no goroutine per target. Results come up by the vantage.Sink that
// this room is, on the goroutines of the loops; pipeline.go turns them into
// records and hands them to the sinks, of which none may hold a loop.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connmonitor/internal/config"
	"connmonitor/internal/heartbeat"
	"connmonitor/internal/report"
	"connmonitor/internal/resolve"
	"connmonitor/internal/vantage"
	"connmonitor/internal/vitals"
)

// Options of a Monitor.
type Options struct {
	// Config is the configuration to begin with.
	Config *config.Config
	// Load reads the configuration again; nil when it cannot be (it came from
	// standard input).
	Load func() (*config.Config, error)
	// Output takes the records; nil drops them (--quiet).
	Output *report.Output
	// Log takes errors and warnings.
	Log *report.Log
	// Hops tells more of the hops of targets with details; nil: nothing more is
	// known.
	Hops *resolve.Hops
	// Resolver and Vantage are handed on; their zero values are the defaults.
	Resolver resolve.Options
	Vantage  vantage.Options
	// Opened is called when the sockets are open, and privilege has served; nil:
	// nothing.
	Opened func() error
	// Observer is told what the monitor is about; nil: nobody.
	Observer Observer
	// Drain is how long the running measurements may take to finish at the end;
	// 0 is 15 s.
	Drain time.Duration
}

// Errors that end Run; the reason has been logged.
var (
	// ErrNoTarget: no usable host at start.
	ErrNoTarget = errors.New("no usable host")
	// ErrImpossible: nothing of what is configured can be measured.
	ErrImpossible = errors.New("nothing that is configured can be measured")
	// ErrReload: the configuration can no longer be read.
	ErrReload = errors.New("the configuration can no longer be read")
	// ErrInternal: a defect of this program was met.
	ErrInternal = errors.New("internal error")
)

// Monitor is one running monitor.
type Monitor struct {
	o        Options
	log      *report.Log
	point    *vantage.Point
	resolver *resolve.Resolver
	table    table
	settings map[vitals.Settings]*vitals.Settings // across reloads, so that equal means same
	emitter  emitter
	auditor  auditor
	pulse    *heartbeat.Pulse // of watch
	tally    Tally            // of the running configuration
	failed   chan error       // of the goroutines that Run waits for
}

// New makes a monitor that Run brings to life.
func New(o Options) *Monitor {
	if o.Drain == 0 {
		o.Drain = 15 * time.Second
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	m := &Monitor{
		o: o, log: o.Log, resolver: resolve.New(o.Resolver),
		settings: map[vitals.Settings]*vitals.Settings{}, failed: make(chan error, 5),
		pulse: heartbeat.New(),
	}
	m.emitter.output = o.Output
	m.auditor.due = make(chan struct{}, 1)
	m.auditor.pulse = heartbeat.New()
	m.point = vantage.New(o.Vantage, m)
	return m
}

// Run monitors until ctx is cancelled; then it begins nothing new, finishes
// what is running, prints it and returns nil. A value from reload lets it read
// its configuration again. An error says why it could not go on.
func (m *Monitor) Run(ctx context.Context, reload <-chan struct{}) error {
	if len(m.o.Config.Targets) == 0 {
		m.log.Error("ConfigError", "the configuration names no host")
		return ErrNoTarget
	}
	m.point.Open()
	if m.o.Opened != nil {
		if err := m.o.Opened(); err != nil {
			m.log.Error("PrivilegeError", "%v", err)
		}
	}
	if asked, can := m.o.Vantage.ScanParallel, m.point.ScanSockets(); asked > can {
		m.log.Warn("scans use %d sockets at once in place of %d: the limit of open files allows no more", can, asked)
	}
	possible, lacking := m.possible(m.o.Config)
	if !possible {
		return ErrImpossible
	}
	p := m.start()
	c := m.o.Config
	m.o.Config = nil // the table has all of it now
	m.apply(c)
	m.weigh(c)
	m.tally = tally(c, lacking)
	tidy(len(c.Targets))
	m.o.Observer.Running(m.tally, "")
	err := m.watch(ctx, reload)
	m.o.Observer.Stopping(err)
	return errors.Join(err, p.finish(m, err))
}

// watch waits for what ends the monitor.
func (m *Monitor) watch(ctx context.Context, reload <-chan struct{}) error {
	var read <-chan reading // nil: nothing is being read
	for {
		again := reload
		if read != nil {
			again = nil // one after the other
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			read = m.reread()
		case r := <-read:
			read = nil
			if err := m.reload(r); err != nil {
				return err
			}
		case <-m.pulse.Asked():
			m.pulse.Beat()
		case err := <-m.failed:
			return err
		}
	}
}

// possible logs what cannot be measured for want of privilege, and reports
// whether anything of the configuration can be, and whether anything cannot.
func (m *Monitor) possible(c *config.Config) (possible, lacking bool) {
	type kind struct {
		settings *vitals.Settings
		v6       bool
	}
	seen, told := map[kind]bool{}, map[string]bool{}
	for i := range c.Targets {
		t := &c.Targets[i]
		k := kind{t.Settings, t.Family == vitals.Family6 || vantage.IsIPv6(t.Addr)}
		if seen[k] {
			continue
		}
		seen[k] = true
		can := m.point.Can(k.v6)
		possible = possible || !t.Measures() || t.Scan || t.Ping && can.Ping || t.Trace && can.Traces(t.Settings)
		for _, lack := range can.Lacks(t.Settings) {
			if !t.Paused && !told[lack] {
				told[lack] = true
				m.log.Error("PrivilegeError", "%s", lack)
			}
		}
	}
	return possible, len(told) > 0
}

// processes are the goroutines of a running monitor, in the order in which
// they are ended: nothing new is measured, what runs is finished, then what is
// queued is written.
type processes struct {
	stopPoint, stopResolver, stopHops, stopOutput, stopAudit context.CancelFunc
	point, resolver, hops, output, audit                     <-chan struct{}
}

func (m *Monitor) start() *processes {
	p := &processes{}
	p.point, p.stopPoint = m.run("measuring", m.point.Run)
	p.audit, p.stopAudit = m.run("the account of the loops", m.audit)
	p.resolver, p.stopResolver = m.run("resolving names", m.resolver.Run)
	if m.o.Hops != nil {
		p.hops, p.stopHops = m.run("names of hops", m.o.Hops.Run)
	}
	if m.o.Output != nil {
		p.output, p.stopOutput = m.run("writing", m.o.Output.Run)
	}
	return p
}

// run runs f on a goroutine of its own. Its error, or its panic, which shall
// leave a line and not a stack trace, ends the monitor.
func (m *Monitor) run(name string, f func(context.Context) error) (<-chan struct{}, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				m.log.Error("InternalError", "%s: %v", name, v)
				m.failed <- fmt.Errorf("%w: %s: %v", ErrInternal, name, v)
			}
		}()
		if err := f(ctx); err != nil {
			if !errors.Is(err, report.ErrClosed) { // which its Output has logged
				m.log.Error("InternalError", "%s: %v", name, err)
			}
			m.failed <- err
		}
	}()
	return done, cancel
}

// finish ends everything within the time that draining may take. Some of it is
// left for writing what was measured last. After err, a closed output, nobody
// would read what is still measured.
func (p *processes) finish(m *Monitor, err error) error {
	deadline := time.Now().Add(m.o.Drain)
	p.stopResolver()
	<-p.resolver
	m.point.Drain()
	if errors.Is(err, report.ErrClosed) {
		p.stopPoint()
	}
	measuring := m.o.Drain - m.o.Drain/15
	late := time.NewTimer(measuring)
	defer late.Stop()
	select {
	case <-p.point:
	case <-late.C:
		m.log.Warn("measurements that did not end within %v were left", measuring)
	}
	p.stopPoint()
	<-p.point
	p.stopAudit()
	<-p.audit
	if p.hops != nil {
		p.stopHops()
		<-p.hops
	}
	m.finishRounds()
	if p.output != nil {
		m.o.Output.DrainBy(deadline)
		p.stopOutput()
		<-p.output
	}
	return p.leftover(m)
}

// leftover is an error that came while the end was under way.
func (p *processes) leftover(m *Monitor) error {
	select {
	case err := <-m.failed:
		return err
	default:
		return nil
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"connmonitor/internal/config"
	"connmonitor/internal/prober"
	"connmonitor/internal/report"
	"connmonitor/internal/resolve"
	"connmonitor/internal/vantage"
	"connmonitor/internal/vitals"
)

// Exit statuses (contract 1.9).
const (
	exitMeasured = 0 // at least one host could be measured
	exitNothing  = 1
	exitUsage    = 2
)

// run is connvitals: it measures every host once, at the same time, and prints
// the records in the order given. opened is called when the sockets are open,
// and privilege has served but, where raw is true, for more of them; nil: nothing.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, opened func(raw bool) error) int {
	c, err := parse(args)
	switch {
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "connvitals: %v\n", err)
		return exitUsage
	case c.help:
		_, _ = io.WriteString(stdout, usage)
		return exitMeasured
	case c.version:
		_, _ = fmt.Fprintf(stdout, "connvitals %s\n", version)
		return exitMeasured
	}
	m := newMeasurement(c, newLog(stderr))
	m.opened = opened
	if m.hops, err = c.hopNames(); err != nil {
		m.log.Error("ASNError", "%v", err)
		m.log.Flush()
		return exitNothing
	}
	if !m.measure(ctx) {
		m.log.Flush()
		return exitNothing
	}
	m.describe(ctx)
	status := m.print(stdout)
	m.log.Flush()
	return status
}

func newLog(stderr io.Writer) *report.Log {
	colour := false
	if f, ok := stderr.(*os.File); ok {
		colour = report.Colour(f, os.Getenv)
	}
	return report.NewLog(stderr, colour)
}

// measurement is the one round of all hosts. It is the sink of its vantage
// point.
type measurement struct {
	command *command
	log     *report.Log
	point   *vantage.Point
	opened  func(raw bool) error
	hops    *resolve.Hops // tells more of hops; nil: nobody asked
	hosts   []host

	mu      sync.Mutex
	waiting int           // results that are still to come
	done    chan struct{} // closed when there are none
}

// host is one host and what is known of it.
type host struct {
	target  vitals.Target
	addr    netip.Addr
	lookup  time.Duration // of its name; 0 for a literal address
	err     error         // why it could not be measured
	ping    *vitals.Ping
	path    *vitals.Path
	scan    *vitals.Scan
	spoiled error // the last fault of our own side
}

func newMeasurement(c *command, log *report.Log) *measurement {
	m := &measurement{command: c, log: log, done: make(chan struct{}), hosts: make([]host, len(c.hosts))}
	for i, name := range c.hosts {
		m.hosts[i].target = vitals.Target{ID: name, Name: name, Settings: &c.settings}
	}
	m.point = vantage.New(vantage.Options{Pace: prober.NewPace(c.rate), ScanParallel: c.scans}, m)
	return m
}

// measure does the round; false when no host could be measured.
func (m *measurement) measure(ctx context.Context) bool {
	m.point.Open()
	if m.opened != nil {
		if err := m.opened(vantage.OpensLater(&m.command.settings)); err != nil {
			m.log.Error("PrivilegeError", "%v", err)
		}
	}
	m.resolve(ctx)
	if !m.allowed() {
		return false
	}
	var running sync.WaitGroup
	runContext, stop := context.WithCancel(ctx)
	running.Go(func() {
		if err := m.point.Run(runContext); err != nil {
			m.log.Error("SocketError", "%v", err)
		}
	})
	m.start()
	select {
	case <-m.done:
	case <-ctx.Done():
	}
	stop()
	running.Wait()
	return true
}

// resolve finds the addresses of all hosts, 64 names at the same time.
func (m *measurement) resolve(ctx context.Context) {
	const parallel = 64
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i := range m.hosts {
		if m.hosts[i].literal() {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			m.hosts[i].resolve(ctx)
			<-slots
		})
	}
	all.Wait()
}

// lookupTime bounds one look-up of a name.
const lookupTime = 10 * time.Second

// literal reports whether there is no name to look up: the host is an address, or
// cannot be one or the other.
func (h *host) literal() bool {
	addr, err := config.ParseHost(h.target.Name)
	if h.err = err; err != nil || !addr.IsValid() {
		return err != nil
	}
	h.addr, h.target.Addr = addr, addr
	if f := h.target.Family; f != vitals.FamilyAny && vantage.IsIPv6(addr) != (f == vitals.Family6) {
		h.err = fmt.Errorf("%s is not an IPv%d address", addr, f)
	}
	return true
}

func (h *host) resolve(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	begun := time.Now()
	h.addr, h.err = resolve.Once(ctx, nil, h.target.Name, h.target.Family)
	h.lookup = time.Since(begun)
}

// allowed reports whether anything that was asked for is possible, and logs
// what is not, once.
func (m *measurement) allowed() bool {
	usable := false
	for i := range m.hosts {
		if h := &m.hosts[i]; h.err == nil {
			usable = true
		} else {
			m.log.Error("HostError", "%v", h.err)
		}
	}
	if !usable {
		return false
	}
	possible := m.command.settings.Scan
	for _, v6 := range []bool{false, true} {
		if !m.wants(v6) {
			continue
		}
		can := m.point.Can(v6)
		for _, lack := range can.Lacks(&m.command.settings) {
			m.log.Error("PrivilegeError", "%s", lack)
		}
		possible = possible || can.Ping && m.command.settings.Ping || can.Traces(&m.command.settings) && m.command.settings.Trace
	}
	return possible
}

// wants reports whether there is a host of that family.
func (m *measurement) wants(v6 bool) bool {
	for i := range m.hosts {
		if h := &m.hosts[i]; h.err == nil && vantage.IsIPv6(h.addr) == v6 {
			return true
		}
	}
	return false
}

// start begins the round of all hosts. They all begin now: the cap on the rate
// spreads their probes.
func (m *measurement) start() {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.hosts {
		h := &m.hosts[i]
		if h.err != nil {
			continue
		}
		w, err := m.point.Add(uint32(i), &h.target, h.addr, now)
		if err != nil {
			h.err = err
			m.log.Error("HostError", "%s: %v", h.target.Name, err)
			continue
		}
		pings, traces, scans := w.Measures()
		for _, measured := range []bool{pings, traces, scans} {
			if measured {
				m.waiting++
			}
		}
		w.Start(now)
	}
	if m.waiting == 0 {
		close(m.done)
	}
}

// finished notes a result of a host.
func (m *measurement) finished(key uint32, note func(h *host)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	note(&m.hosts[key])
	if m.waiting--; m.waiting == 0 {
		close(m.done)
	}
}

// Pinged implements vantage.Sink.
func (m *measurement) Pinged(key uint32, p *vitals.Ping, cause syscall.Errno) {
	kept := *p
	m.finished(key, func(h *host) {
		if cause != 0 {
			h.spoiled = fmt.Errorf("%d of %d pings were not sent or not received by this host: %w", kept.Unknown, kept.Sent, cause)
		}
		if kept.Known() > 0 {
			h.ping = &kept
		}
	})
}

// Traced implements vantage.Sink.
func (m *measurement) Traced(key uint32, path *vitals.Path, _ bool, cause syscall.Errno) {
	m.finished(key, func(h *host) {
		if h.path = path; path == nil {
			h.spoiled = fmt.Errorf("trace: %w", cause)
		}
	})
}

// Scanned implements vantage.Sink.
func (m *measurement) Scanned(key uint32, scan *vitals.Scan, err error) {
	m.finished(key, func(h *host) {
		if h.scan = scan; scan == nil {
			h.spoiled = err
		}
	})
}

// print writes the records in the order of the hosts.
func (m *measurement) print(stdout io.Writer) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := exitNothing
	var out []byte
	for i := range m.hosts {
		h := &m.hosts[i]
		if h.spoiled != nil {
			m.log.Error("LocalError", "%s: %v", h.target.Name, h.spoiled)
		}
		r := vitals.Record{
			Target: &h.target, Addr: h.addr, Time: time.Now(), Lookup: h.lookup, Ping: h.ping, Path: h.path, Scan: h.scan,
		}
		if r.Empty() {
			continue
		}
		status = exitMeasured
		out = appendRecord(out, &r)
	}
	if _, err := stdout.Write(out); err != nil {
		m.log.Error("OutputError", "write the records: %v", err)
		return exitNothing
	}
	return status
}

// appendRecord appends a record as the command line wants it.
func appendRecord(dst []byte, r *vitals.Record) []byte {
	if r.Target.Details {
		return report.AppendTable(dst, r)
	}
	return report.AppendRecord(dst, r)
}

// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"connmonitor/internal/report"
	"connmonitor/internal/vitals"
)

// emitter is the one door from the measurements up: every record goes through
// emit, to each sink. A sink that is slow has its own bounded queue.
type emitter struct {
	mu     sync.Mutex
	buffer []byte
	output *report.Output
}

// emit hands a record to the sinks. It does not keep r.
func (e *emitter) emit(r *vitals.Record) {
	if e.output == nil || r.Empty() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buffer = report.AppendRecord(e.buffer[:0], r)
	e.output.Append(e.buffer)
}

// Pinged implements vantage.Sink.
func (m *Monitor) Pinged(key uint32, p *vitals.Ping, cause syscall.Errno) {
	t := m.table.lock(key)
	if t == nil {
		return
	}
	defer t.mu.Unlock()
	m.auditor.measured(p.Ended)
	if p.Unknown > 0 {
		m.fault(t, faultPing, fmt.Sprintf("pings were spoiled by this host: %v", cause))
		m.renew(t)
	} else {
		m.clear(t, faultPing)
	}
	if t.name != nil && p.Known() > 0 && p.Received == 0 {
		t.name.Refresh() // silent: the address may be an old one
	}
	if t.Form == vitals.Bundled {
		m.roundPing(t, p)
		return
	}
	if p.Known() > 0 {
		m.emitter.emit(&vitals.Record{Target: &t.Target, Addr: t.addr, Time: p.Ended, Ping: p})
	}
}

// Traced implements vantage.Sink.
func (m *Monitor) Traced(key uint32, path *vitals.Path, changed bool, cause syscall.Errno) {
	t := m.table.lock(key)
	if t == nil {
		return
	}
	defer t.mu.Unlock()
	now := time.Now()
	m.auditor.measured(now)
	if path == nil {
		m.fault(t, faultTrace, fmt.Sprintf("the trace was spoiled by this host: %v", cause))
		m.renew(t)
	} else {
		m.clear(t, faultTrace)
	}
	if !changed {
		path = nil // only a route that differs from the recorded one is printed
	}
	if path != nil && t.Details && m.o.Hops != nil {
		m.o.Hops.Describe(path)
	}
	if t.Form == vitals.Bundled {
		m.roundPath(t, path)
		return
	}
	m.emitter.emit(&vitals.Record{Target: &t.Target, Addr: t.addr, Time: now, Path: path})
}

// Scanned implements vantage.Sink.
func (m *Monitor) Scanned(key uint32, scan *vitals.Scan, err error) {
	t := m.table.lock(key)
	if t == nil {
		return
	}
	defer t.mu.Unlock()
	now := time.Now()
	m.auditor.measured(now)
	if err != nil {
		m.fault(t, faultScan, err.Error())
	} else {
		m.clear(t, faultScan)
	}
	if t.Form == vitals.Bundled {
		m.roundScan(t, scan)
		return
	}
	m.emitter.emit(&vitals.Record{Target: &t.Target, Addr: t.addr, Time: now, Lookup: t.lookup(), Scan: scan})
}

// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"net/netip"
	"sync"
	"time"

	"connmonitor/internal/resolve"
	"connmonitor/internal/vantage"
	"connmonitor/internal/vitals"
)

// target is one configured target and the state that it keeps over reloads.
type target struct {
	vitals.Target
	key   uint32
	start time.Time      // when its first measurement is due
	name  *resolve.Watch // nil for a literal address

	mu      sync.Mutex // guards what follows
	addr    netip.Addr
	watch   *vantage.Watch // nil until the address is known
	round   *round         // of the Bundled form
	faults  fault          // those that have been logged and not cleared
	renewed bool           // it will be seen whether its interface was made anew
	removed bool
}

// begin measures the target: at once when its address is literal, else when
// its name has resolved.
func (m *Monitor) begin(t *target) {
	switch {
	case !t.Measures():
	case t.Addr.IsValid():
		m.measure(t, t.Addr)
	default:
		t.mu.Lock() // the first update may come before Watch returns
		defer t.mu.Unlock()
		t.name = m.resolver.Watch(t.Name, t.Family, func(u resolve.Update) { m.resolved(t, u) })
	}
}

// measure begins to measure t at addr.
func (m *Monitor) measure(t *target, addr netip.Addr) {
	start := t.start
	if now := time.Now(); start.Before(now) {
		start = now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.removed {
		return
	}
	t.addr = addr
	w, err := m.point.Add(t.key, &t.Target, addr, start)
	if err != nil {
		m.fault(t, faultSetup, err.Error())
		// An interface may come later, as at a boot.
		time.AfterFunc(retrySetup, func() { m.measureUnless(t, addr) })
		return
	}
	if can := m.point.Can(vantage.IsIPv6(addr)); can.Err != nil && !can.Denied && (t.Ping || t.Trace) {
		m.fault(t, faultSetup, can.Err.Error()) // want of privilege was logged for all
	} else {
		m.clear(t, faultSetup)
	}
	t.watch = w
	if t.Form == vitals.Bundled {
		m.startRound(t, start)
	}
}

// retrySetup is when a target is tried again whose settings did not fit this
// machine.
const retrySetup = 10 * time.Second

// lookup is how long the last look-up of t's name took; 0 for a literal address.
func (t *target) lookup() time.Duration {
	if t.name == nil {
		return 0
	}
	return t.name.Took()
}

// measureUnless measures t at addr, unless it is measured by now or has another
// address.
func (m *Monitor) measureUnless(t *target, addr netip.Addr) {
	t.mu.Lock()
	settled := t.watch != nil || t.addr != addr
	t.mu.Unlock()
	if !settled {
		m.measure(t, addr)
	}
}

// resolved is told by the resolver what is known of t's name.
func (m *Monitor) resolved(t *target, u resolve.Update) {
	t.mu.Lock()
	if u.Err != nil {
		m.fault(t, faultName, u.Err.Error())
	} else {
		m.clear(t, faultName)
	}
	before, measured := t.addr, t.watch != nil
	t.mu.Unlock()
	switch {
	case !u.Addr.IsValid() || u.Addr == before && measured:
	case !measured:
		m.measure(t, u.Addr)
	default:
		m.log.Warn("the address of %s is now %s, it was %s", t.Name, u.Addr, before)
		m.move(t, u.Addr)
	}
}

// renew lets t be measured by an interface that was made anew under its name, as
// a tunnel that hangs up and dials in again, and has another index now. The
// caller holds t.mu.
func (m *Monitor) renew(t *target) {
	if t.renewed || t.Source == "" && t.addr.Zone() == "" {
		return
	}
	t.renewed = true
	// Not sooner: thousands may leave by it, and each look costs a dump.
	time.AfterFunc(retrySetup, func() {
		t.mu.Lock()
		t.renewed = false
		w, addr := t.watch, t.addr
		gone := t.removed || w == nil
		t.mu.Unlock()
		if !gone && w.Stale() {
			m.move(t, addr)
		}
	})
}

// move measures t at another address, under a new key: what is in flight still
// belongs to the old address, and is finished and printed with it. The route
// memory starts anew with the new one.
func (m *Monitor) move(t *target, addr netip.Addr) {
	t.mu.Lock()
	if t.watch == nil || t.removed { // it is being moved, or has gone
		t.mu.Unlock()
		return
	}
	old := &target{Target: t.Target, key: t.key, addr: t.addr, watch: t.watch, round: t.round, removed: true}
	t.watch, t.round = nil, nil
	m.table.replace(old)
	t.mu.Unlock()
	old.watch.Remove()
	time.AfterFunc(old.lingers(), func() { m.table.release(old.key) })
	m.table.add(t)
	m.measure(t, addr)
}

// remove takes a target away; what is in flight is finished and printed.
func (m *Monitor) remove(t *target) {
	if t.name != nil {
		t.name.Close()
	}
	t.mu.Lock()
	t.removed = true
	w := t.watch
	m.forget(t)
	t.mu.Unlock()
	if w != nil {
		w.Remove()
	}
}

// lingers is how long the key of a removed target is kept: until the last result
// that could come for it has come, of a burst and its time-out, a trace of two,
// and as much again.
func (t *target) lingers() time.Duration {
	last := time.Duration(t.NumPings)*t.Interval + 4*t.Timeout
	return 2*last + 10*time.Second
}

func (t *target) isRemoved() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.removed
}

// fault is a set of what can go wrong with a target again and again.
type fault uint8

const (
	faultName  fault = 1 << iota // its name does not resolve
	faultSetup                   // its settings do not fit this machine
	faultPing                    // our own side spoils its pings,
	faultTrace                   // its traces
	faultScan                    // or its scans
)

// kinds are the type of the EE line and the WW line of the end, by fault.
func (f fault) kinds() (typ, over string) {
	switch f {
	case faultName:
		return "ResolveError", "the name resolves again"
	case faultSetup:
		return "TargetError", "can be measured again"
	case faultPing:
		return "PingError", "pings go out again"
	case faultTrace:
		return "TraceError", "traces go out again"
	}
	return "ScanError", "scans go out again"
}

// key of the log's table of faults.
func (t *target) faultKey(f fault) string {
	typ, _ := f.kinds()
	return typ + " " + t.ID
}

// fault logs a fault of t when it begins or changes. The caller holds t.mu.
func (m *Monitor) fault(t *target, f fault, text string) {
	t.faults |= f
	typ, _ := f.kinds()
	if f != faultName { // the resolver's text names the host
		text = t.Name + ": " + text
	}
	m.log.Fault(t.faultKey(f), typ, text)
}

// clear logs that a fault of t is over, if there was one. The caller holds
// t.mu.
func (m *Monitor) clear(t *target, f fault) {
	if t.faults&f == 0 {
		return
	}
	t.faults &^= f
	_, over := f.kinds()
	m.log.Clear(t.faultKey(f), t.Name+": "+over)
}

// forget drops the faults of a removed target. The caller holds t.mu.
func (m *Monitor) forget(t *target) {
	for f := faultName; f <= faultScan; f <<= 1 {
		if t.faults&f != 0 {
			m.log.Forget(t.faultKey(f))
		}
	}
	t.faults = 0
}

// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"time"

	"connmonitor/internal/vitals"
)

// round is one round of a target in the Bundled form: ping, trace and scan run
// side by side, and their results are one record. All functions here are called
// with the target's mutex held.
type round struct {
	waiting int // results that are still to come
	pinged  bool
	ping    vitals.Ping
	path    *vitals.Path
	scan    *vitals.Scan
}

// startRound begins the next round of t.
func (m *Monitor) startRound(t *target, start time.Time) {
	pings, traces, scans := t.watch.Measures()
	if t.round == nil {
		t.round = &round{}
	}
	*t.round = round{}
	for _, measured := range []bool{pings, traces, scans} {
		if measured {
			t.round.waiting++
		}
	}
	if t.round.waiting > 0 {
		t.watch.Start(start)
	}
}

func (m *Monitor) roundPing(t *target, p *vitals.Ping) {
	if p.Known() > 0 {
		t.round.ping, t.round.pinged = *p, true
	}
	m.roundStep(t)
}

func (m *Monitor) roundPath(t *target, path *vitals.Path) {
	t.round.path = path
	m.roundStep(t)
}

func (m *Monitor) roundScan(t *target, scan *vitals.Scan) {
	t.round.scan = scan
	m.roundStep(t)
}

// roundStep ends the round when its last result has come: the record is
// printed, and after the pause the next begins.
func (m *Monitor) roundStep(t *target) {
	if t.round.waiting--; t.round.waiting > 0 {
		return
	}
	m.printRound(t)
	if !t.removed {
		m.startRound(t, time.Now().Add(t.Sleep))
	}
}

func (m *Monitor) printRound(t *target) {
	r := t.round
	record := vitals.Record{
		Target: &t.Target, Addr: t.addr, Time: time.Now(), Lookup: t.lookup(), Path: r.path, Scan: r.scan,
	}
	if r.pinged {
		record.Ping = &r.ping
	}
	m.emitter.emit(&record)
}

// finishRounds prints what there is of the rounds that the end has cut short: a
// result of which may not have begun, or taken too long. It is called when no
// more results come.
func (m *Monitor) finishRounds() {
	for _, t := range m.table.every() {
		t.mu.Lock()
		if t.round != nil && t.round.waiting > 0 {
			m.printRound(t)
			t.round.waiting = 0
		}
		t.mu.Unlock()
	}
}

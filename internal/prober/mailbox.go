// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"sync"
	"time"

	"connmonitor/internal/alarm"
)

// mailbox carries functions to the loop's goroutine, and is what it sleeps in.
type mailbox struct {
	mu     sync.Mutex
	fns    []func()
	asleep bool
	closed bool
	alarm  *alarm.Alarm
}

// Do runs f on the loop's goroutine, soon. It may be called from any goroutine;
// after Run has returned f is not run.
func (l *Loop) Do(f func()) {
	m := &l.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.fns = append(m.fns, f)
	if m.asleep {
		m.asleep = false
		m.alarm.Set(0)
	}
}

// Prove has beat called on the loop's goroutine by its next tick, before what Do
// has handed over, which a reload may make a matter of minutes. It may be called
// from any goroutine.
func (l *Loop) Prove(beat func()) {
	l.pulse.Ask(beat)
	l.Do(l.pulse.Beat) // wakes it, and answers what is asked while a tick runs
}

// sleep waits for d, or until something is there to be delivered.
func (m *mailbox) sleep(d time.Duration) {
	m.mu.Lock()
	if len(m.fns) > 0 {
		m.mu.Unlock()
		return
	}
	m.asleep = true
	m.alarm.Set(d)
	m.mu.Unlock()
	m.alarm.Wait()
}

// mailPerStep bounds what Do hands to one step, so that a hundred thousand
// targets can be added while those that are there are measured in time.
const mailPerStep = 1024

// deliver runs what Do has handed over, and returns how much that was.
func (m *mailbox) deliver() int {
	m.mu.Lock()
	m.asleep = false
	n := min(len(m.fns), mailPerStep)
	fns := m.fns[:n:n]
	if m.fns = m.fns[n:]; len(m.fns) == 0 {
		m.fns = nil
	}
	m.mu.Unlock()
	for i, f := range fns {
		fns[i] = nil
		f()
	}
	return n
}

// close lets nothing come any more.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.fns = true, nil
	_ = m.alarm.Close()
}

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
	beat   func() // asked for by Prove; nil: nothing is
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
	m.wake()
}

// Prove has beat called on the loop's goroutine by its next tick, before what Do
// has handed over, which a reload may make a matter of minutes. Only the last
// one is called. It may be called from any goroutine; after Run has returned,
// beat is called at once.
func (l *Loop) Prove(beat func()) {
	m := &l.mail
	m.mu.Lock()
	if !m.closed {
		m.beat = beat
		m.wake()
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	beat()
}

// wake ends sleep. The mailbox is locked.
func (m *mailbox) wake() {
	if m.asleep {
		m.asleep = false
		m.alarm.Set(0)
	}
}

// sleep waits for d, or until something is there to be delivered.
func (m *mailbox) sleep(d time.Duration) {
	m.mu.Lock()
	if len(m.fns) > 0 || m.beat != nil {
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

// deliver answers Prove, runs what Do has handed over, and returns how much that
// was.
func (m *mailbox) deliver() int {
	m.mu.Lock()
	m.asleep = false
	beat := m.beat
	m.beat = nil
	n := min(len(m.fns), mailPerStep)
	fns := m.fns[:n:n]
	if m.fns = m.fns[n:]; len(m.fns) == 0 {
		m.fns = nil
	}
	m.mu.Unlock()
	if beat != nil {
		beat()
	}
	for i, f := range fns {
		fns[i] = nil
		f()
	}
	return n
}

// close lets nothing come any more.
func (m *mailbox) close() {
	m.mu.Lock()
	beat := m.beat
	m.closed, m.fns, m.beat = true, nil, nil
	_ = m.alarm.Close()
	m.mu.Unlock()
	if beat != nil {
		beat()
	}
}

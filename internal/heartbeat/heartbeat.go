// SPDX-License-Identifier: Apache-2.0

// Package heartbeat is how a loop proves that it runs, to whoever has to know
// before a watchdog's time is over. It is asked for and comes from the loop's own
// goroutine: a timer beside the loop would go on beating while the loop hangs.
// Between two questions it costs nothing.
//
// What is asked how often, and what becomes of the answers, is supervisor's.
package heartbeat

import "sync"

// Pulse is where one loop is asked for a sign of life, by one questioner. The
// loop waits for Asked beside whatever else it waits for, and answers by Beat.
type Pulse struct {
	asked chan struct{}

	mu      sync.Mutex
	beat    func() // the question that is open; nil: none is
	excused bool
}

// New makes the pulse of a loop, which may begin to run later.
func New() *Pulse { return &Pulse{asked: make(chan struct{}, 1)} }

// Ask has beat called by the loop, soon, in place of what was asked before; at
// once, by the caller, while the loop is excused. It never waits.
func (p *Pulse) Ask(beat func()) {
	p.mu.Lock()
	if !p.excused {
		p.beat = beat
		p.mu.Unlock()
		select {
		case p.asked <- struct{}{}:
		default: // it is being told
		}
		return
	}
	p.mu.Unlock()
	beat()
}

// Asked gives a value when there is a question.
func (p *Pulse) Asked() <-chan struct{} { return p.asked }

// Beat answers the question that is open, if there is one. Only the loop's own
// goroutine may call it.
func (p *Pulse) Beat() { p.turn(false) }

// Excuse answers for the loop until Beat: it does now what may rightly take any
// time, or it has ended. Only the loop's own goroutine may call it.
func (p *Pulse) Excuse() { p.turn(true) }

func (p *Pulse) turn(excused bool) {
	p.mu.Lock()
	beat := p.beat
	p.beat, p.excused = nil, excused
	p.mu.Unlock()
	if beat != nil {
		beat()
	}
}

// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// perInterval is how often the loops are asked in the manager's interval. Twice
// is what sd_watchdog_enabled(3) recommends; three times leaves a loop two
// thirds of the interval for its answer.
const perInterval = 3

// Watch feeds the manager's watchdog from now on, if it has one. Each loop calls
// the function that it is given, from its own goroutine, as a proof that it runs;
// to ask it must not wait. They are asked one after the other, each by the one
// before it, and what the last of them calls feeds and plans the next round: a
// loop that hangs ends the feeding, and nothing else can keep it up. The first
// round begins at once. It may be called once.
func (s *Supervisor) Watch(loops ...func(beat func())) {
	if !s.listens {
		return
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil && s.told != nil {
		s.told(err)
	}
	if interval == 0 || len(loops) == 0 {
		return
	}
	w := &watchdog{
		every: max(interval/perInterval, time.Millisecond), loops: loops,
		feed: func() { s.send(unlessStopping, daemon.SdNotifyWatchdog) },
	}
	s.mu.Lock()
	stopping := s.stopping
	s.watchdog = w
	s.mu.Unlock()
	if !stopping {
		w.ask()
	}
}

// watchdog is the round of questions: one timer, which is not set while an
// answer is missing, and no goroutine. One question after the other wakes an
// idle process half as often as all at once, which wake a thread each.
type watchdog struct {
	every time.Duration
	feed  func()
	loops []func(beat func())

	mu      sync.Mutex
	begun   time.Time // when the round began
	answers int       // that have come in it
	timer   *time.Timer
	over    bool
}

// ask begins a round.
func (w *watchdog) ask() {
	w.mu.Lock()
	w.begun, w.answers = time.Now(), 0
	w.mu.Unlock()
	w.loops[0](w.beat)
}

// beat is the answer of one loop, and on its goroutine.
func (w *watchdog) beat() {
	if next := w.answered(); next != nil {
		next(w.beat)
	}
}

// answered counts an answer, and returns who is to be asked next; nil: nobody,
// the watchdog was fed.
func (w *watchdog) answered() (next func(beat func())) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers++
	switch {
	case w.over:
	case w.answers < len(w.loops):
		return w.loops[w.answers]
	default:
		w.feed()
		w.plan()
	}
	return nil
}

// plan sets the timer of the next round. It counts from the beginning of this
// one, so that the time of the answers does not add up.
func (w *watchdog) plan() {
	pause := max(0, w.every-time.Since(w.begun))
	if w.timer == nil {
		w.timer = time.AfterFunc(pause, w.ask)
	} else {
		w.timer.Reset(pause)
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

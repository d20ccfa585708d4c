// SPDX-License-Identifier: Apache-2.0

package monitor

import "connmonitor/internal/config"

// Observer is told what the monitor is about, on the goroutine of Run, which
// waits for it.
type Observer interface {
	// Running tells that it measures, at the beginning and after each Reloading.
	// kept is why the configuration that was to be read is not the one in use
	// ("is not valid"); "" when it is.
	Running(now Tally, kept string)
	// Reloading tells that the configuration is about to be read again.
	Reloading()
	// Stopping tells that it ends: by itself and why, or with nil because it was
	// asked to.
	Stopping(err error)
}

// unobserved is that nobody is told.
type unobserved struct{}

func (unobserved) Running(Tally, string) {}
func (unobserved) Reloading()            {}
func (unobserved) Stopping(error)        {}

// Tally is how much is monitored.
type Tally struct {
	Targets              int
	Pings, Traces, Scans int // how many of them are measured so
	Paused               int
	// Lacking tells that something of it is not possible for want of privilege;
	// the log says what.
	Lacking bool
}

func tally(c *config.Config, lacking bool) Tally {
	t := Tally{Targets: len(c.Targets), Lacking: lacking}
	for i := range c.Targets {
		s := c.Targets[i].Settings
		if s.Paused {
			t.Paused++
			continue
		}
		t.Pings += one(s.Ping)
		t.Traces += one(s.Trace)
		t.Scans += one(s.Scan)
	}
	return t
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Loops are where the loops of a running monitor are asked to prove that they
// run: each calls what it is given on its own goroutine, soon. What may rightly
// wait is not among them: a write for its reader (it is excused), reading the
// configuration again for its file system, look-ups and scans for other hosts. It
// may be called from Observer.Running on.
func (m *Monitor) Loops() []func(beat func()) {
	loops := append(m.point.Loops(), m.pulse.Ask, m.auditor.pulse.Ask, m.resolver.Prove)
	if m.o.Hops != nil {
		loops = append(loops, m.o.Hops.Loops()...)
	}
	if m.o.Output != nil {
		loops = append(loops, m.o.Output.Prove)
	}
	return loops
}

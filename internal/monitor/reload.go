// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"connmonitor/internal/config"
	"connmonitor/internal/vitals"
)

// reading is what has come of reading the configuration again.
type reading struct {
	config *config.Config
	err    error
}

// reread begins to read the configuration again (contract 1.1, SIGHUP); reload
// takes what comes of it. That may take any time, when its file system hangs or
// it is a pipe: measuring goes on meanwhile, and the end is not kept waiting. It
// returns nil when nothing can be read.
func (m *Monitor) reread() <-chan reading {
	m.o.Observer.Reloading()
	if m.o.Load == nil {
		m.log.Error("ReloadError", "the configuration came from standard input and cannot be read again; going on with it")
		m.o.Observer.Running(m.tally, "cannot be read, it came from standard input")
		return nil
	}
	read := make(chan reading, 1)
	go func() {
		c, err := m.o.Load()
		read <- reading{c, err}
	}()
	return read
}

// reload goes over to the configuration that was read. A file that can be read
// but is not valid changes nothing; one that cannot be read ends the monitor.
func (m *Monitor) reload(r reading) error {
	kept := ""
	var invalid *config.ErrorList
	switch {
	case errors.As(r.err, &invalid):
		LogInvalid(m.log, invalid)
		kept = "is not valid"
	case r.err != nil:
		m.log.Error("ReloadError", "%v", r.err)
		return fmt.Errorf("%w: %w", ErrReload, r.err)
	case len(r.config.Targets) == 0:
		kept = "names no host"
	default:
		m.adopt(r.config)
	}
	if kept != "" {
		m.log.Error("ReloadError", "the configuration %s; going on with the one before", kept)
	}
	m.o.Observer.Running(m.tally, kept)
	return nil
}

// adopt goes over to a configuration that was read again.
func (m *Monitor) adopt(c *config.Config) {
	_, lacking := m.possible(c)
	added, removed, kept := m.apply(c)
	m.tally = tally(c, lacking)
	m.weigh(c)
	tidy(len(c.Targets))
	m.log.Warn("configuration read again: %d targets added, %d removed, %d unchanged", added, removed, kept)
}

// weigh warns of what a configuration can hardly mean.
func (m *Monitor) weigh(c *config.Config) {
	c.ScanParallel = m.point.ScanSockets()
	load := c.Load()
	for _, warning := range load.Warnings() {
		m.log.Warn("%s", warning)
	}
}

// errorLogger is what LogInvalid needs of a report.Log.
type errorLogger interface {
	Error(typ, format string, args ...any)
}

// LogInvalid logs each error of a configuration.
func LogInvalid(log errorLogger, list *config.ErrorList) {
	for _, e := range list.Errors {
		log.Error("ConfigError", "%v", e)
	}
	if list.More > 0 {
		log.Error("ConfigError", "and %d more errors", list.More)
	}
}

// identity is what makes a line of one configuration the same as a line of
// another: the host as typed and the settings, which are interned. The ID is
// not in it: who stands second of two equal hosts is called host#2 until the
// first one goes.
type identity struct {
	name     string
	settings *vitals.Settings
}

// apply makes c the running configuration. A target whose line did not change
// keeps its state; the new ones are there before the old ones go.
func (m *Monitor) apply(c *config.Config) (added, removed, kept int) {
	old := map[identity][]*target{}
	for _, t := range m.table.all() {
		id := identity{t.Name, t.Settings}
		old[id] = append(old[id], t)
	}
	var fresh []*target
	known := m.settings
	m.settings = make(map[vitals.Settings]*vitals.Settings) // of those that are in use
	var last, interned *vitals.Settings
	for i := range c.Targets {
		v := c.Targets[i]
		if v.Settings != last {
			last, interned = v.Settings, m.intern(v.Settings, known)
		}
		v.Settings = interned
		id := identity{v.Name, v.Settings}
		if same := old[id]; len(same) > 0 {
			m.rename(same[0], v.ID, v.Line)
			old[id] = same[1:]
			kept++
			continue
		}
		fresh = append(fresh, &target{Target: v})
	}
	m.beginAll(fresh)
	gone := slices.Concat(slices.Collect(maps.Values(old))...)
	m.removeAll(gone)
	return len(fresh), len(gone), kept
}

// removeAll removes targets, and gives back their memory when nothing can come
// for them any more: they are many, and few timers.
func (m *Monitor) removeAll(ts []*target) {
	waits := map[time.Duration][]*target{}
	for _, t := range ts {
		m.remove(t)
		waits[t.lingers()] = append(waits[t.lingers()], t)
	}
	for wait, ts := range waits {
		time.AfterFunc(wait, func() {
			for i, t := range ts {
				m.table.release(t.key)
				ts[i] = nil
			}
			tidy(len(ts))
		})
	}
}

// large is how many targets make a configuration whose reading leaves memory
// worth giving back.
const large = 10_000

// tidy gives back what reading a configuration of n targets, or removing them,
// has left: the collector would keep it for garbage that hardly comes, as
// measuring makes none.
func tidy(n int) {
	if n >= large {
		debug.FreeOSMemory()
	}
}

// intern makes equal settings the same pointer over all configurations; known
// are those of the one before.
func (m *Monitor) intern(s *vitals.Settings, known map[vitals.Settings]*vitals.Settings) *vitals.Settings {
	if same, ok := known[*s]; ok {
		s = same
	} else if same, ok := m.settings[*s]; ok {
		s = same
	}
	m.settings[*s] = s
	return s
}

// rename gives a target that stays the ID and the line that it has in another
// configuration. A fault that goes on is told again under the new ID.
func (m *Monitor) rename(t *target, id string, line int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ID != id {
		m.forget(t)
	}
	t.ID, t.Line = id, line
}

func (m *Monitor) beginAll(ts []*target) {
	now := time.Now()
	for i, t := range ts {
		t.start = now.Add(startOffset(i, len(ts)))
		m.table.add(t)
		m.begin(t)
	}
}

// startOffset spreads the first measurements of n targets (contract 1.2): 10 ms
// apart up to 100, over one second up to 10,000, and 10,000 a second beyond.
func startOffset(i, n int) time.Duration {
	switch {
	case n <= 100:
		return time.Duration(i) * 10 * time.Millisecond
	case n <= 10_000:
		return time.Duration(i) * time.Second / time.Duration(n)
	}
	return time.Duration(i) * 100 * time.Microsecond
}

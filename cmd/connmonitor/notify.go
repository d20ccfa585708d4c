// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"connmonitor/internal/config"
	"connmonitor/internal/monitor"
)

// notifyMost is how long the end may wait for a service manager that does not
// take what it is told.
const notifyMost = time.Second

// notified is told what became of a message to the service manager. A unit that
// may not reach its socket would else be ended by a time-out without a reason.
func (s *session) notified(err error) {
	if err != nil {
		s.log.Fault("notify", "NotifyError", fmt.Sprintf("the service manager cannot be told: %v", err))
		return
	}
	s.log.Clear("notify", "the service manager can be told again")
}

// notices tells the service manager what the monitor is about. It is the
// monitor's Observer.
type notices struct {
	session *session
	monitor *monitor.Monitor
	started bool
}

// Running implements monitor.Observer.
func (n *notices) Running(now monitor.Tally, kept string) {
	s := n.session
	status := running(now)
	if kept != "" {
		status = fmt.Sprintf("the configuration of %s %s, the one before is in use: %s",
			time.Now().Format(time.TimeOnly), kept, status)
	}
	s.supervisor.Ready(status)
	if n.started {
		return
	}
	n.started = true
	// The goroutine that opens the logs again is not among them: it may rightly
	// take any time (a pipe that nobody reads, a file system that hangs). Neither is
	// that of standard input: it ends before READY=1.
	s.supervisor.Watch(append(n.monitor.Loops(), s.errors.Prove)...)
}

// Reloading implements monitor.Observer.
func (n *notices) Reloading() { n.session.supervisor.Reloading("reading the configuration again") }

// Stopping implements monitor.Observer.
func (n *notices) Stopping(err error) {
	status := "finishing what is in flight"
	if err != nil {
		status = fmt.Sprintf("stopping: %v", err)
	}
	n.session.supervisor.Stopping(status)
}

// running says how much is monitored.
func running(t monitor.Tally) string {
	var kinds []string
	for _, kind := range []struct {
		count     int
		one, more string
	}{
		{t.Pings, "ping", "pings"}, {t.Traces, "route", "routes"}, {t.Scans, "scan", "scans"}, {t.Paused, "paused", "paused"},
	} {
		if kind.count > 0 {
			kinds = append(kinds, plural(kind.count, kind.one, kind.more))
		}
	}
	text := "monitoring " + plural(t.Targets, "target", "targets")
	if len(kinds) > 0 {
		text += " (" + strings.Join(kinds, ", ") + ")"
	}
	if t.Lacking {
		text += "; not all of it is possible, see the log"
	}
	return text
}

func plural(count int, one, more string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", count, more)
}

// notStarted says why there is no monitor.
func notStarted(err error) string {
	if invalid, ok := errors.AsType[*config.ErrorList](err); ok && len(invalid.Errors) > 0 {
		return fmt.Sprintf("not started: %v", invalid.Errors[0])
	}
	return fmt.Sprintf("not started: %v", err)
}

// SPDX-License-Identifier: Apache-2.0

// Package supervisor speaks to the service manager that has started this
// process, by the protocol of sd_notify(3): that the program is ready, reads its
// configuration again, ends, what it is about in a line for people, and that its
// loops run (watchdog.go). Any manager that sets NOTIFY_SOCKET understands it,
// systemd first of all. Without one everything here does nothing.
//
// What is said when is decided by cmd/connmonitor; that a loop runs is proved by
// the loop (heartbeat).
package supervisor

import (
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Supervisor is the service manager as this process sees it. Its methods may be
// called from any goroutine and never wait for the manager, but for Flush: what
// it does not take waits in a queue. The zero value is that nobody listens.
type Supervisor struct {
	listens bool
	told    func(error)

	mu       sync.Mutex
	queue    []string
	sent     chan struct{} // closed when all is sent; nil: all is
	stopping bool
	watchdog *watchdog
}

// New is the manager that the environment names, if any. told is called after
// each message, with the error of sending it or nil, on a goroutine that may
// wait.
func New(told func(error)) *Supervisor {
	return &Supervisor{listens: os.Getenv("NOTIFY_SOCKET") != "", told: told}
}

// Ready tells that the program has started, or has read its configuration again.
func (s *Supervisor) Ready(status string) {
	s.send(unlessStopping, daemon.SdNotifyReady, statusLine(status))
}

// Reloading tells that the configuration is about to be read again; Ready ends
// it.
func (s *Supervisor) Reloading(status string) {
	// systemd 253 and later take for the answer to their SIGHUP (Type=notify-reload)
	// only what is not older than it.
	since := strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n")
	s.send(unlessStopping, daemon.SdNotifyReloading, since, statusLine(status))
}

// Stopping tells that the program ends. Nothing but a Status is told after it,
// and no watchdog has to be fed any more: how long the end may take is another
// limit of the manager.
func (s *Supervisor) Stopping(status string) {
	s.mu.Lock()
	w, again := s.watchdog, s.stopping
	s.stopping = true
	s.mu.Unlock()
	if w != nil {
		w.stop()
	}
	if again {
		s.Status(status)
		return
	}
	s.send(always, daemon.SdNotifyStopping, statusLine(status))
}

// Status tells people what the program is about.
func (s *Supervisor) Status(status string) { s.send(always, statusLine(status)) }

// Flush waits until all is sent, but not longer than d: a manager that hangs
// must not keep the program from ending.
func (s *Supervisor) Flush(d time.Duration) {
	s.mu.Lock()
	sent := s.sent
	s.mu.Unlock()
	if sent == nil {
		return
	}
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-sent:
	case <-late.C:
	}
}

// When a message is sent.
const (
	always         = false
	unlessStopping = true
)

// limit is how many messages may wait for a manager that does not read. Beyond
// it the oldest go: what is true now is in the newest.
const limit = 64

func (s *Supervisor) send(unless bool, lines ...string) {
	if !s.listens {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if unless && s.stopping {
		return
	}
	message := strings.Join(lines, "\n")
	if message == daemon.SdNotifyWatchdog && slices.Contains(s.queue, message) {
		return // two at once say no more than one
	}
	if len(s.queue) == limit {
		s.queue = s.queue[1:]
	}
	s.queue = append(s.queue, message)
	if s.sent == nil {
		s.sent = make(chan struct{})
		go s.deliver()
	}
}

// deliver sends what waits, in its order, and ends: between two messages there
// is no goroutine. It waits while the manager's socket is full.
func (s *Supervisor) deliver() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			close(s.sent)
			s.queue, s.sent = nil, nil
			s.mu.Unlock()
			return
		}
		message := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		_, err := daemon.SdNotify(false, message)
		if s.told != nil {
			s.told(err)
		}
	}
}

// longest is how many bytes of a status are told; a message of more than 4,096
// is dropped by systemd.
const longest = 1024

// statusLine makes an assignment of a text that may quote anything: a newline in
// it would begin another assignment, and systemd drops what is not UTF-8.
func statusLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r // an invalid byte is U+FFFD here
	}, text)
	if len(text) > longest {
		end := longest
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return "STATUS=" + text
}

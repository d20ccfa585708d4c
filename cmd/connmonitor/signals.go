// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"syscall"
)

// signals hands on what signals ask for (contract 1.1). Each has a place for one
// that waits: what it asks for is done after it came, so a second asks for no
// more.
type signals struct {
	reload chan struct{} // SIGHUP
	reopen chan struct{} // SIGUSR1
	done   chan struct{} // closed by end
	ended  sync.WaitGroup
}

// handleSignals takes the signals until end; the first SIGTERM or SIGINT calls
// stop, the second ends the process. It works from before the first file is
// opened, for that may take for ever.
func handleSignals(p process, stop context.CancelFunc) *signals {
	s := &signals{
		reload: make(chan struct{}, 1),
		reopen: make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	s.ended.Go(func() { s.handle(p, stop) })
	return s
}

// end lets signals be ignored.
func (s *signals) end() {
	close(s.done)
	s.ended.Wait()
}

func (s *signals) handle(p process, stop context.CancelFunc) {
	stopping := false
	for {
		select {
		case <-s.done:
			return
		case sig := <-p.signals:
			switch sig {
			case syscall.SIGHUP:
				leave(s.reload)
			case syscall.SIGUSR1:
				leave(s.reopen)
			default:
				if stopping {
					p.exit(128 + int(sig.(syscall.Signal)))
				}
				stopping = true
				stop()
			}
		}
	}
}

// leave leaves a note in a channel of one place, if there is none.
func leave(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// reopenOn opens the files of --log and --err again whenever they were rotated.
// It has a goroutine of its own, which nothing waits for: a file system that
// hangs, or a pipe that nobody reads, takes any time.
func (s *session) reopenOn(sig *signals) {
	for {
		select {
		case <-sig.done:
			return
		case <-sig.reopen:
			s.reopen()
		}
	}
}

func (s *session) reopen() {
	for _, f := range s.files {
		if err := f.Reopen(); err != nil {
			s.log.Error("OutputError", "%v; going on with the one before", err)
		}
	}
}

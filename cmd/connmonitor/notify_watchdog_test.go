// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// feeding is what a watchdog is fed with.
const feeding = "WATCHDOG=1"

// fed waits for some feedings; before them, another message may come.
func (s *supervisor) fed(more string) {
	s.Helper()
	for n := 0; n < 5; {
		message, ok := s.told(hang)
		switch {
		case !ok:
			s.Fatal("the watchdog is not fed")
		case message == feeding:
			n++
		case more == "" || !strings.HasPrefix(message, more):
			s.Errorf("the message %q", message)
		}
	}
}

// TestWatchdog is fed while the program runs, also when nothing is measured, and
// nobody reads its records or its errors; while it is stopped it is not.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	tests := map[string]struct {
		text string
		args []string
		out  bool // nobody reads the records
		err  bool // nobody reads the errors, and nobody will
	}{
		"measuring": {text: "127.0.0.1 ping=10 numpings=1\n::1 ping=10 numpings=1\n"},
		"idle":      {text: "127.0.0.1 paused=1\n"},
		"quiet":     {text: "127.0.0.1 ping=10 numpings=1\n", args: []string{"--quiet"}},
		"unread":    {text: "127.0.0.1 ping=1 numpings=1\n", out: true},
		"deaf":      {text: "127.0.0.1 ping=10 numpings=1\n", err: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := superviseByFile(t, n)
			env := s.env("WATCHDOG_USEC=30000")
			st := setup{args: test.args, stdin: test.text, env: env}
			if test.out {
				_, st.stdout = pipe(t)
			}
			if test.err {
				var r *os.File
				r, st.stderr = pipe(t)
				_ = r.Close()
			}
			p := start(t, n, st)
			s.want(`READY=1\n.*`)
			s.fed("")
			if test.out {
				p.until("a full pipe", func() bool { s.drain(); return full(t, st.stdout) })
			}
			p.signal(syscall.SIGHUP) // an error, for it is standard input
			s.fed("RE")
			s.fed("RE")
			p.pauses(s)
			s.fed("RE")
			if test.out {
				return // the end would wait for the reader
			}
			p.signal(syscall.SIGTERM)
			for message := ""; !strings.HasPrefix(message, "STOPPING=1\n"); {
				message, _ = s.told(hang)
			}
			p.exits(exitGood)
			s.nothing()
		})
	}
}

// TestWatchdogOfAnother process is left to that.
func TestWatchdogOfAnother(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	s := superviseByFile(t, n)
	p := start(t, n, setup{stdin: "127.0.0.1 ping=20 numpings=1\n", env: s.env("WATCHDOG_USEC=1000", "WATCHDOG_PID="+strconv.Itoa(os.Getpid()))})
	s.want(`READY=1\n.*`)
	p.out.has("127.0.0.1\n", 10)
	p.signal(syscall.SIGTERM)
	s.want(`STOPPING=1\n.*`)
	p.exits(exitGood)
	s.nothing()
}

// drain reads what there is.
func (s *supervisor) drain() {
	for ok := true; ok; {
		_, ok = s.waiting()
	}
}

// pauses stops the program for ten intervals of the watchdog, in which it is not
// fed, and lets it go on.
func (p *program) pauses(s *supervisor) {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	p.until("a stopped program", func() bool { return p.halted('T') })
	s.drain()
	if message, ok := s.told(300 * time.Millisecond); ok {
		p.t.Errorf("%q while the program is stopped", message)
	}
	p.signal(syscall.SIGCONT)
}

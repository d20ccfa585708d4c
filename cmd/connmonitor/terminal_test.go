// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

// terminal opens a pseudo-terminal: ours and the program's end.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	conn, err := ours.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	err = conn.Control(func(fd uintptr) {
		_ = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	})
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// TestColour has errors red and warnings yellow on a terminal, unless NO_COLOR
// is set, and nowhere else; records have none.
func TestColour(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	const red, yellow, normal = "\x1b[31m", "\x1b[33m", "\x1b[0m"
	tests := []struct {
		name     string
		terminal bool
		env      []string
		colour   bool
	}{
		{"terminal", true, nil, true},
		{"terminal with an empty NO_COLOR", true, []string{"NO_COLOR="}, true},
		{"terminal with NO_COLOR", true, []string{"NO_COLOR=1"}, false},
		{"pipe", false, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := config(t, "nowhere.invalid\n127.0.0.1 ping=20\n")
			s := setup{args: []string{path}, env: test.env}
			var errors *stream
			if test.terminal {
				ours, theirs := terminal(t)
				s.stderr = theirs
				errors = newStream(t, ours, nil)
				go errors.read()
			}
			p := start(t, n, s)
			if !test.terminal {
				errors = p.err
			}
			errors.has("EE: ", 1)
			p.signal(syscall.SIGHUP)
			errors.has(again, 1)
			p.out.has("127.0.0.1\n", 3)
			p.terminates()
			shape{}.records(t, p.out.text())
			text := strings.ReplaceAll(errors.text(), "\r\n", "\n") // as a terminal ends lines
			for line := range strings.Lines(text) {
				if !test.colour {
					entries(t, line)
					continue
				}
				bare, ended := strings.CutSuffix(line, normal+"\n")
				want := red + "EE: "
				if strings.Contains(line, "WW: ") {
					want = yellow + "WW: "
				}
				if !ended || !strings.HasPrefix(bare, want) {
					t.Errorf("line %q, want it to begin with %q and end with %q", line, want, normal)
					continue
				}
				entries(t, bare[len(red):]+"\n")
			}
		})
	}
}

// TestRecordsOnATerminal are the same as in a pipe, and its end is the end of
// the monitor.
func TestRecordsOnATerminal(t *testing.T) {
	t.Parallel()
	ours, theirs := terminal(t)
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=20 trace=20\n", stdout: theirs})
	_ = theirs.Close()
	out := newStream(t, ours, nil)
	go out.read()
	out.has("127.0.0.1\r\n", 5)
	_ = ours.Close() // it hangs up
	p.exits(exitError)
	text := strings.ReplaceAll(out.text(), "\r\n", "\n")
	shape{}.records(t, text[:strings.LastIndex(text, "\n127.0.0.1\n")+1])
	if es := p.told(); len(es) != 1 || es[0].typ == "" {
		t.Errorf("standard error %+v, want one error", es)
	}
}

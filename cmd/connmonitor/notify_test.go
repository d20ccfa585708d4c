// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// supervisor is a service manager, as far as it is told things (sd_notify(3)).
type supervisor struct {
	*testing.T
	name string
	conn *net.UnixConn
}

// supervise listens at a socket; an abstract one (@name) belongs to the network
// namespace of the node.
func supervise(t *testing.T, n *netlab.Node, name string) *supervisor {
	t.Helper()
	var conn *net.UnixConn
	var err error
	n.Do(func() { conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &supervisor{t, name, conn}
}

// superviseByFile listens at a socket in the file system.
func superviseByFile(t *testing.T, n *netlab.Node) *supervisor {
	t.Helper()
	return supervise(t, n, filepath.Join(t.TempDir(), "notify"))
}

// env is the environment that a manager starts the program with.
func (s *supervisor) env(more ...string) []string { return append(more, "NOTIFY_SOCKET="+s.name) }

// told is the next message; none comes within the time.
func (s *supervisor) told(within time.Duration) (message string, ok bool) {
	s.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		s.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	n, err := s.conn.Read(buffer)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.Fatal(err)
	}
	return string(buffer[:n]), err == nil
}

// want waits for a message that is as wanted, a regular expression.
func (s *supervisor) want(message string) {
	s.Helper()
	got, ok := s.told(hang)
	if !ok {
		s.Fatalf("no message, want %q", message)
	}
	if !regexp.MustCompile("^(?:" + message + ")$").MatchString(got) {
		s.Errorf("the message %q, want %q", got, message)
	}
}

// waiting is a message that has come and was not read. A deadline, however long,
// may be over before this process has looked.
func (s *supervisor) waiting() (message string, ok bool) {
	s.Helper()
	raw, err := s.conn.SyscallConn()
	if err != nil {
		s.Fatal(err)
	}
	buffer, n := make([]byte, 1<<16), 0
	if e := raw.Control(func(fd uintptr) { n, _, err = syscall.Recvfrom(int(fd), buffer, syscall.MSG_DONTWAIT) }); e != nil {
		s.Fatal(e)
	}
	if err != nil && !errors.Is(err, syscall.EAGAIN) {
		s.Fatal(err)
	}
	return string(buffer[:max(0, n)]), err == nil
}

// nothing checks that nothing has been told that was not read; the program has
// ended.
func (s *supervisor) nothing() {
	s.Helper()
	if message, ok := s.waiting(); ok {
		s.Errorf("the message %q, want none", message)
	}
}

const reloading = "RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nSTATUS=reading the configuration again"

// TestNotify tells of the start, of reloads of every kind, and of the end, to
// either kind of socket.
func TestNotify(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for kind, name := range map[string]string{"file": filepath.Join(t.TempDir(), "notify"), "abstract": fmt.Sprintf("@connmonitor-%d", os.Getpid())} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := supervise(t, n, name)
			path := config(t, "127.0.0.1 ping=20 trace=20\n")
			p := start(t, n, setup{args: []string{path}, env: s.env()})
			s.want(`READY=1\nSTATUS=monitoring 1 target \(1 ping, 1 route\)`)
			again := func(text, status string) {
				write(t, path, text)
				p.signal(syscall.SIGHUP)
				s.want(reloading)
				s.want(`READY=1\nSTATUS=` + status)
			}
			again("127.0.0.1 ping=20 trace=20\n127.0.0.2-127.0.0.4 ping=20 scan=500\n127.0.0.5 paused=1\n",
				`monitoring 5 targets \(4 pings, 1 route, 3 scans, 1 paused\)`)
			const kept = `, the one before is in use: monitoring 5 targets \(.*\)`
			again("127.0.0.1 pnig=3\n", `the configuration of \d\d:\d\d:\d\d is not valid`+kept)
			again("# nobody\n", `the configuration of \d\d:\d\d:\d\d names no host`+kept)
			again("127.0.0.1\n", `monitoring 1 target \(1 ping\)`)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			p.signal(syscall.SIGHUP)
			s.want(reloading)
			s.want(`STOPPING=1\nSTATUS=stopping: the configuration can no longer be read: open ` + path + `: no such file or directory`)
			p.exits(exitError)
			s.nothing()
		})
	}
}

// TestNotifyStandardInput goes on with what it has.
func TestNotifyStandardInput(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	s := superviseByFile(t, n)
	p := start(t, n, setup{stdin: "127.0.0.1\n", env: s.env()})
	s.want(`READY=1\nSTATUS=monitoring 1 target \(1 ping\)`)
	p.signal(syscall.SIGHUP)
	s.want(reloading)
	s.want(`READY=1\nSTATUS=the configuration of .* cannot be read, it came from standard input, the one before is in use: monitoring 1 target \(1 ping\)`)
	p.signal(syscall.SIGTERM)
	s.want(`STOPPING=1\nSTATUS=finishing what is in flight`)
	p.exits(exitGood)
	s.nothing()
}

// TestNotifyStopping is at once, while what is in flight is waited for.
func TestNotifyStopping(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	s := superviseByFile(t, n)
	p := start(t, n, setup{stdin: "127.0.0.1 ping=5000 numpings=1000 interval=100\n127.0.0.2 ping=10 numpings=1\n", env: s.env()})
	s.want(`READY=1\n.*`)
	p.out.has("127.0.0.2", 3) // the burst of the first has begun, and lasts longer than an end may
	p.signal(syscall.SIGTERM)
	s.want(`STOPPING=1\nSTATUS=finishing what is in flight`)
	if !p.running() {
		t.Error("the program has ended by now")
	}
	p.signal(syscall.SIGTERM)
	p.exits(128 + int(syscall.SIGTERM))
	s.nothing()
}

// TestNotifyOfFailedStart never says READY=1, but why.
func TestNotifyOfFailedStart(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	tests := map[string]struct{ text, status string }{
		"missing":   {"", `open .*/test\.conf: no such file or directory`},
		"not valid": {"127.0.0.1\n127.0.0.1 pnig=1\n", `.*/test\.conf:2:11: option "pnig": .*`},
		"no host":   {"# nobody\n", "no usable host"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := superviseByFile(t, n)
			path := config(t, test.text)
			if test.text == "" {
				_ = os.Remove(path)
			}
			p := start(t, n, setup{args: []string{path}, env: s.env()})
			p.exits(exitError)
			s.want("STATUS=not started: " + test.status)
			s.nothing()
		})
	}
}

// TestNotifyOfCheck is nothing: there is no service.
func TestNotifyOfCheck(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	s := superviseByFile(t, n)
	for text, status := range map[string]int{"127.0.0.1\n": exitGood, "pnig=1 pnig=1\n": exitError} {
		p := start(t, n, setup{args: []string{"--check"}, stdin: text, env: s.env("WATCHDOG_USEC=1000")})
		p.exits(status)
		s.nothing()
	}
}

// TestNotifyNobody: a manager that cannot be told is one error, and no end.
func TestNotifyNobody(t *testing.T) {
	t.Parallel()
	p := start(t, netlab.Loopback(t), setup{
		stdin: "127.0.0.1 ping=20 numpings=1\n",
		env:   []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "none"), "WATCHDOG_USEC=30000"},
	})
	p.out.has("127.0.0.1\n", 20) // several feedings
	p.terminates()
	if p.err.count("NotifyError") != 1 || p.err.count(": no such file or directory") != 1 {
		t.Errorf("standard error %q, want one error", p.err.text())
	}
}

// TestNotifyFullSocket: a manager that does not read holds up neither the
// measuring nor the end.
func TestNotifyFullSocket(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	s := superviseByFile(t, n)
	for filled := false; !filled; {
		filled = fill(t, s.name)
	}
	p := start(t, n, setup{stdin: "127.0.0.1 ping=10 numpings=1\n", env: s.env("WATCHDOG_USEC=3000")})
	p.out.has("127.0.0.1\n", 50)
	p.terminates()
	if n := p.err.count("NotifyError"); n > 0 {
		t.Errorf("%d errors, want none: the manager may read yet", n)
	}
}

// fill sends a message to a socket that nobody reads, and reports whether there
// was no room.
func fill(t *testing.T, name string) bool {
	t.Helper()
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Write([]byte("STATUS=full"))
	return err != nil
}

// TestEndWhileReadingAgain ends the monitor although its configuration is a pipe
// that nobody writes to: the reload that was asked for never ends.
func TestEndWhileReadingAgain(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	s := superviseByFile(t, n)
	path := config(t, "127.0.0.1 ping=20 numpings=1\n")
	p := start(t, n, setup{args: []string{path}, env: s.env()})
	s.want(`READY=1\n.*`)
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	s.want(reloading)
	p.out.has("127.0.0.1\n", p.out.count("127.0.0.1\n")+5)
	p.signal(syscall.SIGTERM)
	s.want(`STOPPING=1\n.*`)
	p.exits(exitGood)
	s.nothing()
}

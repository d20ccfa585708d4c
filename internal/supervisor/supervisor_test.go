// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang is when a message that should come soon is given up.
const hang = 30 * time.Second

// manager is a service manager's end of the socket, which the environment of
// the test names.
type manager struct {
	*testing.T
	conn *net.UnixConn
}

func listen(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "")
	t.Setenv("WATCHDOG_PID", "")
	return &manager{t, conn}
}

func listenInFile(t *testing.T) *manager {
	t.Helper()
	return listen(t, filepath.Join(t.TempDir(), "notify"))
}

func (m *manager) next() string {
	m.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(hang)); err != nil {
		m.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	n, err := m.conn.Read(buffer)
	if err != nil {
		m.Fatalf("no message: %v", err)
	}
	return string(buffer[:n])
}

func (m *manager) want(message string) {
	m.Helper()
	if got := m.next(); got != message {
		m.Errorf("the message %q, want %q", got, message)
	}
}

// TestMessages are those of sd_notify(3), in their order, on either kind of
// socket.
func TestMessages(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@connmonitor-test-%d", os.Getpid())} {
		m, s := listen(t, name), New(nil)
		s.Ready("monitoring 1 target")
		m.want("READY=1\nSTATUS=monitoring 1 target")
		s.Reloading("reading")
		lines := strings.Split(m.next(), "\n")
		if len(lines) != 3 || lines[0] != "RELOADING=1" || lines[2] != "STATUS=reading" {
			t.Errorf("the message %q", lines)
		} else if usec, err := strconv.ParseUint(strings.TrimPrefix(lines[1], "MONOTONIC_USEC="), 10, 64); err != nil || usec == 0 {
			t.Errorf("the time %q", lines[1])
		}
		s.Stopping("finishing")
		s.Reloading("too late")
		s.Ready("too late")
		s.Stopping("stopping: why")
		m.want("STOPPING=1\nSTATUS=finishing")
		m.want("STATUS=stopping: why")
		s.Flush(hang)
	}
}

// TestStatusIsOneAssignment whatever it quotes.
func TestStatusIsOneAssignment(t *testing.T) {
	long := strings.Repeat("ä", longest)
	tests := map[string]string{
		"plain":                         "STATUS=plain",
		"":                              "STATUS=",
		"a\nMAINPID=1\r\x1b\x00\u0085b": "STATUS=a MAINPID=1    b",
		"\xff":                          "STATUS=\ufffd",
		long:                            "STATUS=" + long[:longest],
		"x" + long:                      "STATUS=x" + long[:longest-2],
	}
	for text, want := range tests {
		if got := statusLine(text); got != want || !utf8.ValidString(got) {
			t.Errorf("%.50q: %.50q, want %.50q", text, got, want)
		}
	}
}

// TestNobodyListens: nothing is sent, nothing waits, no loop is asked.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "1000")
	for _, s := range []*Supervisor{New(nil), {}} {
		s.Ready("")
		s.Reloading("")
		s.Status("")
		s.Watch(func(func()) { t.Error("a loop was asked") })
		s.Stopping("")
		s.Flush(hang)
		if s.queue != nil || s.sent != nil || s.watchdog != nil {
			t.Errorf("%+v", s)
		}
	}
}

// TestManagerThatDoesNotRead holds nobody up, and is told the newest when it
// reads again.
func TestManagerThatDoesNotRead(t *testing.T) {
	m, s := listenInFile(t), New(nil)
	const messages = 3000 // more than the socket (net.unix.max_dgram_qlen) and the queue hold
	for i := range messages {
		s.Status(strconv.Itoa(i))
	}
	s.Flush(time.Millisecond)
	if n := len(s.waiting()); n > limit {
		t.Errorf("%d messages wait", n)
	} else if n < limit {
		t.Skipf("%d messages wait: this system's sockets hold more", n)
	}
	for range 10 {
		s.send(unlessStopping, "WATCHDOG=1")
	}
	s.Status("the last")
	feedings := slices.DeleteFunc(s.waiting(), func(m string) bool { return m != "WATCHDOG=1" })
	if len(feedings) != 1 {
		t.Errorf("%d feedings wait", len(feedings))
	}
	for m.next() != "STATUS=the last" {
	}
	s.Flush(hang)
}

// waiting are the messages that wait.
func (s *Supervisor) waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queue)
}

// TestManagerThatIsGone is told to the caller, and is no end.
func TestManagerThatIsGone(t *testing.T) {
	m := listenInFile(t)
	told := make(chan error, 1)
	s := New(func(err error) { told <- err })
	s.Ready("")
	m.want("READY=1\nSTATUS=")
	if err := <-told; err != nil {
		t.Error(err)
	}
	_ = m.conn.Close()
	s.Status("")
	var failed *net.OpError
	if err := <-told; !errors.As(err, &failed) {
		t.Errorf("%v, want an error of the network", err)
	}
	s.Flush(hang)
}

// TestWatch feeds where the manager has a watchdog for this process.
func TestWatch(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	tests := []struct {
		usec, pid string
		fed       bool
	}{
		{"3000", "", true},
		{"3000", self, true},
		{"3000", "1", false},
		{"", self, false},
		{"0", "", false},
		{"soon", "", false},
	}
	for _, test := range tests {
		t.Run(test.usec+" "+test.pid, func(t *testing.T) {
			m := listenInFile(t)
			t.Setenv("WATCHDOG_USEC", test.usec)
			t.Setenv("WATCHDOG_PID", test.pid)
			s := New(nil)
			s.Watch(func(beat func()) { beat() })
			for range 3 {
				if test.fed {
					m.want("WATCHDOG=1")
				}
			}
			s.Stopping("")
			for got := m.next(); got != "STOPPING=1\nSTATUS="; got = m.next() {
				if !test.fed {
					t.Errorf("the message %q", got)
				}
			}
			s.Flush(hang)
		})
	}
}

// TestWatchAfterStopping asks no loop any more.
func TestWatchAfterStopping(t *testing.T) {
	m := listenInFile(t)
	t.Setenv("WATCHDOG_USEC", "3000")
	s := New(nil)
	s.Stopping("")
	s.Watch(func(func()) { t.Error("a loop was asked") })
	m.want("STOPPING=1\nSTATUS=")
	s.Flush(hang)
}

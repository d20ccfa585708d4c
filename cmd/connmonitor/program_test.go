// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// Exit statuses (contract 1.1).
const (
	exitGood  = 0
	exitError = 1
	exitUsage = 2
)

// hang is when a condition that should come soon is given up. It catches hangs
// and decides nothing else.
const hang = 60 * time.Second

// setup is how the program is started. What is nil is a pipe that the test
// reads.
type setup struct {
	args           []string
	stdin          string
	input          *os.File // in place of stdin
	stdout, stderr *os.File
	env            []string
	wrap           []string // a command that runs the program
	program        string   // in place of binary
	files          []*os.File
	user           *syscall.Credential
}

// program is the real program while it runs in a node.
type program struct {
	t        *testing.T
	node     *netlab.Node
	cmd      *exec.Cmd
	out, err *stream
	started  time.Time
	done     chan struct{}
	status   int
}

// start runs the program; it is killed at the end of the test at the latest.
func start(t *testing.T, n *netlab.Node, s setup) *program {
	t.Helper()
	p := &program{t: t, node: n, done: make(chan struct{})}
	if s.program == "" {
		s.program = binary
	}
	line := append(append(append([]string{}, s.wrap...), s.program), s.args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}, s.env...)
	p.cmd.Stdin = strings.NewReader(s.stdin)
	if s.input != nil {
		p.cmd.Stdin = s.input
	}
	p.cmd.ExtraFiles = s.files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	p.out = p.attach(&p.cmd.Stdout, s.stdout)
	p.err = p.attach(&p.cmd.Stderr, s.stderr)
	var err error
	p.started = time.Now()
	n.Do(func() { err = p.cmd.Start() })
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	p.out.run()
	p.err.run()
	go p.wait()
	t.Cleanup(p.kill)
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	executable.WantNoTrace(p.t, p.err.text())
	if p.t.Failed() {
		p.t.Logf("%v\nstandard output:\n%.4000s\nstandard error:\n%.4000s", p.cmd.Args, p.out.text(), p.err.text())
	}
}

func (p *program) wait() {
	p.status = executable.Status(p.cmd.Wait())
	p.out.finish()
	p.err.finish()
	close(p.done)
}

// signal sends a signal to the program.
func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

// exits waits for the end of the program and compares its status.
func (p *program) exits(status int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(hang):
		p.t.Fatal("the program does not end")
	}
	if p.status != status {
		p.t.Errorf("exit status %d, want %d", p.status, status)
	}
}

// terminates ends the program by SIGTERM, which is no error.
func (p *program) terminates() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.exits(exitGood)
}

// told is what the log says, but for lines of a machine that is busy.
func (p *program) told() []entry {
	p.t.Helper()
	return remarkable(entries(p.t, p.err.text()))
}

func remarkable(es []entry) []entry { return slices.DeleteFunc(es, busy) }

// silent checks that there was no error and no warning.
func (p *program) silent() {
	p.t.Helper()
	if es := p.told(); len(es) > 0 {
		p.t.Errorf("standard error %+v, want nothing", es)
	}
}

// running reports whether the program has not ended.
func (p *program) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stream is what the program has written so far.
type stream struct {
	t      *testing.T
	reader *os.File // nil when the test reads nothing
	writer *os.File // the program's end, until it runs
	ended  chan struct{}

	mu   sync.Mutex
	more chan struct{} // closed, and made anew, when there is more
	data []byte
	over bool
}

func newStream(t *testing.T, reader, writer *os.File) *stream {
	return &stream{t: t, reader: reader, writer: writer, more: make(chan struct{}), ended: make(chan struct{})}
}

// attach connects a stream of the program with given, or else with a pipe.
func (p *program) attach(to any, given *os.File) *stream {
	s := newStream(p.t, nil, nil)
	file := given
	if file == nil {
		s.reader, s.writer = pipe(p.t)
		file = s.writer
	}
	switch to {
	case &p.cmd.Stdout:
		p.cmd.Stdout = file
	default:
		p.cmd.Stderr = file
	}
	return s
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// run reads until nobody can write any more.
func (s *stream) run() {
	if s.reader == nil {
		close(s.ended)
		return
	}
	_ = s.writer.Close()
	go s.read()
}

func (s *stream) read() {
	defer close(s.ended)
	buffer := make([]byte, 1<<16)
	for {
		n, err := s.reader.Read(buffer)
		s.mu.Lock()
		s.data = append(s.data, buffer[:n]...)
		s.wake()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wake lets those who wait look again. The caller holds mu.
func (s *stream) wake() {
	close(s.more)
	s.more = make(chan struct{})
}

// finish is called when the program has ended.
func (s *stream) finish() {
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.wake()
}

func (s *stream) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.data)
}

// count is how often part has been written.
func (s *stream) count(part string) int { return strings.Count(s.text(), part) }

// until waits until ok holds of what was written.
func (s *stream) until(what string, ok func(text string) bool) {
	s.t.Helper()
	late := time.After(hang)
	for {
		s.mu.Lock()
		text, over, more := string(s.data), s.over, s.more
		s.mu.Unlock()
		if ok(text) {
			return
		}
		if over {
			s.t.Fatalf("the program ended before there was %s", what)
		}
		select {
		case <-more:
		case <-late:
			s.t.Fatalf("there is no %s", what)
		}
	}
}

// has waits until part has been written n times.
func (s *stream) has(part string, n int) {
	s.t.Helper()
	s.until(part, func(text string) bool { return strings.Count(text, part) >= n })
}

// write makes a file of the test.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// config makes a configuration file that every user may reach.
func config(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(executable.Folder(t), "test.conf")
	write(t, path, text)
	return path
}

// device opens a file that is there.
func device(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// reads fills a pipe with comments until the program has read some: it handles
// signals by then.
func (p *program) reads(w *os.File) {
	p.t.Helper()
	if err := w.SetWriteDeadline(time.Now().Add(hang)); err != nil {
		p.t.Fatal(err)
	}
	// More than a pipe holds, so that the last write ends by its being read.
	if _, err := w.WriteString(strings.Repeat("# not yet\n", 20_000)); err != nil {
		p.t.Fatalf("the program does not read: %v", err)
	}
}

// until waits until ok holds of something that cannot be waited for.
func (p *program) until(what string, ok func() bool) {
	p.t.Helper()
	netlab.Await(p.t, what, func() bool {
		done := ok()
		if !done && !p.running() {
			p.t.Fatalf("the program ended before there was %s", what)
		}
		return done
	})
}

// echoes waits until n echo requests have arrived in the program's network.
func (p *program) echoes(n int) {
	p.t.Helper()
	p.until(fmt.Sprintf("%d echo requests", n), func() bool { return p.arrived() >= n })
}

// descriptors is how many the program has open.
func (p *program) descriptors() int { return p.entries("fd") }

// threads is how many the program has.
func (p *program) threads() int { return p.entries("task") }

func (p *program) entries(dir string) int {
	p.t.Helper()
	es, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, dir))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(es)
}

// arrived is the number of ICMP echo requests that have arrived in the
// program's network; it is the program's own traffic, for it is alone there.
func (p *program) arrived() int {
	p.t.Helper()
	return p.node.EchoRequests()
}

// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

// TestClosedOutput ends the monitor with one error when nobody reads any more.
func TestClosedOutput(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	r, w := pipe(t)
	p := start(t, n, setup{stdin: "127.0.0.1 ping=10 numpings=1\n", stdout: w})
	_ = w.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	p.exits(exitError)
	es := p.told()
	if len(es) != 1 || es[0].typ == "" || !strings.Contains(es[0].text, "standard output") {
		t.Errorf("standard error %+v, want one error", es)
	}
}

// TestClosedFromTheStart has no reader at all.
func TestClosedFromTheStart(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	_ = r.Close()
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=10 numpings=1\n", stdout: w})
	p.exits(exitError)
	if es := p.told(); len(es) != 1 || es[0].typ == "" {
		t.Errorf("standard error %+v, want one error", es)
	}
}

// TestFullDisk is one error, and measuring goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=10 numpings=1\n", stdout: device(t, "/dev/full")})
	p.err.has("\n", 1)
	p.echoes(p.arrived() + 250) // two further attempts to write are in this time
	p.terminates()
	es := p.told()
	if len(es) != 2 || es[0].typ != "Output" || !strings.Contains(es[0].text, "no space left on device") || es[1].typ != "" {
		t.Errorf("standard error %+v, want one error, and at the end a warning of what was lost", es)
	}
}

// TestPain16StuckReader stops to read: measuring goes on, and the end comes
// all the same.
func TestPain16StuckReader(t *testing.T) {
	t.Parallel()
	_, w := pipe(t)
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=1 numpings=1 payload=8\n::1 ping=1 numpings=1\n", stdout: w})
	p.until("a full pipe", func() bool { return full(t, w) })
	p.echoes(p.arrived() + 500)
	begun := time.Now()
	p.terminates()
	if took := time.Since(begun); took > endMost {
		t.Errorf("the end took %v", took)
	}
	if es := p.told(); len(es) != 1 || es[0].typ != "" || !strings.Contains(es[0].text, "does not read") {
		t.Errorf("standard error %+v, want one warning of what was lost", es)
	}
}

// full reports whether a pipe has no room. How many bytes that is depends on how
// they were written.
func full(t *testing.T, w *os.File) bool {
	t.Helper()
	conn, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	room := false
	err = conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		_, _ = unix.Poll(fds, 0)
		room = fds[0].Revents&unix.POLLOUT != 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return !room
}

// TestSlowReaderGetsAll lets records wait for a while; none is lost.
func TestSlowReaderGetsAll(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=1 numpings=1 json=1\n::1 ping=20 numpings=1 json=1\n", stdout: w})
	p.until("a full pipe", func() bool { return full(t, w) })
	p.echoes(p.arrived() + 500)
	_ = w.Close()
	out := newStream(t, r, w)
	go out.read()
	arrived := p.last()
	out.finish()
	if rs := of(shape{json: true}.records(t, out.text()), "127.0.0.1"); len(rs) != arrived {
		t.Errorf("%d records of %d bursts", len(rs), arrived)
	}
	p.silent()
}

// TestUnreadErrors closes standard error, and blocks it: both do not stop the measuring.
func TestUnreadErrors(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	const text = "nowhere.invalid\n127.0.0.1 ping=20\n"
	r, w := pipe(t)
	_ = r.Close()
	p := start(t, n, setup{stdin: text, stderr: w})
	p.out.has("127.0.0.1\n", 5)
	p.signal(syscall.SIGHUP) // one more error
	p.out.has("127.0.0.1\n", p.out.count("127.0.0.1\n")+5)
	p.terminates()

	r, w = pipe(t)
	if err := w.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for { // until the pipe is full
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	p = start(t, n, setup{stdin: text, stderr: blocking(t, w)})
	p.out.has("127.0.0.1\n", 5)
	p.signal(syscall.SIGHUP)
	p.out.has("127.0.0.1\n", p.out.count("127.0.0.1\n")+5)
	p.terminates()
	_ = r.Close()
}

// blocking turns a pipe's end into the kind that a shell gives a program.
func blocking(t *testing.T, f *os.File) *os.File {
	t.Helper()
	_ = f.Fd() // which says of itself that it does
	return f
}

// last ends the program and returns how many echo requests had arrived then.
func (p *program) last() int {
	p.t.Helper()
	p.terminates()
	return p.arrived()
}

// TestRotation renames the files of --log and --err under load and has them
// opened again: every ping that was sent is in one record of one of the files.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, errors := filepath.Join(dir, "log"), filepath.Join(dir, "err")
	hosts := config(t, "127.1.1.0-127.1.1.19 ping=5 numpings=1 json=1\n")
	p := start(t, netlab.Loopback(t), setup{args: []string{"--log", log, "--err", errors, hosts}})
	for i := range 10 {
		p.echoes(p.arrived() + 100)
		p.signal(syscall.SIGHUP) // a line for the errors
		p.until("the line of the reload", func() bool { return strings.Count(readAll(t, errors+"*"), again) > i })
		for _, path := range []string{log, errors} {
			if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
				t.Fatal(err)
			}
		}
		p.signal(syscall.SIGUSR1)
		p.until("new files", func() bool { return exists(log) && exists(errors) })
	}
	arrived := p.last()
	paths, _ := filepath.Glob(log + "*")
	if len(paths) != 11 {
		t.Errorf("files %q, want 11", paths)
	}
	records := 0
	for _, path := range paths {
		records += len(shape{json: true}.records(t, readAll(t, path)))
	}
	if records != arrived {
		t.Errorf("%d records of %d bursts", records, arrived)
	}
	if es := remarkable(entries(t, readAll(t, errors+"*"))); len(es) != 10 {
		t.Errorf("%d lines, want those of 10 reloads", len(es))
	}
	p.silent()
	if text := p.out.text(); text != "" {
		t.Errorf("standard output %q, want nothing", text)
	}
}

func readAll(t *testing.T, pattern string) string {
	t.Helper()
	paths, _ := filepath.Glob(pattern)
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestRotationFails goes on with the old file, and says so.
func TestRotationFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	p := start(t, netlab.Loopback(t), setup{args: []string{"--log", path}, stdin: "127.0.0.1 ping=10 numpings=1\n"})
	p.until("a record", func() bool { return strings.Contains(readAll(t, path), "\n") })
	old := device(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR1)
	p.err.has("EE: OutputError: ", 1)
	before, err := old.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p.until("more in the old file", func() bool {
		now, err := old.Stat()
		return err == nil && now.Size() > before.Size()
	})
	p.terminates()
}

// TestDefect33WritesHoldWholeRecords looks at the system calls of the real
// process, in all forms at once: what one write(2) takes is whole records.
func TestDefect33WritesHoldWholeRecords(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("there is no strace")
	}
	n := netlab.Loopback(t)
	tests := map[string]struct {
		shape shape
		text  string
	}{
		"global":   {shape{bundled: true}, "1 1 1 3 41 30 0 5\n127.1.1.0-127.1.1.30\n::1\nlocalhost\n"},
		"separate": {shape{}, "* ping=10 numpings=2 trace=10 scan=10\n127.1.1.0-127.1.1.30\n::1\nlocalhost\n"},
		"json":     {shape{json: true}, "* ping=10 numpings=2 trace=10 scan=10 json=1\n127.1.1.0-127.1.1.30\n::1\nlocalhost\n"},
	}
	for name, test := range tests {
		if name == "global" {
			test.text = strings.Replace(test.text, "127.1.1.0-127.1.1.30\n", lines("127.1.1.%d\n", 30), 1)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w := pipe(t)
			calls := newStream(t, r, w)
			p := start(t, n, setup{
				wrap:  []string{"strace", "-D", "-f", "-qqq", "-xx", "-s", "200000", "-e", "trace=write", "-e", "signal=none", "-o", "/proc/self/fd/3"},
				stdin: test.text, files: []*os.File{w},
			})
			calls.run()
			p.out.has("127.0.0.1", 10)
			p.terminates()
			calls.finish()
			checkWrites(t, test.shape, calls.text(), p.out.text())
		})
	}
}

func lines(format string, n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, format, i+1)
	}
	return all.String()
}

var writeCall = regexp.MustCompile(`write\(1, "((?:\\x[0-9a-f]{2})*)", (\d+)`)

// checkWrites reads what strace saw, which together is what came out.
func checkWrites(t *testing.T, s shape, calls, out string) {
	t.Helper()
	var all strings.Builder
	writes := 0
	for _, call := range writeCall.FindAllStringSubmatch(calls, -1) {
		data, err := hex.DecodeString(strings.ReplaceAll(call[1], `\x`, ""))
		if err != nil || fmt.Sprint(len(data)) != call[2] {
			t.Fatalf("strace shows %d of %s bytes, %v", len(data), call[2], err)
		}
		s.records(t, string(data))
		all.Write(data)
		writes++
	}
	if all.String() != out {
		t.Errorf("strace saw %d bytes in %d writes, %d bytes came out", all.Len(), writes, len(out))
	}
}

// TestLogCannotBeOpened ends with 1 where the user has to mend it, and with 70
// where the file system may come back by itself, so that a service is started
// again.
func TestLogCannotBeOpened(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	folder := t.TempDir()
	p := start(t, n, setup{args: []string{"--log", folder}, stdin: "127.0.0.1\n"})
	p.exits(exitError)
	p.err.has("EE: OutputError: ", 1)
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system that is read-only")
	}
	p = start(t, n, setup{
		args: []string{"--log", filepath.Join(folder, "log")}, stdin: "127.0.0.1\n",
		wrap: []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o ro none "$0" && exec "$@"`, folder},
	})
	p.exits(70)
	p.err.has("read-only file system", 1)
}

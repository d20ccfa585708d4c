// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/vitals"
)

// scripted is a file that does what the test says.
type scripted func(p []byte) (int, error)

func (f scripted) Write(p []byte) (int, error) { return f(p) }

// start runs o, and returns what ends it and waits for its verdict.
func start(o *Output) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	verdict := make(chan error, 1)
	go func() { verdict <- o.Run(ctx) }()
	return func() error {
		cancel()
		return <-verdict
	}
}

// shut closes a file that the test may have closed before.
func shut(t testing.TB, f io.Closer) {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func line(i int) []byte { return fmt.Appendf(nil, "record %06d\n", i) }

func wantStats(t *testing.T, o *Output, written, dropped uint64) {
	t.Helper()
	if w, d := o.Stats(); w != written || d != dropped {
		t.Errorf("%d written, %d dropped; want %d and %d", w, d, written, dropped)
	}
}

// TestOutputWritesAtOnce: nothing waits in a buffer, when nothing was written
// for a while.
func TestOutputWritesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		o := NewOutput(&s, nil, Options{})
		stop := start(o)
		for i := range 3 {
			o.Append(line(i))
			synctest.Wait() // no time passes
			if got := s.taken(); len(got) != 1 || got[0] != string(line(i)) {
				t.Errorf("%q", got)
			}
			time.Sleep(gather)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantStats(t, o, 3, 0)
	})
}

// TestOutputGathers: what follows a write soon is written 20 ms after it, in
// one write; a full batch, and the end, do not wait.
func TestOutputGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		o := NewOutput(&s, nil, Options{})
		stop := start(o)
		o.Append(line(0))
		synctest.Wait()
		s.taken()
		for i := range 10 {
			time.Sleep(time.Millisecond)
			o.Append(line(i))
		}
		time.Sleep(gather - 10*time.Millisecond - 1)
		synctest.Wait()
		if got := s.taken(); len(got) != 0 {
			t.Errorf("written early: %q", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := s.taken(); len(got) != 1 || len(got[0]) != 10*len(line(0)) {
			t.Errorf("written 20 ms after the first: %q", got)
		}
		const full = batchSize/14 + 1
		for i := range full {
			o.Append(line(i))
		}
		synctest.Wait()
		if got := s.taken(); len(got) != 1 || len(got[0]) < batchSize-14 {
			t.Errorf("of a full batch and one record: %d writes", len(got))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := s.taken(); len(got) != 1 || got[0] != string(line(full-1)) {
			t.Errorf("at the end: %q", got)
		}
		wantStats(t, o, 11+full, 0)
	})
}

// TestDefect33RecordsDoNotInterleave counts on a socket that keeps the borders
// of writes: each write(2) holds whole records, many share one, and a large one
// goes alone.
func TestDefect33RecordsDoNotInterleave(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
	defer shut(t, far)
	defer shut(t, near)

	r := record("example.org", "192.0.2.1")
	r.Ping, r.Path = somePing(), somePath()
	whole := AppendRecord(nil, with(r, vitals.Separate, false, true))
	huge := append(bytes.Repeat([]byte("x"), batchSize+1), '\n')
	const records = 2000
	o := NewOutput(near, nil, Options{})
	for range records {
		o.Append(whole)
	}
	o.Append(huge)
	stop := start(o)

	buf := make([]byte, 4*batchSize)
	for seen := 0; seen < records; {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n > batchSize || n%len(whole) != 0 || !bytes.Equal(buf[:n], bytes.Repeat(whole, n/len(whole))) {
			t.Fatalf("a write of %d bytes holds a part of a record", n)
		}
		seen += n / len(whole)
	}
	if n, err := far.Read(buf); err != nil || !bytes.Equal(buf[:n], huge) {
		t.Errorf("the large record: %d bytes, %v", n, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	wantStats(t, o, records+1, 0)
}

// TestSlowReader: the records of 5,000 hosts, ten of each, from as many
// goroutines, go into a pipe that nobody reads yet. Nobody waits, and each
// record arrives whole.
func TestSlowReader(t *testing.T) {
	const hosts, each = 5000, 10
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, write)
	o := NewOutput(write, nil, Options{})
	stop := start(o)
	done := make(chan struct{})
	for h := range hosts {
		go func() {
			for i := range each {
				o.Append(fmt.Appendf(nil, "host%d %d\nping of host%d %d\n", h, i, h, i))
			}
			done <- struct{}{}
		}()
	}
	for range hosts {
		<-done
	}
	go func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		shut(t, write)
	}()
	next := make([]int, hosts)
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		var h, i int
		if _, err := fmt.Sscanf(lines.Text(), "host%d %d", &h, &i); err != nil || i != next[h] {
			t.Fatalf("%q, want number %d: %v", lines.Text(), next[h], err)
		}
		next[h]++
		if want := fmt.Sprintf("ping of host%d %d", h, i); !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, want %q", lines.Text(), want)
		}
	}
	shut(t, read)
	wantStats(t, o, hosts*each, 0)
}

// TestDropping: of what does not fit the oldest goes; one line says that it
// begins, and one how many it was.
func TestDropping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, room, records = 14, 100, 1000 // bytes of a record, records
		var s, log sink
		reads := make(chan struct{})
		o := NewOutput(scripted(func(p []byte) (int, error) {
			<-reads
			return s.Write(p)
		}), NewLog(&log, false), Options{Limit: room * size})
		stop := start(o)
		o.Append(line(0))
		synctest.Wait() // it is being written
		for i := 1; i <= records; i++ {
			o.Append(line(i))
		}
		synctest.Wait()
		wantLines(t, &log, "WW: standard output: more than 1400 bytes wait to be read, the oldest records are being dropped")
		if n := o.Waiting(); n != room*size {
			t.Errorf("%d bytes wait", n)
		}

		close(reads)
		synctest.Wait()
		wantLines(t, &log, "WW: standard output: no more records are being dropped; 901 were")
		got := strings.Join(s.taken(), "")
		if !strings.HasPrefix(got, string(line(0))+string(line(902))) || !strings.HasSuffix(got, string(line(1000))) || len(got) != room*size {
			t.Errorf("%.60q", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantLines(t, &log)
		wantStats(t, o, room, 901)
	})
}

// TestReaderThatIsSlowForever: a reader that takes half of what comes is one
// spell of dropping, not many, and nothing is unaccounted for.
func TestReaderThatIsSlowForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log sink
		o := NewOutput(scripted(func(p []byte) (int, error) {
			time.Sleep(time.Duration(len(p)/14) * 2 * time.Millisecond)
			return len(p), nil
		}), NewLog(&log, false), Options{Limit: 1 << 18})
		stop := start(o)
		const records = 60_000
		for i := range records {
			o.Append(line(i))
			if i%100 == 0 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		if got := log.taken(); len(got) != 1 {
			t.Errorf("%d lines: %q", len(got), got)
		}
		o.DrainBy(time.Now().Add(time.Hour))
		if err := stop(); err != nil {
			t.Error(err)
		}
		_, dropped := o.Stats()
		wantLines(t, &log, fmt.Sprintf("WW: standard output: no more records are being dropped; %d were", dropped))
		wantStats(t, o, records-dropped, dropped)
	})
}

func TestRecordBeyondTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		o := NewOutput(&s, nil, Options{Limit: 100})
		o.Append(line(1))
		o.Append(bytes.Repeat([]byte("x"), 101))
		o.Append(nil)
		if err := start(o)(); err != nil {
			t.Error(err)
		}
		if got := s.taken(); len(got) != 1 || got[0] != string(line(1)) {
			t.Errorf("%q", got)
		}
		wantStats(t, o, 1, 1)
	})
}

// TestDefect28EndOfOutput: what waits at the end is written, and nothing else,
// no blank line either.
func TestDefect28EndOfOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		o := NewOutput(scripted(func(p []byte) (int, error) {
			time.Sleep(time.Second)
			return s.Write(p)
		}), nil, Options{})
		var want []byte
		for i := range 20_000 {
			want = append(want, line(i)...)
			o.Append(line(i))
		}
		if err := start(o)(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(s.taken(), ""); got != string(want) {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
		o.Append(line(1))
		wantStats(t, o, 20_000, 1)
	})
}

// TestStuckReader: Run returns though a write does not, in the time that it is
// given, and says what is lost.
func TestStuckReader(t *testing.T) {
	for name, by := range map[string]time.Duration{"by the option": 0, "by a given time": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log sink
				reads := make(chan struct{})
				o := NewOutput(scripted(func(p []byte) (int, error) {
					<-reads
					return len(p), nil
				}), NewLog(&log, false), Options{Drain: 5 * time.Second})
				stop := start(o)
				o.Append(line(0))
				synctest.Wait()
				o.Append(line(1))
				o.Append(line(2))
				began, want := time.Now(), 5*time.Second
				if by != 0 {
					o.DrainBy(began.Add(by))
					want = by
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
				wantLines(t, &log, "WW: standard output: 3 records could not be written before the end: its reader does not read")
				close(reads)
				synctest.Wait()
				wantStats(t, o, 0, 3)
			})
		})
	}
}

// TestClosedReader: one error line, ErrClosed, and what comes later is dropped.
func TestClosedReader(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, write)
	shut(t, read)
	var log sink
	o := NewOutput(write, NewLog(&log, false), Options{})
	o.Append(line(0))
	if err := o.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	wantLines(t, &log, "EE: Output: standard output: output is closed: write |1: broken pipe")
	o.Append(line(1))
	wantStats(t, o, 0, 2)
}

// TestTerminalThatHangsUp: EIO of a terminal is its end, and not a broken disk.
func TestTerminalThatHangsUp(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to hang up: %v", err)
	}
	defer shut(t, master)
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if err := conn.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("no terminal to hang up: %v", err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to hang up: %v", err)
	}
	defer shut(t, terminal)
	shut(t, master)
	o := NewOutput(terminal, nil, Options{})
	o.Append(line(0))
	if err := o.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	// Elsewhere EIO is a fault that may pass.
	disk := NewOutput(&sink{}, nil, Options{})
	if disk.gone(unix.EIO) {
		t.Error("EIO of a disk was taken for its end")
	}
}

// TestFullDisk: one error, an attempt each second, and one line with what was
// lost. A part of a record that was written is ended, and the record repeated.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk bytes.Buffer
		var log sink
		var mu sync.Mutex
		room, attempts := 20, 0 // bytes: one record and a part
		o := NewOutput(scripted(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			attempts++
			n := min(room, len(p))
			disk.Write(p[:n])
			room -= n
			if n < len(p) {
				return n, &os.PathError{Op: "write", Path: "log", Err: unix.ENOSPC}
			}
			return n, nil
		}), NewLog(&log, false), Options{Name: "log", Limit: 10 * 14})
		for i := range 3 {
			o.Append(line(i))
		}
		stop := start(o)
		synctest.Wait()
		wantLines(t, &log, "EE: Output: log: write log: no space left on device; records wait for room, and it is tried again each second")

		for i := 3; i < 20; i++ {
			o.Append(line(i))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		if attempts != 11 {
			t.Errorf("%d attempts in 10 s", attempts)
		}
		room = 1 << 20
		mu.Unlock()
		wantLines(t, &log, "WW: log: more than 140 bytes wait to be read, the oldest records are being dropped")
		time.Sleep(time.Second)
		synctest.Wait()
		wantLines(t, &log,
			"WW: log: can be written again, 10 records were lost (after 11s, 11 times)",
			"WW: log: no more records are being dropped; 10 were")
		want := string(line(0)) + "record\n" + string(line(1)) + string(line(2))
		for i := 13; i < 20; i++ {
			want += string(line(i))
		}
		if disk.String() != want {
			t.Errorf("%q\nwant\n%q", disk.String(), want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantStats(t, o, 10, 10)
	})
}

// TestFullDiskAtTheEnd: the end does not wait for room.
func TestFullDiskAtTheEnd(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, full)
	var log sink
	o := NewOutput(full, NewLog(&log, false), Options{})
	o.Append(line(0))
	if err := start(o)(); err != nil {
		t.Error(err)
	}
	wantLines(t, &log,
		"EE: Output: standard output: write /dev/full: no space left on device; records wait for room, and it is tried again each second",
		"WW: standard output: 1 records could not be written before the end: write /dev/full: no space left on device")
	wantStats(t, o, 0, 1)
}

// TestPartialWrites: what a write leaves over comes before anything else.
func TestPartialWrites(t *testing.T) {
	for name, cut := range map[string]error{"short": nil, "io.ErrShortWrite": io.ErrShortWrite, "EAGAIN": unix.EAGAIN} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s sink
				o := NewOutput(scripted(func(p []byte) (int, error) {
					if len(p) <= 5 {
						return s.Write(p)
					}
					_, _ = s.Write(p[:5])
					return 5, cut
				}), nil, Options{Drain: time.Hour})
				var want string
				for i := range 100 {
					o.Append(line(i))
					want += string(line(i))
				}
				if err := start(o)(); err != nil {
					t.Error(err)
				}
				if got := strings.Join(s.taken(), ""); got != want {
					t.Errorf("%q", got)
				}
				wantStats(t, o, 100, 0)
			})
		})
	}
}

// TestNonBlockingPipe: another process has made our standard output
// non-blocking behind our back, and the reader is late.
func TestNonBlockingPipe(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	read, write := os.NewFile(uintptr(fds[0]), "read"), os.NewFile(uintptr(fds[1]), "write")
	defer shut(t, read)
	if err := unix.SetNonblock(fds[1], true); err != nil {
		t.Fatal(err)
	}
	o := NewOutput(write, nil, Options{})
	stop := start(o)
	var want bytes.Buffer
	for i := range 50_000 { // ten times what the pipe holds
		want.Write(line(i))
		o.Append(line(i))
	}
	go func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		shut(t, write)
	}()
	got, err := io.ReadAll(read)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, want.Len())
	}
}

// TestAppendDoesNotAllocate holds for a stream that flows.
func TestAppendDoesNotAllocate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := make(chan struct{})
		o := NewOutput(scripted(func(p []byte) (int, error) {
			written <- struct{}{}
			return len(p), nil
		}), nil, Options{})
		stop := start(o)
		record := line(1)
		if n := testing.AllocsPerRun(1000, func() {
			o.Append(record)
			<-written
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestLogOnAnOutput: a log whose reader does not read holds nobody up.
func TestLogOnAnOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		reads := make(chan struct{})
		o := NewOutput(scripted(func(p []byte) (int, error) {
			<-reads
			return s.Write(p)
		}), nil, Options{Name: "standard error"})
		stop := start(o)
		log := NewLog(o, false)
		for range 10 {
			log.Error("Test", "x")
		}
		close(reads)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(strings.Join(s.taken(), ""), "EE: Test: x:\t-\t"); n != 10 {
			t.Errorf("%d lines", n)
		}
	})
}

func BenchmarkOutput(b *testing.B) {
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer shut(b, null)
	o := NewOutput(null, nil, Options{})
	stop := start(o)
	record := bytes.Repeat([]byte("x"), 150)
	b.ReportAllocs()
	for b.Loop() {
		o.Append(record)
	}
	if err := stop(); err != nil {
		b.Error(err)
	}
}

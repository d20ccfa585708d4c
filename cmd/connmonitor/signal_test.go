// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// TestDefect28EndFinishesBursts ends the program in the middle of a burst, which
// is printed whole.
func TestDefect28EndFinishesBursts(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	tests := map[string]struct {
		text  string
		shape shape
	}{
		"separate": {"127.0.0.1 ping=5000 numpings=10 interval=100 json=1\n127.0.0.2 ping=10 numpings=1 json=1\n", shape{json: true}},
		"text":     {"127.0.0.1 ping=5000 numpings=10 interval=100\n127.0.0.2 ping=10 numpings=1\n", shape{}},
	}
	for name, test := range tests {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				p := start(t, n, setup{stdin: test.text})
				p.out.has("127.0.0.2", 3) // the burst of the first has begun, and lasts 900 ms
				p.signal(s)
				p.exits(exitGood)
				p.silent()
				rs := of(test.shape.records(t, p.out.text()), "127.0.0.1")
				if len(rs) != 1 || rs[0].ping[4] != 0 {
					t.Errorf("records of the burst that ran: %+v, want one without loss", rs)
				}
			})
		}
	}
}

// TestEndFinishesRounds ends a round of the global form: one record of all.
func TestEndFinishesRounds(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	n.NFT("table ip fence {\n chain input {\n type filter hook input priority 0;\n ip daddr 127.6.6.6 drop\n }\n}")
	p := start(t, n, setup{stdin: "1 1 1 4 41 5 1 10\n127.0.0.1\n127.6.6.6\n"})
	p.out.has(`"name":"127.0.0.1"`, 5) // the dead one's round lasts for its time-outs
	p.signal(syscall.SIGTERM)
	p.exits(exitGood)
	p.silent()
	rs := of(shape{bundled: true, json: true}.records(t, p.out.text()), "127.6.6.6")
	if len(rs) == 0 {
		t.Fatal("no record of the round that ran")
	}
	for i, r := range rs {
		if r.ping == nil || r.ping[4] != 100 || r.scan == nil || (r.trace != nil) != (i == 0) {
			t.Errorf("round %d of the dead host: %+v, want pings, scan, and at first the trace", i+1, r)
		}
	}
}

// TestSecondSignal ends the program at once, with the status of the signal.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for s, status := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p := start(t, n, setup{stdin: "127.0.0.1 ping=5000 numpings=1000 interval=100 json=1\n127.0.0.2 ping=10 numpings=1 json=1\n"})
			p.out.has("127.0.0.2", 3)
			// Two signals of a kind that come too close are one, so there is
			// another until the end.
			for p.running() {
				p.signal(s)
				select {
				case <-p.done:
				case <-time.After(50 * time.Millisecond):
				}
			}
			p.exits(status)
			if p.out.count("127.0.0.1") > 0 {
				t.Error("the burst that ran was waited for")
			}
		})
	}
}

// TestEndIsBounded ends a burst that would go on for longer than an end may
// take.
func TestEndIsBounded(t *testing.T) {
	t.Parallel()
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=5000 numpings=1000 interval=100\n127.0.0.2 ping=10 numpings=1\n"})
	p.out.has("127.0.0.2", 3)
	begun := time.Now()
	p.signal(syscall.SIGTERM)
	p.exits(exitGood)
	if took := time.Since(begun); took > endMost {
		t.Errorf("the end took %v", took)
	}
	if es := p.told(); len(es) != 1 || es[0].typ != "" {
		t.Errorf("standard error %+v, want one warning", es)
	}
}

// endMost is how long an end may take: 15 s (contract 1.1), and what a busy
// machine adds.
const endMost = 25 * time.Second

// TestEndWhileALogIsOpened ends the program although a file of its command line
// is a pipe that nobody reads: at the start, and after a rotation.
func TestEndWhileALogIsOpened(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	t.Run("start", func(t *testing.T) {
		t.Parallel()
		p := start(t, n, setup{args: []string{"--err", namedPipe(t, t.TempDir()+"/err")}, stdin: "127.0.0.1 ping=20 numpings=1\n"})
		p.until("it opens the pipe", p.opens)
		p.signal(syscall.SIGTERM)
		p.exits(exitGood)
		p.silent()
	})
	t.Run("rotation", func(t *testing.T) {
		t.Parallel()
		path := t.TempDir() + "/log"
		p := start(t, n, setup{args: []string{"--log", path}, stdin: "127.0.0.1 ping=20 numpings=1\n"})
		log := grows(t, p, path)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		namedPipe(t, path)
		p.signal(syscall.SIGUSR1)
		p.until("it opens the pipe", p.opens)
		before := log()
		p.until("it goes on with the old file", func() bool { return log() > before })
		p.signal(syscall.SIGTERM)
		p.exits(exitGood)
		p.silent()
	})
}

// namedPipe makes a pipe at path (FIFO).
func namedPipe(t *testing.T, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// grows waits until the file at path has grown, and returns its size from then
// on, whatever becomes of the name.
func grows(t *testing.T, p *program, path string) (size func() int64) {
	t.Helper()
	p.until("it writes its log", func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	})
	f := device(t, path)
	return func() int64 {
		info, err := f.Stat()
		if err != nil {
			t.Error(err)
			return 0
		}
		return info.Size()
	}
}

// opens reports whether a thread of the program is in openat(2), which only a
// pipe keeps there.
func (p *program) opens() bool {
	calls, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", p.cmd.Process.Pid))
	for _, path := range calls {
		call, _ := os.ReadFile(path)
		if number, _, _ := strings.Cut(string(call), " "); number == strconv.Itoa(syscall.SYS_OPENAT) {
			return true
		}
	}
	return false
}

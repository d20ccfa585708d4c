// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

// hold stops a program and lets it go on.
type hold struct {
	stop, resume func(p *program)
}

// signalled stops a program by SIGSTOP.
func signalled(*testing.T) hold {
	return hold{
		stop: func(p *program) {
			p.signal(syscall.SIGSTOP)
			p.until("a stop", func() bool { return p.halted('T') })
		},
		resume: func(p *program) { p.signal(syscall.SIGCONT) },
	}
}

// halted reports whether all threads of the program are in a state of proc(5).
func (p *program) halted(state byte) bool {
	p.t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended
		}
		_, rest, ok := bytes.Cut(text, []byte(") "))
		if err != nil || !ok {
			p.t.Fatalf("%s: %q, %v", path, text, err)
		}
		if rest[0] != state {
			return false
		}
	}
	return len(paths) > 0
}

// frozen stops a program by the freezer of a control group, as a container is
// paused; the test is skipped where there is none.
func frozen(t *testing.T) hold {
	t.Helper()
	group := controlGroup(t)
	set := func(file, value string) {
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	freeze := func(p *program, value string) {
		p.t.Helper()
		set("cgroup.freeze", value)
		p.until("frozen "+value, func() bool {
			text, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
			return err == nil && strings.Contains(string(text), "frozen "+value)
		})
	}
	return hold{
		stop: func(p *program) {
			set("cgroup.procs", strconv.Itoa(p.cmd.Process.Pid))
			freeze(p, "1")
		},
		resume: func(p *program) { freeze(p, "0") },
	}
}

// controlGroup makes a control group (version 2) below our own.
func controlGroup(t *testing.T) string {
	t.Helper()
	root := ""
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if words := strings.Fields(line); len(words) > 2 && words[2] == "cgroup2" {
			root = words[1]
		}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	_, path, ok := strings.Cut("\n"+string(own), "\n0::")
	if root == "" || !ok {
		t.Skip("no control groups of version 2 here")
	}
	path, _, _ = strings.Cut(path, "\n")
	group := filepath.Join(root, path, fmt.Sprintf("connmonitor-test-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Rmdir(group); err != nil {
			t.Errorf("remove control group: %v", err)
		}
	})
	if _, err := os.Stat(filepath.Join(group, "cgroup.freeze")); err != nil {
		t.Skipf("no freezer here: %v", err)
	}
	return group
}

// held is for how long the program is stopped: longer than its pings may take.
const held = 2500 * time.Millisecond

// TestFaultStopped stops the program while replies are on their way to it. It
// reads them late, and measures what the kernel has stamped: nothing is lost,
// and no time is that of the stop.
func TestFaultStopped(t *testing.T) {
	t.Parallel()
	const way = 100 * time.Millisecond // longer than the program leaves a reply unread
	for name, how := range map[string]func(*testing.T) hold{"signal": signalled, "freezer": frozen} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := how(t) // before the program, which must be gone when its group goes
			top := netlab.Farm(t, netlab.OnLinks(netlab.LineConfig{Delay: way}, 0))
			line4, hosts4 := span(top.Host4(1), 50)
			line6, hosts6 := span(top.Host6(1), 50)
			hosts := append(hosts4, hosts6...)
			p := start(t, top.Client, setup{stdin: fmt.Sprintf("* ping=200 numpings=2 timeout=2000 json=1\n%s\n%s\n", line4, line6)})
			p.more(3, hosts...)
			h.stop(p)
			_, before := top.Links[0].Counters()
			time.Sleep(held) // this is the fault itself
			_, after := top.Links[0].Counters()
			h.resume(p)
			p.more(10, hosts...)
			p.terminates()
			if came := after.Carried - before.Carried; came < 20 {
				t.Errorf("%d replies came while the program was stopped: the fault was none", came)
			}
			for _, r := range p.lossless() {
				if least, most := r.ping[0], r.ping[2]; least < 2*ms(way) || most > ms(held)/2 {
					t.Errorf("%s: RTTs of %v to %v ms over a line of 2 x %v", r.name, least, most, way)
				}
			}
			toldOfGap(t, entries(t, p.err.text()), held)
		})
	}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// gap is how the line begins that tells for how long the program did not run.
const gap = "this process did not run for "

// toldOfGap wants one line that tells of a stop, and besides at most what follows
// from it: bursts were left out, pings were late.
func toldOfGap(t *testing.T, log []entry, stop time.Duration) {
	t.Helper()
	var sum time.Duration
	for _, e := range log {
		switch {
		case e.typ == "" && strings.HasPrefix(e.text, gap):
			text, _, _ := strings.Cut(strings.TrimPrefix(e.text, gap), ":")
			d, err := time.ParseDuration(text)
			if err != nil || sum > 0 {
				t.Errorf("after %v: %q (%v)", sum, e.text, err)
			}
			sum += d
		case !busy(e):
			t.Errorf("unexpected line %+v", e)
		}
	}
	if sum < stop-50*time.Millisecond { // a tick, with room
		t.Errorf("gaps of %v told, it was stopped for %v", sum, stop)
	}
}

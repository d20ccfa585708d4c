// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/config"
	"connmonitor/internal/report"
)

// diary is an Observer that writes down what it is told.
type diary struct {
	mu    sync.Mutex
	lines []string
	last  Tally
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) Running(now Tally, kept string) {
	d.mu.Lock()
	d.last = now
	d.mu.Unlock()
	d.add(fmt.Sprintf("running %d %q", now.Targets, kept))
}

func (d *diary) Reloading()         { d.add("reloading") }
func (d *diary) Stopping(err error) { d.add(fmt.Sprintf("stopping: %v", err)) }

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("observed\n\t%q\nwant\n\t%q", d.lines, lines)
	}
}

// TestObserver is told of each reload when it begins and when it is over, and of
// an end that nobody asked for.
func TestObserver(t *testing.T) {
	d := &diary{}
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		d.want(t, `running 1 ""`)
		l.reload("10.0.0.1 trace=100 scan=100\n10.0.0.2 ping=0 trace=50\n10.0.0.3 paused=1\n")
		d.want(t, `running 1 ""`, "reloading", `running 3 ""`)
		if want := (Tally{Targets: 3, Pings: 1, Traces: 2, Scans: 1, Paused: 1}); d.last != want {
			t.Errorf("%+v, want %+v", d.last, want)
		}
		d.lines = nil
		l.reload("10.0.0.1 pnig=1\n")
		l.reload("# nobody\n")
		d.want(t, "reloading", `running 3 "is not valid"`, "reloading", `running 3 "names no host"`)
		d.lines = nil
		l.reloadBy(func() (*config.Config, error) { return nil, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist} })
		l.end(ErrReload)
		d.want(t, "reloading", "stopping: the configuration can no longer be read: open x: file does not exist")
	}, func(o *Options) { o.Observer = d })
}

// TestObserverOfStandardInput is told that it stays as it is.
func TestObserverOfStandardInput(t *testing.T) {
	d := &diary{}
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.reloadBy(nil)
		l.end(nil)
		d.want(t, `running 1 ""`, "reloading", `running 1 "cannot be read, it came from standard input"`, "stopping: <nil>")
	}, func(o *Options) { o.Load, o.Observer = nil, d })
}

// TestObserverOfLacks is told that not all of it is possible.
func TestObserverOfLacks(t *testing.T) {
	d := &diary{}
	inFakeTime(t, hosts("1ms")+"deny raw datagram\n", "10.0.0.1 json=1 trace=100\n", func(l *lab) {
		l.end(nil)
		if want := (Tally{Targets: 1, Pings: 1, Traces: 1, Lacking: true}); d.last != want {
			t.Errorf("%+v, want %+v", d.last, want)
		}
	}, func(o *Options) { o.Observer = d })
}

// beats asks all loops, and returns how many have answered by now.
func (l *lab) beats() (all, beats int) {
	var n atomic.Int32
	loops := l.monitor.Loops()
	for _, ask := range loops {
		ask(func() { n.Add(1) })
	}
	l.pass(time.Second)
	return len(loops), int(n.Load())
}

func (l *lab) wantBeats(missing int) {
	l.Helper()
	all, n := l.beats()
	if all < 6 || n != all-missing {
		l.Errorf("%d of %d loops answer, want all but %d", n, all, missing)
	}
}

// TestLoopsProveThatTheyRun: both families', the monitor's two, the names', and
// the writer's of the records. What waits with good reason does too.
func TestLoopsProveThatTheyRun(t *testing.T) {
	var reader chan struct{}
	out := scripted(func(p []byte) (int, error) { <-reader; return len(p), nil })
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		reader = make(chan struct{})
		l.pass(time.Second) // the first record waits for its reader
		l.wantBeats(0)
		file := make(chan error)
		l.reloadBy(func() (*config.Config, error) { return nil, <-file })
		l.wantBeats(0) // the file system hangs
		file <- &config.ErrorList{}
		l.wantBeats(0)
		close(reader)
		l.wantBeats(0)
	}, func(o *Options) { o.Output = report.NewOutput(out, nil, report.Options{}) })
}

// TestEndWhileReading ends a monitor that is reading its configuration again,
// from a file system that hangs; and it is ended by what else ends it.
func TestEndWhileReading(t *testing.T) {
	out := scripted(func([]byte) (int, error) { return 0, unix.EPIPE })
	for name, want := range map[string]error{"asked": nil, "closed output": report.ErrClosed} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
				file := make(chan error)
				l.reloadBy(func() (*config.Config, error) { return nil, <-file })
				l.pass(time.Second)
				if want == nil {
					l.stop()
				}
				if err := <-l.ended; !errors.Is(err, want) {
					t.Errorf("Run returned %v, want %v", err, want)
				}
				close(file)
				l.ended <- nil // it has ended
			}, func(o *Options) {
				o.Output = nil
				if want != nil {
					o.Output = report.NewOutput(out, nil, report.Options{})
				}
			})
		})
	}
}

// scripted is a file that does what the test says.
type scripted func(p []byte) (int, error)

func (f scripted) Write(p []byte) (int, error) { return f(p) }

// TestHungLoopGivesNoProof hangs one loop after the other.
func TestHungLoopGivesNoProof(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		for _, ask := range l.monitor.Loops() {
			hung := make(chan struct{})
			ask(func() { <-hung }) // on the loop's own goroutine
			l.pass(time.Second)
			l.wantBeats(1)
			close(hung)
			l.wantBeats(0)
		}
	})
}

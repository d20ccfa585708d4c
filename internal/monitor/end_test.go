// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/report"
)

// TestDefect28EndFinishesWhatRuns takes as long as the measurements under way,
// and no longer.
func TestDefect28EndFinishesWhatRuns(t *testing.T) {
	for form, text := range map[string]string{
		"separate": "10.0.0.1 json=1 interval=100 trace=60s\n10.0.0.2 json=1 ping=0 trace=1s\n",
		"global":   "1 1 0 10 41 30 1 500\n10.0.0.1\n",
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, hosts("300ms"), text, func(l *lab) {
				l.pass(50 * time.Millisecond)
				l.end(nil)
				if took := time.Since(l.begun); took < 390*time.Millisecond || took > 1300*time.Millisecond {
					t.Errorf("the end came after %v", took)
				}
				rs := l.records("10.0.0.1")
				if len(rs) == 0 || count(rs, isPing) != 1 || count(rs, isTrace) != 1 || rs[0].Ping != nil && rs[0].Ping.Loss != 0 {
					t.Errorf("records %+v, want one burst without loss and one trace", rs)
				}
				l.wantSaid()
			})
		})
	}
}

// TestEndIsBounded leaves a burst of 100 s.
func TestEndIsBounded(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 numpings=1000 interval=100\n", func(l *lab) {
		l.pass(time.Second)
		l.end(nil)
		if took := time.Since(l.begun); took < 10*time.Second || took > 16*time.Second {
			t.Errorf("the end took %v, want 15 s at most", took-time.Second)
		}
		l.wantSaid("WW: measurements that did not end within 14s were left")
	})
}

// TestEndPrintsPartsOfRounds prints what is there of a round whose pings do not
// end in time.
func TestEndPrintsPartsOfRounds(t *testing.T) {
	inFakeTime(t, hosts("1ms")+"host 127.0.0.1 rtt 1ms", "1 0 1 3 41 30 1 500\n127.0.0.1\n", func(l *lab) {
		l.pass(time.Second)
		l.end(nil)
		rs := l.records("")
		if len(rs) != 1 || rs[0].Scan == nil || rs[0].Ping != nil {
			t.Errorf("records %+v, want one with the scan", rs)
		}
	}, func(o *Options) { o.Vantage.Pace = prober.NewPace(0.01) })
}

// stuck is a writer whose reader has stopped.
type stuck struct{ released chan struct{} }

func (s *stuck) Write(p []byte) (int, error) {
	<-s.released
	return len(p), nil
}

// TestPain16StuckReaderHoldsNothing measures on while nobody reads, and ends in
// time.
func TestPain16StuckReaderHoldsNothing(t *testing.T) {
	var w *stuck
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Minute)
		sent := l.monitor.point.Stats()[0].Probes.Sent
		l.pass(time.Minute)
		if now := l.monitor.point.Stats()[0].Probes.Sent; now < sent+1000 {
			t.Errorf("%d pings in a minute", now-sent)
		}
		begun := time.Now()
		l.end(nil)
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("the end took %v", took)
		}
		l.wantSaid("WW: standard output: ")
		close(w.released)
	}, func(o *Options) {
		w = &stuck{make(chan struct{})}
		o.Output = report.NewOutput(w, o.Log, report.Options{})
	})
}

// TestBurstAndReaderAreStuck are 15 s, together.
func TestBurstAndReaderAreStuck(t *testing.T) {
	var w *stuck
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 numpings=1000 interval=100\n10.0.0.2 json=1\n", func(l *lab) {
		l.pass(time.Second)
		begun := time.Now()
		l.end(nil)
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("the end took %v", took)
		}
		close(w.released)
	}, func(o *Options) {
		w = &stuck{make(chan struct{})}
		o.Output = report.NewOutput(w, o.Log, report.Options{})
	})
}

// TestClosedOutput ends the monitor at once, with one error.
func TestClosedOutput(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 numpings=1000 interval=100\n10.0.0.2 json=1\n", func(l *lab) {
		l.endsWith(report.ErrClosed)
		if took := time.Since(l.begun); took > time.Second {
			t.Errorf("the end came after %v", took)
		}
		l.wantSaid("EE: Output: standard output: ")
	}, func(o *Options) { o.Output = report.NewOutput(closed{}, o.Log, report.Options{}) })
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestErrorsOfRun are the reasons not to begin.
func TestErrorsOfRun(t *testing.T) {
	tests := []struct {
		name, scenario, text string
		want                 error
		said                 []string
	}{
		{"no host", "", "# nobody\n", ErrNoTarget, []string{"EE: ConfigError: the configuration names no host"}},
		{
			"no privilege", "deny raw datagram udp", "10.0.0.1\n2001:db8::1\n", ErrImpossible,
			[]string{"EE: PrivilegeError: pings and traces are not possible without privilege"},
		},
		{"no privilege for pings", "deny raw datagram", "10.0.0.1\n", ErrImpossible, []string{"EE: PrivilegeError: pings are not possible without privilege"}},
		{"traces without privilege", "deny raw datagram\nhost 10.0.0.1 rtt 1ms", "10.0.0.1 trace=1s\n", nil, []string{"EE: PrivilegeError: pings are not possible without privilege"}},
		{"datagram sockets", "deny raw\nhost 10.0.0.1 rtt 1ms", "10.0.0.1\n", nil, nil},
		{
			"scans without privilege", "deny raw datagram udp", "127.0.0.1 scan=1s\n", nil,
			[]string{"EE: PrivilegeError: pings and traces are not possible without privilege"},
		},
		{"all paused", "deny raw datagram udp", "10.0.0.1 paused=1\n", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, test.scenario, test.text, func(l *lab) {
				l.pass(time.Second)
				if ended := len(l.ended) > 0; ended != (test.want != nil) {
					t.Errorf("ended: %v", ended)
				}
				l.end(test.want)
				for i, said := range l.said() {
					if i >= len(test.said) || !strings.HasPrefix(said, test.said[i]) {
						t.Errorf("the log says %q, want %q", l.said(), test.said)
					}
				}
				if len(l.said()) != len(test.said) {
					t.Errorf("the log says %q, want %q", l.said(), test.said)
				}
			})
		})
	}
}

// TestInternalError turns a panic of what Run waits for into its error.
func TestInternalError(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		done, cancel := l.monitor.run("testing", func(context.Context) error { panic("a mistake") })
		<-done
		cancel()
		l.endsWith(ErrInternal)
		l.wantSaid("EE: InternalError: testing: a mistake")
	})
}

// endsWith waits for the monitor to end by itself.
func (l *lab) endsWith(want error) {
	l.Helper()
	l.start()
	err := <-l.ended
	l.ended <- err
	if !errors.Is(err, want) {
		l.Errorf("Run returned %v, want %v", err, want)
	}
}

// TestEndWhileNamesAreAsked does not wait for a name server.
func TestEndWhileNamesAreAsked(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "www.example json=1\n10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		begun := time.Now()
		l.end(nil)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the end took %v", took)
		}
	}, func(o *Options) {
		o.Resolver.Lookup = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
}

// TestQuiet measures without an output.
func TestQuiet(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Minute)
		if sent := l.monitor.point.Stats()[0].Probes.Sent; sent < 1000 {
			t.Errorf("%d pings in a minute", sent)
		}
	}, func(o *Options) { o.Output = nil })
}

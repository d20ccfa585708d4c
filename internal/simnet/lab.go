// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
)

// Lab is a prober's loop on a simulated network. It belongs into a bubble of
// testing/synctest, whose time is the loop's.
type Lab struct {
	T    *testing.T
	Net  *Net
	Loop *prober.Loop
	// Start is when the laboratory was made, for time.Since.
	Start time.Time

	client interface{ Stop() }
	end    chan error // nil when the loop has ended
}

// NewLab makes a loop with the options on a network of the scenario, which
// [Net.Apply] explains; an error in it ends the test. The loop does not run
// until Run, so that clients can be made first.
func NewLab(t *testing.T, o prober.Options, scenario string) *Lab {
	t.Helper()
	n, err := New(1, scenario)
	if err != nil {
		t.Fatal(err)
	}
	o.Clock, o.OpenSocket = n.Clock, n.OpenSocket
	o.ReservePorts, o.SourceTo = n.ReservePorts, n.SourceTo
	return &Lab{T: t, Net: n, Loop: prober.New(o), Start: time.Now()}
}

// Run opens the loop and lets it run until Stop, or until the test ends. The
// client is what Stop stops, on the loop's goroutine.
func (l *Lab) Run(client interface{ Stop() }) {
	l.T.Helper()
	if err := l.Loop.Open(); err != nil {
		l.T.Fatal(err)
	}
	end := make(chan error, 1)
	l.client, l.end = client, end
	go func() { end <- l.Loop.Run(l.T.Context()) }()
}

// Stop lets what the client has begun end, and the loop then, and fails the
// test for what no sender may do ([Net.Failures]). A second call does nothing.
func (l *Lab) Stop() {
	l.T.Helper()
	if l.end == nil {
		return
	}
	l.Do(l.client.Stop)
	l.Loop.Drain()
	select {
	case err := <-l.end:
		if err != nil {
			l.T.Error(err)
		}
	case <-time.After(time.Hour):
		l.T.Fatal("the loop does not end")
	}
	l.end = nil
	for _, f := range l.Net.Failures() {
		l.T.Error(f)
	}
}

// Do runs f on the loop's goroutine and waits for it.
func (l *Lab) Do(f func()) {
	done := make(chan struct{})
	l.Loop.Do(func() { f(); close(done) })
	<-done
}

// Apply changes the network, as [Net.Apply] does; an error ends the test.
func (l *Lab) Apply(statements string) {
	l.T.Helper()
	if err := l.Net.Apply(statements); err != nil {
		l.T.Fatal(err)
	}
}

// Addr is the address that text writes. It panics where there is none.
func Addr(text string) rawsock.Addr {
	a, err := rawsock.AddrFrom(netip.MustParseAddr(text))
	if err != nil {
		panic(err)
	}
	return a
}

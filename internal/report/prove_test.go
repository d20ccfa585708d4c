// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// wantProof asks o for a proof that it runs, and waits for it as long as a
// write may be put off.
func wantProof(t *testing.T, o *Output, want bool) {
	t.Helper()
	beats := 0
	o.Prove(func() { beats++ })
	time.Sleep(gather)
	synctest.Wait()
	if proved := beats > 0; proved != want || beats > 1 {
		t.Errorf("%d proofs, want %v", beats, want)
	}
}

// TestOutputProves that it runs: idle, while it gathers, while its reader does
// not read, while the disk is full, and when it has ended.
func TestOutputProves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, full := make(chan struct{}, 9), false
		o := NewOutput(scripted(func(p []byte) (int, error) {
			<-reads
			if full {
				return 0, unix.ENOSPC
			}
			return len(p), nil
		}), nil, Options{})
		wantProof(t, o, false) // it does not run yet
		stop := start(o)
		wantProof(t, o, true)
		reads <- struct{}{}
		o.Append(line(1))
		synctest.Wait()
		o.Append(line(2))
		wantProof(t, o, true)
		wantProof(t, o, true) // the second is not read
		if len(reads) > 0 || o.queue.inFlight != 1 {
			t.Errorf("%d records are being written, want one", o.queue.inFlight)
		}
		time.Sleep(time.Hour)
		wantProof(t, o, true)
		full = true
		reads <- struct{}{}
		wantProof(t, o, true) // it is tried again each second
		full = false
		close(reads)
		time.Sleep(retryPause)
		wantProof(t, o, true)
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantProof(t, o, true)
		wantStats(t, o, 2, 0)
	})
}

// TestOutputProvesAfterItsReader: that nobody reads any more is no reason to be
// killed.
func TestOutputProvesAfterItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOutput(scripted(func([]byte) (int, error) { return 0, unix.EPIPE }), nil, Options{})
		stop := start(o)
		o.Append(line(1))
		synctest.Wait()
		wantProof(t, o, true)
		if err := stop(); err == nil {
			t.Error("no error")
		}
	})
}

// TestHungOutputGivesNoProof: neither of its goroutines may hang elsewhere than
// in a write.
func TestHungOutputGivesNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		o := NewOutput(&s, nil, Options{})
		stop := start(o)
		o.Append(line(1)) // what is excused for a write is not after it
		synctest.Wait()
		wantProof(t, o, true)
		for _, ask := range []func(func()){o.writer.Ask, o.runner.Ask} {
			hung := make(chan struct{})
			ask(func() { <-hung })
			synctest.Wait()
			wantProof(t, o, false)
			close(hung)
			synctest.Wait()
			wantProof(t, o, true)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

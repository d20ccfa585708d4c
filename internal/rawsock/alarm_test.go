// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"testing"
	"time"
)

func newAlarm(t *testing.T) *Alarm {
	t.Helper()
	a, err := NewAlarm()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// TestAlarmIsNeverEarly: it rings when the time is over, and once.
func TestAlarmIsNeverEarly(t *testing.T) {
	t.Parallel()
	a := newAlarm(t)
	for _, d := range []time.Duration{-time.Second, 0, 1, time.Microsecond, 700 * time.Microsecond, 21 * time.Millisecond} {
		start := time.Now()
		a.Set(d)
		a.Wait()
		if took := time.Since(start); took < d {
			t.Errorf("%v: rang after %v", d, took)
		}
	}
}

// TestAlarmIsSetAgain: what was set last counts, from whichever goroutine, and
// what has rung unheard is forgotten.
func TestAlarmIsSetAgain(t *testing.T) {
	t.Parallel()
	a := newAlarm(t)
	a.Set(0)
	time.Sleep(time.Millisecond)
	start := time.Now()
	a.Set(30 * time.Millisecond)
	a.Wait()
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("rang after %v", took)
	}
	a.Set(time.Hour)
	rung := make(chan struct{})
	go func() {
		a.Wait()
		close(rung)
	}()
	time.Sleep(10 * time.Millisecond)
	select {
	case <-rung:
		t.Error("rang an hour too early")
	default:
	}
	a.Set(0)
	select {
	case <-rung:
	case <-time.After(hang):
		t.Fatal("did not ring")
	}
}

func TestAlarmDoesNotAllocate(t *testing.T) {
	a := newAlarm(t)
	if n := testing.AllocsPerRun(100, func() {
		a.Set(10 * time.Microsecond)
		a.Wait()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestClosedAlarmHoldsNobody up.
func TestClosedAlarmHoldsNobody(t *testing.T) {
	t.Parallel()
	a := newAlarm(t)
	a.Set(time.Hour)
	go func() {
		time.Sleep(5 * time.Millisecond)
		_ = a.Close()
	}()
	a.Wait()
}

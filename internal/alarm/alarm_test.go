// SPDX-License-Identifier: Apache-2.0

package alarm

import (
	"testing"
	"time"
)

// hang is how long a test waits for what must come; it only catches hangs.
const hang = 20 * time.Second

// both runs a test with an alarm of either kind.
func both(t *testing.T, test func(t *testing.T, a *Alarm)) {
	t.Helper()
	for name, open := range map[string]func() (*Alarm, error){
		"kernel": newKernel,
		"Go":     func() (*Alarm, error) { return newGo(), nil },
	} {
		t.Run(name, func(t *testing.T) {
			a, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = a.Close() })
			test(t, a)
		})
	}
}

// TestKernelsIsPreferred where there is one.
func TestKernelsIsPreferred(t *testing.T) {
	a := New(true)
	defer func() { _ = a.Close() }()
	if a.timer != nil {
		t.Error("an alarm of Go's")
	}
}

// TestAlarmIsNeverEarly: it rings when the time is over, and once.
func TestAlarmIsNeverEarly(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, a *Alarm) {
		for _, d := range []time.Duration{-time.Second, 0, 1, time.Microsecond, 700 * time.Microsecond, 21 * time.Millisecond} {
			start := time.Now()
			a.Set(d)
			a.Wait()
			if took := time.Since(start); took < d {
				t.Errorf("%v: rang after %v", d, took)
			}
		}
	})
}

// TestAlarmIsSetAgain: what was set last counts, from whichever goroutine, and
// what has rung unheard is forgotten.
func TestAlarmIsSetAgain(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, a *Alarm) {
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
	})
}

func TestAlarmDoesNotAllocate(t *testing.T) {
	both(t, func(t *testing.T, a *Alarm) {
		if n := testing.AllocsPerRun(100, func() {
			a.Set(10 * time.Microsecond)
			a.Wait()
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// TestClosedAlarmHoldsNobody, and can be set.
func TestClosedAlarmHoldsNobody(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, a *Alarm) {
		a.Set(time.Hour)
		go func() {
			time.Sleep(5 * time.Millisecond)
			_ = a.Close()
			a.Set(0)
			_ = a.Close()
		}()
		a.Wait()
	})
}

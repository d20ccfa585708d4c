// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"

	"connmonitor/internal/rawsock"
)

// alarm is what the loop sleeps by: see rawsock.Alarm.
type alarm interface {
	Set(d time.Duration)
	Wait()
	Close() error
}

// newAlarm makes the kernel's alarm, or where there is none (no descriptor is
// left), or a test plays with the clock, one of Go's.
func newAlarm(real bool) alarm {
	if real {
		if a, err := rawsock.NewAlarm(); err == nil {
			return a
		}
	}
	return goAlarm{time.NewTimer(time.Hour)}
}

type goAlarm struct{ timer *time.Timer }

func (a goAlarm) Set(d time.Duration) { a.timer.Reset(max(0, d)) }

func (a goAlarm) Wait() { <-a.timer.C }

func (a goAlarm) Close() error {
	a.timer.Stop()
	return nil
}

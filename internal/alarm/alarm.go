// SPDX-License-Identifier: Apache-2.0

// Package alarm is what a goroutine sleeps by that wakes often: a timer of the
// kernel, timerfd_create(2), in the runtime's poller. A timer of Go's would wake
// the process up to four times in place of once: the runtime sleeps in whole
// milliseconds, so once too early, and its monitor thread wakes to see whether
// timers are late (measured on Go 1.26). For what is seldom, Go's are better.
package alarm

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Alarm wakes one goroutine, to the microsecond where the kernel does it. Set
// and Close may be called from any goroutine.
type Alarm struct {
	timer *time.Timer // Go's; nil where the kernel's is used

	mu     sync.Mutex
	closed bool
	file   *os.File
	fd     int
	conn   syscall.RawConn
	rung   func(fd uintptr) bool // made once, so that waiting allocates nothing
	asked  bool                  // rung was called since Wait began; the waiter's own
}

// New makes an alarm that is not set: one of the kernel's, or where that is not
// possible (no descriptor is left), or not wanted because testing/synctest does
// not know it, one of Go's.
func New(kernel bool) *Alarm {
	if kernel {
		if a, err := newKernel(); err == nil {
			return a
		}
	}
	return newGo()
}

func newGo() *Alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Alarm{timer: t}
}

func newKernel() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &Alarm{file: os.NewFile(uintptr(fd), "timer"), fd: fd}
	a.rung = a.expired
	// NewFile does not say when the poller has no room for it (epoll_ctl(2):
	// ENOSPC, ENOMEM), and Wait would then not wait; this does.
	err = a.file.SetReadDeadline(time.Time{})
	if err == nil {
		a.conn, err = a.file.SyscallConn()
	}
	if err != nil {
		_ = a.file.Close()
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return a, nil
}

// expired reports whether the timer has expired since it was set. When it is
// called again, the poller has seen that: setting the timer will clear it, so it
// need not be read.
func (a *Alarm) expired(fd uintptr) bool {
	if a.asked {
		return true
	}
	a.asked = true
	var count [8]byte
	_, _, e := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&count)), uintptr(len(count)))
	return e != unix.EAGAIN
}

// Set lets Wait return after d, or at once when d is not positive, and not when
// it was set for before. After Close it does nothing.
func (a *Alarm) Set(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
	case a.timer != nil:
		a.timer.Reset(max(0, d))
	default:
		// 0 would disarm it.
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))}
		_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(a.fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	}
}

// Wait waits until the time is over that was set last, and seldom less long; or
// until Close.
func (a *Alarm) Wait() {
	if a.timer != nil {
		<-a.timer.C
		return
	}
	a.asked = false
	_ = a.conn.Read(a.rung)
}

// Close ends the alarm.
func (a *Alarm) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return nil
	case a.timer != nil:
		a.timer.Reset(0) // for who waits
	}
	a.closed = true
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Alarm wakes one goroutine to the nanosecond, by timerfd_create(2).
// A timer of Go's would wake the process four times in place of once: the
// runtime sleeps in whole milliseconds, so once too early, and its monitor
// thread watches for timers that are late (measured on Go 1.26).
type Alarm struct {
	file  *os.File
	fd    int
	conn  syscall.RawConn
	rung  func(fd uintptr) bool // made once, so that waiting allocates nothing
	asked bool                  // rung was called since Wait began
}

// NewAlarm makes an alarm that is not set.
func NewAlarm() (*Alarm, error) {
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
// it was set for before. It may be called from any goroutine, also while
// another waits, but not after Close.
func (a *Alarm) Set(d time.Duration) {
	// 0 would disarm it.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))}
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(a.fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

// Wait waits until the time is over that was set last. After Close it returns at
// once.
func (a *Alarm) Wait() {
	a.asked = false
	_ = a.conn.Read(a.rung)
}

// Close closes the alarm.
func (a *Alarm) Close() error { return a.file.Close() }

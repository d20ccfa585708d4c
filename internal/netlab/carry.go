// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// run carries frames until stop. It waits in ppoll on a thread of its own
// instead of by Go timers, which are only as fine as a millisecond when the
// process idles.
func (n *line) run() {
	defer close(n.done)
	// Not unlocked: the thread, with its timer slack, ends with the goroutine.
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	start := time.Now()
	fds := []unix.PollFd{
		{Fd: int32(n.directions[0].from), Events: unix.POLLIN},
		{Fd: int32(n.directions[1].from), Events: unix.POLLIN},
		{Fd: int32(n.wake), Events: unix.POLLIN},
	}
	for {
		if fds[2].Revents != 0 {
			return
		}
		wait := time.Minute
		for i, d := range n.directions {
			if fds[i].Revents != 0 && !d.receive(start) {
				fds[i].Fd = -1 // the device was deleted; it would be ready for ever
			}
		}
		for _, d := range n.directions {
			wait = min(wait, d.deliver(start))
		}
		poll(fds, wait)
	}
}

// poll waits until a descriptor is ready or the time is over. Signals, which
// the Go runtime sends itself, end it early with nothing ready.
func poll(fds []unix.PollFd, wait time.Duration) {
	timeout := unix.NsecToTimespec(int64(wait))
	if _, err := unix.Ppoll(fds, &timeout, nil); err != nil {
		for i := range fds {
			fds[i].Revents = 0
		}
	}
}

// receive takes frames off the sending device, up to a bound that lets
// deliver have its turn, and reports whether the device still exists.
func (d *direction) receive(start time.Time) bool {
	for range 64 {
		n, err := unix.Read(d.from, d.scratch)
		if err != nil {
			return !errors.Is(err, unix.EBADFD)
		}
		d.accept(time.Since(start), d.scratch[:n])
	}
	return true
}

// deliver writes the frames that are due and returns the time to the next.
func (d *direction) deliver(start time.Time) time.Duration {
	for range 64 {
		due, ok := d.queue.next()
		if !ok {
			return time.Minute
		}
		if wait := due - time.Since(start); wait > 0 {
			return wait
		}
		f := d.queue.pop()
		// Counted first, so that counters are never behind what a node saw.
		d.count(f, 1)
		if _, err := unix.Write(d.to, f.data); err != nil && !f.group {
			d.count(f, -1)
			d.overflow.Add(1)
		}
		d.release(f)
	}
	return 0
}

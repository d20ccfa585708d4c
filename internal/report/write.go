// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// retryPause is the time between two attempts to write where writing does
	// not work, for example to a full disk.
	retryPause = time.Second
	// pollPause is the longest wait for room before it is seen whether the
	// waiting still makes sense.
	pollPause = 100 * time.Millisecond
	// gather is the least time between two writes, unless a batch is full. Each
	// write wakes threads of Go's runtime, which at a high rate cost more than
	// the records do. No record may be older than 30 ms when it is written
	// (contract 1.1).
	gather = 20 * time.Millisecond
)

// writeAll writes batch after batch until the end. It returns nil when nothing
// is left.
func (o *Output) writeAll() error {
	for {
		b := o.take()
		if b == nil {
			return nil
		}
		if err := o.writeBatch(b); err != nil {
			return err
		}
		if o.queue.finish(b) {
			wake(o.spell)
		}
	}
}

// take waits for a batch; nil at the end. A record that comes after a pause is
// handed out at once, what follows it soon is gathered.
func (o *Output) take() *batch {
	for {
		if !o.queue.empty() {
			o.gather()
			if b := o.queue.pop(); b != nil {
				o.wrote = time.Now()
				return b
			}
		}
		select {
		case <-o.queued:
		case <-o.writer.Asked():
			o.writer.Beat()
		case <-o.ending:
			return o.queue.pop()
		}
	}
}

// gather waits until there is a full batch, or it is time for a part of one.
// Who fills a batch, or ends the Output, just before the alarm is set is heard
// when it rings.
func (o *Output) gather() {
	if d := gather - time.Since(o.wrote); d > 0 && !o.queue.full() && !o.isEnding() {
		a := o.alarm.Load()
		a.Set(d)
		a.Wait()
	}
}

// writeBatch writes b to its end, however often it takes.
func (o *Output) writeBatch(b *batch) error {
	for len(b.rest()) > 0 {
		last := o.isEnding() // asked before: what fails now may work at the end
		err := o.attempt(b)
		switch {
		case err == nil:
			o.resume()
		case errors.Is(err, unix.EAGAIN):
			o.waitForRoom()
			if o.queue.isClosed() {
				return err
			}
		case o.gone(err):
			return fmt.Errorf("%w: %w", ErrClosed, err)
		default:
			o.fail(b, err)
			if last {
				return err
			}
			o.pause()
		}
	}
	return nil
}

// attempt writes what it can of the rest of b. It returns nil when that is more
// than nothing.
func (o *Output) attempt(b *batch) error {
	if b.torn {
		if _, err := o.write([]byte{'\n'}); err != nil {
			return err
		}
		b.torn = false
	}
	n, err := o.write(b.rest())
	b.advance(n)
	if n > 0 && errors.Is(err, io.ErrShortWrite) {
		return nil
	}
	if n == 0 && err == nil {
		return io.ErrShortWrite
	}
	return err
}

// write may rightly take any time: a reader decides.
func (o *Output) write(p []byte) (int, error) {
	o.writer.Excuse()
	defer o.writer.Beat()
	return o.w.Write(p)
}

// gone reports whether err means that there will never be a reader again. A
// terminal that has hung up gives EIO, as a broken disk does, and denies to be a
// terminal, but is still a character device.
func (o *Output) gone(err error) bool {
	if errors.Is(err, unix.EIO) {
		f, ok := o.w.(wholeFile)
		return ok && isCharDevice(f.File)
	}
	for _, gone := range []error{unix.EPIPE, unix.ECONNRESET, unix.EBADF, os.ErrClosed, io.ErrClosedPipe} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

func isCharDevice(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// fail tells that writing does not work.
func (o *Output) fail(b *batch, err error) {
	if !o.failing {
		o.failing = true
		_, o.before = o.Stats()
	}
	o.log.Fault(o.faultKey(), "Output", fmt.Sprintf("%s: %v; records wait for room, and it is tried again each second", o.name, err))
	b.restart()
}

// resume tells that writing works again, if it did not.
func (o *Output) resume() {
	if !o.failing {
		return
	}
	o.failing = false
	_, dropped := o.Stats()
	o.log.Clear(o.faultKey(), fmt.Sprintf("%s: can be written again, %d records were lost", o.name, dropped-o.before))
}

func (o *Output) faultKey() string { return "output " + o.name }

// pause waits until it is time for another attempt. The end makes it short.
func (o *Output) pause() {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-o.ending:
			return
		case <-o.writer.Asked():
			o.writer.Beat()
		}
	}
}

// isEnding reports whether the context of Run has ended.
func (o *Output) isEnding() bool {
	select {
	case <-o.ending:
		return true
	default:
		return false
	}
}

// waitForRoom waits a while until a non-blocking file takes more. Go's poller
// does this by itself for files that were non-blocking from the start; another
// process that shares our standard output can make it so at any time.
func (o *Output) waitForRoom() {
	if f, ok := o.w.(wholeFile); ok {
		pollOut(f.File)
		return
	}
	time.Sleep(pollPause)
}

// pollOut waits until f takes more, or for pollPause.
func pollOut(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		_, _ = unix.Poll(fds, int(pollPause/time.Millisecond))
	})
}

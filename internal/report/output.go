// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"connmonitor/internal/alarm"
	"connmonitor/internal/heartbeat"
)

// ErrClosed says that nobody will read the output any more.
var ErrClosed = errors.New("output is closed")

// Options are what is not the same for every Output. The zero value is that of
// the standard output.
type Options struct {
	// Name is what the log calls the output; "standard output" when empty.
	Name string
	// Limit is how many bytes of records may wait to be written; 64 MiB when 0.
	Limit int
	// Drain is how long Run may go on after the end of its context to write what
	// waits; 15 s when 0.
	Drain time.Duration
	// RealTime has Run sleep by the kernel's timers, which cost less and which
	// testing/synctest does not know.
	RealTime bool
}

// Output carries whole records to a file, a pipe, a terminal or a socket. What
// is appended is written at once, or 20 ms after the write before it, together
// with whatever else waits at that moment, up to 64 KiB in a write; a write
// holds whole records only, and what a write has left over is written before
// anything else.
//
// A reader that is slow holds nobody up: records wait, and beyond the limit the
// oldest are dropped, counted, and told of by one warning when it begins and
// one, with the number, when half of the room is free again. Where writing
// fails (a full disk) records wait likewise, one error tells of it, it is tried
// again each second, and one warning tells of the end. A regular file never
// keeps a part of a record: the part is cut off again. Where that cannot be
// done (another process has written behind it) the torn line is ended, and the
// record written again whole.
//
// For the end of a reader to come as an error, and not as a signal that ends
// the process, the process must have asked for SIGPIPE (signal.Notify) when w
// is its standard output or error; see os/signal.
type Output struct {
	name    string
	w       io.Writer
	log     *Log
	drain   time.Duration
	drainBy atomic.Pointer[time.Time]

	queue   queue
	queued  chan struct{} // something was appended
	wrote   time.Time     // when the last batch was taken; the writer's own
	alarm   atomic.Pointer[alarm.Alarm]
	real    bool             // Options.RealTime
	runner  *heartbeat.Pulse // of Run
	writer  *heartbeat.Pulse // of writeAll
	spell   chan struct{}    // dropping has begun or ended
	ending  chan struct{}    // closed when what waits is to be written, and no more
	failing bool             // the last write failed; the writer's own
	before  uint64           // records that were dropped before it failed; the writer's own
}

// NewOutput is an Output that writes to w when it runs. Its troubles go to log,
// which may be nil.
func NewOutput(w io.Writer, log *Log, opts Options) *Output {
	o := &Output{
		name:   opts.Name,
		w:      w,
		log:    log,
		drain:  opts.Drain,
		queue:  queue{limit: opts.Limit, batch: batchSize},
		queued: make(chan struct{}, 1),
		real:   opts.RealTime,
		runner: heartbeat.New(),
		writer: heartbeat.New(),
		spell:  make(chan struct{}, 1),
		ending: make(chan struct{}),
	}
	if f, ok := w.(*os.File); ok {
		o.w = wholeFile{f}
	}
	if o.name == "" {
		o.name = "standard output"
	}
	if o.queue.limit == 0 {
		o.queue.limit = defaultLimit
	}
	if o.drain == 0 {
		o.drain = 15 * time.Second
	}
	return o
}

// Append queues a copy of the record, which ends in a newline. It never waits
// for the reader, and may be called at any time: what comes after Run has
// returned is counted as dropped. It is safe for concurrent use.
func (o *Output) Append(record []byte) {
	if len(record) == 0 {
		return
	}
	began, full := o.queue.push(record)
	if began {
		wake(o.spell)
	}
	if a := o.alarm.Load(); full && a != nil {
		a.Set(0)
	}
	wake(o.queued)
}

// Write is Append as an io.Writer, for a Log that must not wait for the reader
// of standard error either. It never fails.
func (o *Output) Write(record []byte) (int, error) {
	o.Append(record)
	return len(record), nil
}

// DrainBy sets the latest time for Run to return in place of Options.Drain. It
// has an effect until the context of Run ends.
func (o *Output) DrainBy(t time.Time) { o.drainBy.Store(&t) }

// Prove has beat called, soon, when both goroutines of Run are seen to run. A
// write may take any time and is none of their faults: nobody reads the other
// end of a pipe, a disk is full or gone. Neither is the end of Run.
func (o *Output) Prove(beat func()) {
	o.runner.Ask(func() { o.writer.Ask(beat) })
}

// Stats returns how many records were written and how many were dropped. At
// the end all records of a write that has not come back count as dropped.
func (o *Output) Stats() (written, dropped uint64) {
	o.queue.mu.Lock()
	defer o.queue.mu.Unlock()
	return o.queue.written, o.queue.dropped
}

// Waiting is how many bytes of records are not written yet.
func (o *Output) Waiting() int {
	o.queue.mu.Lock()
	defer o.queue.mu.Unlock()
	return o.queue.size
}

// Run writes what is appended until ctx ends, then what still waits, and
// returns nil; it does so even if a write is stuck, once the time for draining
// is over (a stuck write is left behind and ends with its reader or with the
// process). When nobody reads any more it writes an error line and returns
// ErrClosed. It may be called once.
func (o *Output) Run(ctx context.Context) error {
	written := make(chan error, 1)
	bell := alarm.New(o.real)
	o.alarm.Store(bell)
	defer bell.Close() //nolint:errcheck // nothing can be lost
	defer o.runner.Excuse()
	go func() {
		defer o.writer.Excuse()
		written <- o.writeAll()
	}()

	end := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case <-o.spell:
			o.tellSpells()
		case <-o.runner.Asked():
			o.runner.Beat()
		case <-end:
			end = nil
			close(o.ending)
			bell.Set(0)
			timer := time.NewTimer(o.drainTime())
			defer timer.Stop()
			late = timer.C
		case err := <-written:
			return o.close(err)
		case <-late:
			return o.close(errors.New("its reader does not read"))
		}
	}
}

// drainTime is how long what waits may take to be written.
func (o *Output) drainTime() time.Duration {
	if t := o.drainBy.Load(); t != nil {
		return time.Until(*t)
	}
	return o.drain
}

// close ends the queue for the reason err, nil when all is written, and tells
// what became of it.
func (o *Output) close(err error) error {
	left := o.queue.close()
	o.tellSpells()
	if errors.Is(err, ErrClosed) {
		o.log.Error("Output", "%s: %v", o.name, err)
		return ErrClosed
	}
	if err == nil {
		err = errors.New("they came too late")
	}
	if left > 0 {
		o.log.Warn("%s: %d records could not be written before the end: %v", o.name, left, err)
	}
	return nil
}

// tellSpells warns of the beginnings and ends of dropping.
func (o *Output) tellSpells() {
	for _, lost := range o.queue.told() {
		if lost == 0 {
			o.log.Warn("%s: more than %d bytes wait to be read, the oldest records are being dropped", o.name, o.queue.limit)
		} else {
			o.log.Warn("%s: no more records are being dropped; %d were", o.name, lost)
		}
	}
}

// wake leaves a note in a channel of one place, if there is none.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

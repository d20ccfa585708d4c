// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// LineConfig says what happens to the frames of a line. The zero value carries
// every frame at once. Broadcast and multicast frames, which only the nodes'
// kernels send, are delayed and nothing else: they draw no random numbers and
// are not counted, so that the fate of the n-th frame depends on the seed
// alone.
type LineConfig struct {
	// Delay is how long a frame takes, one way. It is never less, and more by
	// about 0.1 ms on a quiet machine.
	Delay time.Duration
	// Jitter is the upper bound of a random addition to Delay, uniform from 0.
	// Frames keep their order.
	Jitter time.Duration
	// Loss is the probability (0..1) that a frame is dropped.
	Loss float64
	// Duplicate is the probability (0..1) that a frame that is not lost comes
	// twice.
	Duplicate float64
	// Reorder is the probability (0..1) that a frame is held back by Hold, so
	// that later frames overtake it.
	Reorder float64
	// Hold is by how much (default 5 ms).
	Hold time.Duration
	// Tamper, when set, is handed every unicast frame that is not lost, from
	// the Ethernet header on, and returns what is carried in its place; nil
	// drops it. It may change the frame. It runs in the line's goroutine.
	Tamper func(frame []byte) []byte

	// Back is how frames fare from B to A; nil means as from A to B. Its own
	// Back, Queue and Seed mean nothing.
	Back *LineConfig
	// Queue bounds the frames on their way in each direction (default 16384);
	// further ones are dropped, and counted as Overflow.
	Queue int
	// Seed starts the random generators of both directions. Link.Set does not
	// start them again.
	Seed uint64
}

// Counters of one direction of a line, in frames.
type Counters struct {
	Carried    uint64 // handed to the receiving node, duplicates included
	Dropped    uint64 // lost by Loss or Tamper
	Duplicated uint64 // of the carried: second copies
	Reordered  uint64 // held back
	Overflow   uint64 // dropped because the queue was full or the receiving end down
}

// line carries the frames of two TAP devices.
type line struct {
	directions [2]*direction // from A, from B
	wake       int           // eventfd; readable when the line is to stop
	done       chan struct{}
}

// lineConfig is what a direction works with, defaults filled in.
type lineConfig = atomic.Pointer[LineConfig]

// Line joins two nodes like Veth, by a line that treats its frames as cfg says.
// The test is skipped where TAP devices cannot be made.
func (l *Lab) Line(a, b *Node, cfg LineConfig, opts ...LinkOption) *Link {
	l.t.Helper()
	link := l.newLink(a, b, opts)
	link.line = l.newLine(link.A, link.B, cfg)
	for _, e := range []*Endpoint{link.A, link.B} {
		e.Node.batch(fmt.Sprintf("link set %s address %s mtu %d txqueuelen %d", e.Device, e.MAC, link.mtu, txQueue))
	}
	link.start()
	return link
}

func (l *Lab) newLine(a, b *Endpoint, cfg LineConfig) *line {
	l.t.Helper()
	fdA, fdB := l.tap(a), l.tap(b)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		l.t.Fatalf("netlab: eventfd: %v", err)
	}
	n := &line{wake: wake, done: make(chan struct{})}
	n.directions[0] = newDirection(fdA, fdB, cfg.Seed, 0)
	n.directions[1] = newDirection(fdB, fdA, cfg.Seed, 1)
	n.set(cfg)
	go n.run()
	l.t.Cleanup(n.stop)
	return n
}

func (l *Lab) tap(e *Endpoint) (fd int) {
	l.t.Helper()
	var err error
	e.Node.Do(func() { fd, err = openTAP(e.Device) })
	if err != nil {
		unavailable(l.t, err)
	}
	l.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// Set changes what a line does to the frames that come from now on. It may be
// called from any goroutine.
func (l *Link) Set(cfg LineConfig) { l.mustLine().set(cfg) }

// Counters tells what a line did, from A to B and from B to A. What a node has
// received is counted.
func (l *Link) Counters() (ab, ba Counters) {
	n := l.mustLine()
	return n.directions[0].counters(), n.directions[1].counters()
}

func (l *Link) mustLine() *line {
	if l.line == nil {
		panic(fmt.Sprintf("netlab: link %s-%s is a veth pair, not a line", l.A.Node.Name, l.B.Node.Name))
	}
	return l.line
}

func (n *line) set(cfg LineConfig) {
	back := cfg
	if cfg.Back != nil {
		back = *cfg.Back
		back.Queue = cfg.Queue
	}
	for i, c := range []LineConfig{cfg, back} {
		if c.Queue <= 0 {
			c.Queue = 16384
		}
		if c.Hold <= 0 {
			c.Hold = 5 * time.Millisecond
		}
		n.directions[i].config.Store(&c)
	}
}

// stop ends the goroutine and waits for it.
func (n *line) stop() {
	_, _ = unix.Write(n.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-n.done
	_ = unix.Close(n.wake)
}

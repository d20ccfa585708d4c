// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// DefaultParallel is the most sockets at once when the options do not say.
	DefaultParallel = 512
	// perHost is the most sockets at once towards one host: what it sees of us
	// is no flood, whatever was asked.
	perHost = 64
	// reserved is how many descriptors are left to all else of the process: pings,
	// names, files. Where there are few it is half of them.
	reserved = 128
	// patience is how long a socket is waited for that the kernel has no
	// descriptor for; firstPause and longestPause are those between two attempts.
	patience     = 10 * time.Second
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// maxParallel is more than any machine has ports for.
const maxParallel = 65535

// ParseParallel reads the most sockets at once, 1..65535.
func ParseParallel(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("must be an integer from 1 to %d", maxParallel)
	}
	return int(n), nil
}

// limits bounds the sockets that are open, in all and for each host. Who waits
// for one is served in the order of coming.
type limits struct {
	all chan struct{}

	mu    sync.Mutex
	hosts map[netip.Addr]*share // of the scans that run
}

// share is what the scans of one host share.
type share struct {
	scans int
	slots chan struct{}
}

func newLimits(parallel int) *limits {
	return &limits{all: make(chan struct{}, parallel), hosts: make(map[netip.Addr]*share)}
}

// parallelOf is how many sockets may be open when so many are wished for. The
// descriptors of the process bound it: those beyond would be errors, and a scan
// can wait as well.
func parallelOf(wished int) int {
	if wished <= 0 {
		wished = DefaultParallel
	}
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) != nil || files.Cur > 1<<20 {
		return wished
	}
	return max(1, min(wished, int(files.Cur)-min(reserved, int(files.Cur)/2)))
}

// wait is the time for which a socket has been waited for; its zero value is
// none.
type wait struct{ total, last time.Duration }

// pause waits before the next attempt, each time for twice as long; false when
// that would take longer than most in all, or ctx has ended.
func (w *wait) pause(ctx context.Context, most time.Duration) bool {
	w.last = min(max(2*w.last, firstPause), longestPause)
	w.total += w.last
	return w.total <= most && sleep(ctx, w.last)
}

// join announces a scan of a host; leave ends it.
func (l *limits) join(host netip.Addr) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.hosts[host]
	if s == nil {
		s = &share{slots: make(chan struct{}, perHost)}
		l.hosts[host] = s
	}
	s.scans++
	return s
}

func (l *limits) leave(host netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.hosts[host]
	if s.scans--; s.scans == 0 {
		delete(l.hosts, host)
	}
}

// acquire waits for a socket of the host's share, then for one of all: who
// waits for its own host takes nothing away from others. A channel serves its
// senders in the order in which they came, which makes the queue fair.
func (l *limits) acquire(ctx context.Context, s *share) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := take(ctx, s.slots); err != nil {
		return err
	}
	if err := take(ctx, l.all); err != nil {
		<-s.slots
		return err
	}
	return nil
}

func (l *limits) release(s *share) {
	<-l.all
	<-s.slots
}

func take(ctx context.Context, slots chan<- struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

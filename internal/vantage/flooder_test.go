// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

// flooder sends forgeries about the latest probes as fast as it is told to.
type flooder struct {
	*attacker
	rate   int // packets a second
	tricks []trick
	mu     sync.Mutex
	seen   [2][]*seen // the latest probes, by family
	sent   atomic.Int64
	stop   atomic.Bool
}

// learn keeps a probe as long as it is one of the latest.
func (f *flooder) learn(s *seen) {
	const latest = 32
	f.mu.Lock()
	defer f.mu.Unlock()
	of := &f.seen[0]
	if s.v6 {
		of = &f.seen[1]
	}
	if *of = append(*of, s); len(*of) > latest {
		*of = slices.Delete(*of, 0, 1)
	}
}

// latest are the latest probes of both families.
func (f *flooder) latest() []*seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.seen[0], f.seen[1])
}

// learned waits until there is something to make forgeries of.
func (f *flooder) learned(t *testing.T) {
	t.Helper()
	netlab.Await(t, "probe that the flooder sees", func() bool { return len(f.latest()) > 0 })
}

// reload is after how long the forgeries are made of newer probes: they are to
// be about what is in flight.
const reload = 10 * time.Millisecond

// flood sends until it is stopped.
func (f *flooder) flood() error {
	raw, err := f.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	v := f.volley()
	err = raw.Control(func(fd uintptr) {
		var loaded time.Duration
		start := time.Now()
		for failed == nil && !f.stop.Load() {
			now := time.Since(start)
			if now-loaded > reload {
				v.load(f.latest(), f.tricks)
				loaded = now
			}
			time.Sleep(time.Duration(f.sent.Load()*int64(time.Second)/int64(f.rate)) - now)
			var n int
			n, failed = v.fire(int(fd))
			f.sent.Add(int64(n))
		}
	})
	return errors.Join(err, failed)
}

// volley is some batches of packets, to be sent again and again.
type volley struct {
	names    [2]unix.RawSockaddrLinklayer
	packets  [][]byte
	iovs     []unix.Iovec
	messages []message
	next     int
}

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	header unix.Msghdr
	sent   uint32
	_      uint32
}

const (
	floodBatch   = 64 // packets of one call
	floodBatches = 16
)

func (f *flooder) volley() *volley {
	const n = floodBatch * floodBatches
	v := &volley{packets: make([][]byte, n), iovs: make([]unix.Iovec, n), messages: make([]message, n)}
	for i, v6 := range both {
		a := f.name(v6)
		v.names[i] = unix.RawSockaddrLinklayer{
			Family: unix.AF_PACKET, Protocol: a.Protocol, Ifindex: int32(a.Ifindex), Halen: a.Halen, Addr: a.Addr,
		}
	}
	v.load(f.latest(), f.tricks)
	return v
}

// load forges packets about probes, with all tricks in turn.
func (v *volley) load(probes []*seen, tricks []trick) {
	for i := range v.packets {
		s := probes[i%len(probes)]
		f := s.reply()
		tricks[i/2%len(tricks)].bend(f)
		p := f.packets()[0]
		v.packets[i] = p
		v.iovs[i].Base = &p[0]
		v.iovs[i].SetLen(len(p))
		name := &v.names[0]
		if s.v6 {
			name = &v.names[1]
		}
		h := &v.messages[i].header
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(name)), unix.SizeofSockaddrLinklayer
		h.Iov = &v.iovs[i]
		h.SetIovlen(1)
	}
}

// fire sends the next batch, or as much of it as there is room for.
func (v *volley) fire(fd int) (int, error) {
	first := &v.messages[v.next]
	v.next = (v.next + floodBatch) % len(v.messages)
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(first)), floodBatch, 0, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.ENOBUFS, unix.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("flood: %w", errno)
}

// floodTricks are those that pass the kernel's filter by one packet.
func floodTricks() []trick {
	return slices.DeleteFunc(forged(), func(k trick) bool {
		return k.passes != passes || k.size > 0 || k.name == "oversized" || k.name == "fragmented"
	})
}

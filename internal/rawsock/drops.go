// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Drops is what the kernel has dropped at the door of a socket, modulo 2^32.
type Drops struct {
	Full    uint32 // because the receive buffer was full, as far as can be told
	Damaged uint32 // because its checksum was wrong, with the buffer not full
	// Queued is no drop: the bytes, as the kernel accounts them, that were sent
	// and wait to leave, in a queue of a device or for a neighbour's address.
	Queued uint32
}

// Bounds of what the kernel charges a receive buffer, in bytes: for a packet
// without its data, which a driver may keep in a page, and for a transmit stamp.
// A piece of a fragmented IPv6 datagram has 1,280 bytes at least.
const (
	packetCharge = 4096
	byteCharge   = 4
	stampCharge  = 1024
)

// charge notes what has been taken out of the buffer since Drops looked: an
// upper bound.
func (s *Socket) charge(bytes int) { s.taken += bytes }

// Drops tells what was dropped since the socket was opened (SO_MEMINFO). It
// reads the counter itself: the control message SO_RXQ_OVFL rides only on
// packets that come later.
//
// The kernel counts damaged ICMPv6 packets, whoever they are for, with those
// that found the buffer full, and whoever sends such a one must not make our
// losses look like our own fault. The buffer was not full at any time since the
// last look when all that is in it, and all that was taken out since, is less
// than it holds.
func (s *Socket) Drops() (Drops, error) {
	mem, err := meminfo(s.fd)
	if err != nil {
		return s.drops, err
	}
	more := mem[drops] - s.counted
	s.counted = mem[drops]
	if s.opt.IPv6 && s.opt.Kind == Raw && int(mem[rmemAlloc])+s.taken < s.info.Buffer {
		s.drops.Damaged += more
	} else {
		s.drops.Full += more
	}
	s.taken = 0
	if s.out != s.fd {
		mem, err = meminfo(s.out)
	}
	s.drops.Queued = mem[wmemAlloc]
	return s.drops, err
}

// The words of SO_MEMINFO (enum sk_meminfo of linux/sock_diag.h).
const (
	rmemAlloc = 0
	wmemAlloc = 2
	drops     = 8
	memWords  = 9
)

func meminfo(fd int) (mem [memWords]uint32, err error) {
	n := uint32(unsafe.Sizeof(mem))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&mem)), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return mem, e
	}
	return mem, nil
}

// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// awaitLimit bounds the wait for the first stamp; measured: 4 ms on an idle
// machine, 11 ms on a busy one.
const awaitLimit = 100 * time.Millisecond

// Between two looks: often the first is enough, and each costs some 15 us.
const (
	shortestPause = 50 * time.Microsecond
	longestPause  = time.Millisecond
)

// deaf is set when no stamp came in time, so that nobody waits again: loopback
// is filtered, or the kernel stamps no arrivals at all.
var deaf atomic.Bool

// awaitStamps returns when the kernel stamps packets on their arrival. It does
// so only while some socket of the machine asks for it, and begins a while after
// the first one asked (net_enable_timestamp leaves it to a work queue): without
// the wait the first replies of a program would be timed by the program. What
// is looked at is a datagram that a socket of ours sends to itself over
// loopback; where that cannot be, nothing is awaited. What is stamped at the first
// look may be so for a socket that was just closed, and stop for a moment: only what
// began while we looked, or lasts, is ours.
func awaitStamps() {
	if deaf.Load() {
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	self, err := selfAddressed(fd)
	if err != nil {
		return
	}
	pause, looked := shortestPause, false
	for deadline := time.Now().Add(awaitLimit); time.Now().Before(deadline); pause = min(2*pause, longestPause) {
		if unix.Sendto(fd, []byte{0}, 0, self) != nil {
			return
		}
		var data [1]byte
		var control [256]byte
		if _, n, _, _, err := unix.Recvmsg(fd, data[:], control[:], 0); err == nil && n > 0 {
			if looked {
				return
			}
			pause = longestPause
		}
		looked = true
		time.Sleep(pause)
	}
	deaf.Store(true)
}

// selfAddressed makes the socket one with receive stamps, bound to loopback, on
// which a read waits awaitLimit at most, and returns its address.
func selfAddressed(fd int) (unix.Sockaddr, error) {
	wait := unix.NsecToTimeval(awaitLimit.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return nil, err
	}
	const flags = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, flags); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	return unix.Getsockname(fd)
}

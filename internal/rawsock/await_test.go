// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStampsAreAwaited: the kernel begins to stamp arrivals a while after it was
// asked to. Each of these sockets is the first to ask, unless some other program
// of the machine does all the time; without the wait nearly each of them gets
// its first datagram without a stamp. It does not run beside others of this
// package, which ask too.
func TestStampsAreAwaited(t *testing.T) {
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(fd) }()
			self, err := selfAddressed(fd)
			if err != nil {
				t.Fatal(err)
			}
			awaitStamps()
			if err := unix.Sendto(fd, []byte{0}, 0, self); err != nil {
				t.Fatal(err)
			}
			var data [1]byte
			var control [256]byte
			if _, n, _, _, err := unix.Recvmsg(fd, data[:], control[:], 0); err != nil || n == 0 {
				t.Errorf("%d bytes of control messages: %v, want a stamp", n, err)
			}
		})
		time.Sleep(10 * time.Millisecond) // for the kernel to stop stamping
	}
}

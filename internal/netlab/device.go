// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// loopbackUp brings up lo in the namespace of the calling thread.
func loopbackUp() error {
	return withDevice("lo", func(fd int, r *unix.Ifreq) error {
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
			return err
		}
		r.SetUint16(r.Uint16() | unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
	})
}

// deviceRunning reports whether the device, in the namespace of the calling
// thread, is operational (RFC 2863).
func deviceRunning(device string) (running bool, err error) {
	err = withDevice(device, func(fd int, r *unix.Ifreq) error {
		err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r)
		running = r.Uint16()&unix.IFF_RUNNING != 0
		return err
	})
	return running, err
}

// isLocal6 reports whether the namespace of the calling thread has a local
// route to the address. (It would appear among the addresses too early.)
func isLocal6(a netip.Addr) (bool, error) {
	routes, err := os.ReadFile("/proc/thread-self/net/ipv6_route")
	if err != nil {
		return false, err
	}
	return bytes.Contains(routes, fmt.Appendf(nil, "%x 80 ", a.AsSlice())), nil
}

// withDevice runs f with a socket and a request about a device.
func withDevice(device string, f func(fd int, r *unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket for device %s: %w", device, err)
	}
	defer func() { _ = unix.Close(fd) }()
	r, err := unix.NewIfreq(device)
	if err != nil {
		return fmt.Errorf("device %s: %w", device, err)
	}
	if err := f(fd, r); err != nil {
		return fmt.Errorf("flags of device %s: %w", device, err)
	}
	return nil
}

// openTAP makes a TAP device in the namespace of the calling thread and returns
// the descriptor, not blocking, on which its frames are read and written. The
// device goes when the descriptor is closed.
func openTAP(device string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	r, err := unix.NewIfreq(device)
	if err == nil {
		r.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, r)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("make TAP device %s: %w", device, err)
	}
	return fd, nil
}

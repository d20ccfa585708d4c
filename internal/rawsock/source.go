// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SourceTo is the address of this machine that the kernel sends from to an
// address: the checksums of UDP and TCP cover it. iface is the index of the
// interface to leave by; 0: the route decides. An error wraps the kernel's, such
// as ENETUNREACH.
func SourceTo(to Addr, v6 bool, iface int32) (Addr, error) {
	from, err := sourceTo(to, v6, iface)
	if err != nil {
		return Addr{}, fmt.Errorf("find the source address to %s: %w", to.Netip(v6), err)
	}
	return from, nil
}

// sourceTo connects a UDP socket, which sends nothing, and reads its name.
func sourceTo(to Addr, v6 bool, iface int32) (from Addr, err error) {
	domain := unix.AF_INET
	// Any port does, but not 0: a peer of none is no peer.
	var peer unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(to.IP[:4]), Port: 9}
	if v6 {
		domain, peer = unix.AF_INET6, &unix.SockaddrInet6{Addr: to.IP, ZoneId: to.Zone, Port: 9}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Addr{}, err
	}
	defer func() { _ = unix.Close(fd) }()
	if iface != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, int(iface)); err != nil {
			return Addr{}, err
		}
	}
	if err := unix.Connect(fd, peer); err != nil {
		return Addr{}, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return Addr{}, err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		copy(from.IP[:], a.Addr[:])
	case *unix.SockaddrInet6:
		from.IP, from.Zone = a.Addr, a.ZoneId
	}
	return from, nil
}

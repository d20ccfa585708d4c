// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// PortsPerBlock is how many local ports a block has.
const PortsPerBlock = 64

// The blocks are tried in this order, from behind the ports that Linux gives
// away by itself (ip_local_port_range ends at 60999): the same ones whenever a
// program starts, so that a restart changes no flow.
const (
	firstBlock = 61440
	lastBlock  = 65536 - 2*PortsPerBlock
)

// Ports is a block of local ports of UDP and of TCP in one address family that
// are nobody else's: probes that are sent from them by raw sockets touch no
// connection of this machine.
type Ports struct {
	First uint16
	fds   []int
}

// ReservePorts reserves a block. It needs no privilege; EADDRINUSE says that no
// block is free, and EMFILE that 128 descriptors are too many.
func ReservePorts(v6 bool) (*Ports, error) {
	for first := firstBlock; first <= lastBlock; first += PortsPerBlock {
		p := &Ports{First: uint16(first)}
		err := p.reserve(v6)
		if err == nil {
			return p, nil
		}
		p.Close()
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("reserve ports from %d (%s): %w", first, FamilyName(v6), err)
		}
	}
	return nil, fmt.Errorf("reserve ports from %d (%s): %w", firstBlock, FamilyName(v6), unix.EADDRINUSE)
}

func (p *Ports) reserve(v6 bool) error {
	for i := range PortsPerBlock {
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			if err := p.hold(v6, typ, int(p.First)+i); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold binds a socket to a port. The one of TCP does not listen: the kernel
// resets the connections that our SYNs would begin, so no peer keeps one half
// open. The one of UDP takes what comes, so that no ICMP error answers it, and
// drops it.
func (p *Ports) hold(v6 bool, typ, port int) error {
	domain := unix.AF_INET
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: port}
	if v6 {
		domain, at = unix.AF_INET6, &unix.SockaddrInet6{Port: port}
	}
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	p.fds = append(p.fds, fd)
	if v6 {
		if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	if typ == unix.SOCK_DGRAM {
		nothing := unix.SockFilter{Code: ret, K: 0}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing}); err != nil {
			return err
		}
	}
	return unix.Bind(fd, at)
}

// Close gives the block back.
func (p *Ports) Close() {
	for _, fd := range p.fds {
		_ = unix.Close(fd) // nothing was ever read or written
	}
	p.fds = nil
}

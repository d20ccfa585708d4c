// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errSource is the reason of errors about where connections should leave by.
var errSource = errors.New("source cannot be used")

// bindCall is the system call that errors of bindToDevice name.
const bindCall = "setsockopt SO_BINDTODEVICE"

// errRoute says that packets to the host have nowhere to go.
var errRoute = errors.New("this machine has no route to it")

// connect opens the connection for one conversation, and tells a host that is out
// of reach for others from one that only we have no way to.
func (s *Scanner) connect(ctx context.Context, t *Request, network string, port uint16) (net.Conn, error) {
	conn, err := s.dial(ctx, t, network, port)
	if isUnreachable(err) && s.isRouteless(ctx, t, port) {
		err = fmt.Errorf("%w: %w", errRoute, err)
	}
	if !isStarved(err) {
		s.connections.Add(1)
	}
	return conn, err
}

func isUnreachable(err error) bool {
	return errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH)
}

// isRouteless reports whether there is no route to the host. The same error comes
// from a router; but to connect a UDP socket is to look up its route, and no
// packet leaves for it.
func (s *Scanner) isRouteless(ctx context.Context, t *Request, port uint16) bool {
	conn, err := s.dial(ctx, t, udp, port)
	if err == nil {
		_ = conn.Close()
	}
	return isUnreachable(err)
}

// dial opens the connection for one conversation, whose deadline is that of
// ctx.
func (s *Scanner) dial(ctx context.Context, t *Request, network string, port uint16) (net.Conn, error) {
	if network == "" {
		network = tcp
	}
	dialer, err := s.dialer(t, network)
	if err != nil {
		return nil, err
	}
	to := netip.AddrPortFrom(t.Addr, port).String()
	conn, err := dialer.DialContext(ctx, network, to)
	if isBindRefused(err) {
		// Before Linux 5.7 only CAP_NET_RAW may bind to an interface; its
		// address is the next best thing.
		from, addrErr := interfaceAddr(t.Source, t.Addr)
		if addrErr != nil {
			return nil, addrErr
		}
		dialer.LocalAddr, dialer.Control = localAddr(network, from), bindLate
		conn, err = dialer.DialContext(ctx, network, to)
	}
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		_ = conn.Close() // the first error is the one to tell
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	return conn, nil
}

// dialer is the dialer for the request's source: none, an address, or else an
// interface. Keep-alive probes are off: no connection outlives its scan.
func (s *Scanner) dialer(t *Request, network string) (*net.Dialer, error) {
	d := &net.Dialer{KeepAlive: -1}
	if t.Source == "" {
		return d, nil
	}
	from, err := netip.ParseAddr(t.Source)
	if err != nil {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return control(c, func(fd int) error { return s.bind(fd, t.Source) })
		}
		return d, nil
	}
	from = from.Unmap()
	if from.Is4() != t.Addr.Is4() {
		return nil, fmt.Errorf("%w: %s and the host's address %s are of different families", errSource, from, t.Addr)
	}
	d.LocalAddr = localAddr(network, from)
	d.Control = bindLate
	return d, nil
}

// localAddr is an address to leave by, in the form that the dialer wants.
func localAddr(network string, from netip.Addr) net.Addr {
	if network == udp {
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
}

// bindLate leaves the choice of the source port to connect. A bind with an
// address picks it at once otherwise, and then no port that is in TIME_WAIT
// towards any host can be had: 28,000 connections a minute in all, instead of to
// each service.
func bindLate(_, _ string, c syscall.RawConn) error {
	return control(c, func(fd int) error {
		// It only saves ports, so a kernel that refuses it is no reason to fail.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		return nil
	})
}

func control(c syscall.RawConn, do func(fd int) error) error {
	var err error
	if controlErr := c.Control(func(fd uintptr) { err = do(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}

func bindToDevice(fd int, device string) error {
	return os.NewSyscallError(bindCall, unix.BindToDevice(fd, device))
}

// isBindRefused tells the refusal to bind to an interface from that to connect.
func isBindRefused(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == bindCall && errors.Is(call.Err, unix.EPERM)
}

// interfaceAddr picks the address of an interface that reaches to: one of its
// family, and link-local exactly when it is.
func interfaceAddr(name string, to netip.Addr) (netip.Addr, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: interface %s: %w", errSource, name, err)
	}
	addrs, err := device.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: addresses of interface %s: %w", errSource, name, err)
	}
	for _, addr := range addrs {
		prefix, err := netip.ParsePrefix(addr.String())
		if err != nil {
			continue // not an IP network
		}
		from := prefix.Addr().Unmap()
		if from.Is4() != to.Is4() || from.IsLinkLocalUnicast() != to.IsLinkLocalUnicast() {
			continue
		}
		if from.Is6() && from.IsLinkLocalUnicast() {
			from = from.WithZone(name)
		}
		return from, nil
	}
	return netip.Addr{}, fmt.Errorf("%w: interface %s has no address that reaches %s", errSource, name, to)
}

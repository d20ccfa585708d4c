// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// Index is the number by which the node's kernel knows the device.
func (e *Endpoint) Index() int {
	e.link.lab.t.Helper()
	var device *net.Interface
	var err error
	e.Node.Do(func() { device, err = net.InterfaceByName(e.Device) })
	if err != nil {
		e.link.lab.t.Fatalf("netlab: node %s: device %s: %v", e.Node.Name, e.Device, err)
	}
	return device.Index
}

// PacketSocket opens a packet(7) socket of the device, not blocking, which sees
// and sends packets from their IP headers on, of all protocols. It holds 4 MiB
// of them, for those who read late. The caller closes it.
func (e *Endpoint) PacketSocket() (fd int) {
	e.link.lab.t.Helper()
	index := e.Index()
	var err error
	e.Node.Do(func() {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return
		}
		// Refused in a user namespace, where the kernel's own size must do.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: NetworkOrder(unix.ETH_P_ALL), Ifindex: index})
	})
	if err != nil {
		e.link.lab.t.Fatalf("netlab: node %s: packet socket of %s: %v", e.Node.Name, e.Device, err)
	}
	return fd
}

// NetworkOrder is the number whose bytes in memory are those of v in network
// byte order, as addresses of packet sockets have their protocols.
func NetworkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"
	"net/netip"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/wire"
)

// probe is a packet of ours, as the network sees it.
type probe struct {
	sock  *socket
	to    netip.Addr
	host  *host
	proto uint8 // of the upper layer
	ttl   int
	flow  uint32
	size  int        // of what follows the IP header, or of the UDP payload
	known int        // bytes of it in data
	data  [room]byte // from the ICMP, UDP or TCP header, or the UDP payload

	// What the network makes of it:

	left int // its TTL where it is answered
	nat  *translation
	// tellMTU is the next hop's that an error about it tells; else 0.
	tellMTU uint32
}

// transmit sends one packet: the transmit stamp, and whatever answers.
func (n *Net) transmit(s *socket, p *rawsock.Packet, now int64) {
	pr := &n.probe // used again, so that a test can count the loop's allocations
	n.read(pr, s, p)
	if n.watch != nil {
		n.watch(Sent{At: now, To: pr.to, TTL: p.TTL, TOS: p.TOS, DF: s.opt.DontFragment, Data: pr.data[:pr.known]})
	}
	if !n.kernel.noTX {
		t := n.queue.take()
		t.isReport = true
		t.report.Origin, t.report.ID = rawsock.OriginTransmit, p.Stamp
		n.queue.push(event{at: now, to: s, packet: t})
	}
	if pr.host != nil {
		n.forward(pr, now)
	}
}

// read takes the bytes of a packet together as the kernel does, and fills in
// what the kernel fills in.
func (n *Net) read(pr *probe, s *socket, p *rawsock.Packet) {
	pr.sock, pr.to = s, p.To.Netip(s.opt.IPv6).WithZone("")
	pr.host = n.hosts[pr.to]
	pr.size = int(p.Len) + int(p.Fill)
	pr.known = min(pr.size, room)
	copy(pr.data[:], p.Head[:p.Len])
	for i := int(p.Len); i < pr.known; i++ {
		pr.data[i] = byte(i - int(p.Len))
	}
	pr.ttl = int(p.TTL)
	if pr.ttl == 0 {
		pr.ttl = 64
	}
	switch s.opt.Kind {
	case rawsock.UDP:
		pr.proto, pr.flow = wire.ProtoUDP, uint32(s.info.ID)<<16|uint32(p.Port)
		if p.Port == 0 {
			n.failure("a UDP probe to %s has no port", pr.to)
		}
	case rawsock.RawUDP:
		n.readUDP(pr)
	case rawsock.RawTCP:
		n.readSYN(pr)
	default:
		n.readEcho(pr, s)
	}
}

func (n *Net) readEcho(pr *probe, s *socket) {
	pr.proto = wire.ProtoICMP
	want := wire.TypeEchoRequest
	if s.opt.IPv6 {
		pr.proto, want = wire.ProtoICMPv6, wire.Type6EchoRequest
	}
	echo, _, ok := wire.ParseEcho(pr.data[:pr.known])
	if !ok || echo.Type != want || echo.Code != 0 {
		n.failure("no echo request to %s: % x", pr.to, pr.data[:8])
	}
	byKernel := s.opt.IPv6 || s.opt.Kind == rawsock.Datagram
	if s.opt.Kind == rawsock.Datagram {
		binary.BigEndian.PutUint16(pr.data[4:], s.info.ID)
	}
	if pr.size <= room && byKernel {
		binary.BigEndian.PutUint16(pr.data[2:], 0)
		binary.BigEndian.PutUint16(pr.data[2:], pr.checksum())
	}
	n.verify(pr)
	pr.flow = uint32(binary.BigEndian.Uint16(pr.data[2:]))
}

// readUDP reads a datagram whose header the sender has written.
func (n *Net) readUDP(pr *probe) {
	pr.proto = wire.ProtoUDP
	u, _, ok := wire.ParseUDP(pr.data[:pr.known])
	if !ok || u.Length != pr.size || u.Checksum == 0 || u.DstPort == 0 {
		n.failure("no UDP datagram to %s: %+v of %d bytes", pr.to, u, pr.size)
	}
	n.verify(pr)
	n.readPorts(pr)
}

func (n *Net) readSYN(pr *probe) {
	pr.proto = wire.ProtoTCP
	t, _, ok := wire.ParseTCP(pr.data[:pr.known])
	if !ok || t.Flags != wire.FlagSYN || t.DstPort == 0 {
		n.failure("no SYN to %s: %+v", pr.to, t)
	}
	n.verify(pr)
	n.readPorts(pr)
}

// readPorts takes the ports for the flow.
func (n *Net) readPorts(pr *probe) {
	pr.flow = binary.BigEndian.Uint32(pr.data[:])
	if o := &pr.sock.opt; o.Ports == 0 || pr.flow>>16 < uint32(o.Port) || pr.flow>>16 >= uint32(o.Port)+uint32(o.Ports) {
		n.failure("a probe to %s leaves from port %d, which is not reserved", pr.to, pr.flow>>16)
	}
}

// verify checks the checksum that the sender has written.
func (n *Net) verify(pr *probe) {
	if pr.size <= room && pr.checksum() != 0 {
		n.failure("a wrong checksum in a probe to %s: % x", pr.to, pr.data[:pr.size])
	}
}

// checksum is the one over the probe: 0 where it holds the right one.
func (pr *probe) checksum() uint16 {
	return checksum(pr.data[:pr.size], pr.proto, self(pr.sock.opt.IPv6), pr.to)
}

// isICMP tells the two protocols of that name from the others.
func isICMP(proto uint8) bool { return proto == wire.ProtoICMP || proto == wire.ProtoICMPv6 }

// checksum is the one over a message, its own checksum field included. That of
// ICMP, alone, covers no addresses.
func checksum(b []byte, proto uint8, src, dst netip.Addr) uint16 {
	switch {
	case proto == wire.ProtoICMP:
		return wire.Checksum(b)
	case dst.Is4():
		return ^wire.Fold(wire.Sum(b, wire.Pseudo4(src.As4(), dst.As4(), proto, len(b))))
	}
	return ^wire.Fold(wire.Sum(b, wire.Pseudo6(src.As16(), dst.As16(), proto, len(b))))
}

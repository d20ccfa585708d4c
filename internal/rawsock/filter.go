// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"connmonitor/internal/wire"
)

// setFilter attaches a classic BPF program, before anything can arrive. Every
// raw ICMP socket of a network namespace gets a clone of every ICMP packet
// (measured: 0.3 us each), so what is not ours is stopped before it costs a
// buffer and a wake-up. Datagram and UDP sockets get only their own.
func (s *Socket) setFilter() error {
	if !s.opt.Kind.raw() {
		return nil
	}
	if s.opt.Kind == Raw && s.opt.IPv6 {
		if err := s.setTypeFilter(); err != nil {
			return err
		}
	}
	if err := attach(s.fd, s.program()); err != nil {
		return err
	}
	s.info.Filter = true
	return s.discardEarly()
}

func attach(fd int, prog []unix.SockFilter) error {
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// AcceptPorts lets a Raw socket take the ICMP errors too that quote a UDP or TCP
// probe from a port of the block, as those of RawUDP and RawTCP sockets.
func (s *Socket) AcceptPorts(first uint16, count int) error {
	s.opt.Port, s.opt.Ports = first, count
	return attach(s.fd, s.program())
}

func (s *Socket) program() []unix.SockFilter {
	switch {
	case s.opt.DontFragment, s.opt.Kind == RawUDP:
		return []unix.SockFilter{{Code: ret, K: 0}}
	case s.opt.Kind == RawTCP:
		return programTCP(s.opt)
	case s.opt.IPv6:
		return program6(s.opt)
	}
	return program4(s.opt)
}

// discardEarly reads away what arrived between socket(2) and the filter.
func (s *Socket) discardEarly() error {
	var b [1]byte
	for {
		if _, _, err := unix.Recvfrom(s.fd, b[:], unix.MSG_DONTWAIT); err != nil {
			return nil //nolint:nilerr // EAGAIN is the end that we wait for; any other error shows again at the first batch.
		}
	}
}

// setTypeFilter is ICMP6_FILTER (RFC 3542, 3.2): a set bit blocks the type.
func (s *Socket) setTypeFilter() error {
	var f unix.ICMPv6Filter
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	if !s.opt.DontFragment {
		for _, t := range []uint8{
			wire.Type6EchoReply, wire.Type6DestinationUnreachable, wire.Type6PacketTooBig,
			wire.Type6TimeExceeded, wire.Type6ParameterProblem,
		} {
			f.Data[t>>5] &^= 1 << (t & 31)
		}
	}
	if err := unix.SetsockoptICMPv6Filter(s.fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &f); err != nil {
		return fmt.Errorf("set ICMPv6 type filter: %w", err)
	}
	return nil
}

// program4 sees the IPv4 header first. It accepts echo replies with our
// identifier and, where the payload is long enough to hold it, our nonce; and
// errors that quote an ICMP datagram with our identifier, or a UDP or TCP one
// from a port of ours. A load beyond the packet's end rejects it.
func program4(o Options) []unix.SockFilter {
	const quoted = 8 // behind the header of the error
	p := program{
		{code: msh, k: 0}, // X = header length
		{code: ldb, k: 0}, // type
		{code: jeq, k: uint32(wire.TypeEchoReply), yes: "reply"},
		{code: jeq, k: uint32(wire.TypeDestinationUnreachable), yes: "error"},
		{code: jeq, k: uint32(wire.TypeTimeExceeded), yes: "error"},
		{code: jeq, k: uint32(wire.TypeParameterProblem), yes: "error", no: "reject"},
	}
	p = append(p, ownReply(o, instruction{code: subx})...)
	p = append(p,
		instruction{label: "error", code: ldb, k: quoted}, // length of the quoted header
		instruction{code: and, k: 0xf},
		instruction{code: lsh, k: 2},
		instruction{code: st, k: 0},
		instruction{code: ldb, k: quoted + 9}, // its protocol
		instruction{code: st, k: 1},
		instruction{code: ld, k: 0},
		instruction{code: addx},
		instruction{code: tax}, // X: of both headers, less that of the error
		instruction{code: ld, k: 1},
		instruction{code: jeq, k: unix.IPPROTO_ICMP, yes: "icmp"},
	)
	return append(p, ownQuote(o, quoted)...).assemble()
}

// program6 sees the ICMPv6 header first. Of quoted datagrams it knows the
// plain header and one fragment header, which our own kernel puts in when a
// payload is larger than the MTU.
func program6(o Options) []unix.SockFilter {
	const quoted = 8 + 40
	p := program{
		{code: ldx, k: 0},
		{code: ldb, k: 0}, // type; ICMP6_FILTER left five of them
		{code: jeq, k: uint32(wire.Type6EchoReply), yes: "reply", no: "error"},
	}
	p = append(p, ownReply(o)...)
	p = append(p,
		instruction{label: "error", code: ldb, k: 8 + 6}, // next header of the quoted datagram
		instruction{code: jeq, k: unix.IPPROTO_ICMPV6, yes: "icmp"},
		instruction{code: jeq, k: unix.IPPROTO_FRAGMENT, no: "ports"},
		instruction{code: ldb, k: quoted}, // next header of the fragment header
		instruction{code: jeq, k: unix.IPPROTO_ICMPV6, no: "reject"},
		instruction{code: ldx, k: 8},
		instruction{code: ja, yes: "icmp"},
	)
	return append(p, ownQuote(o, quoted)...).assemble()
}

// ownReply is the part at "reply", where X is what lies before the ICMP header;
// length makes the length of the packet that of the message.
func ownReply(o Options, length ...instruction) program {
	hi, lo := binary.BigEndian.Uint32(o.Nonce[:4]), binary.BigEndian.Uint32(o.Nonce[4:])
	p := program{
		{label: "reply", code: ldh, k: 4}, // identifier
		{code: jeq, k: uint32(o.ID), no: "reject"},
		{code: ldl},
	}
	p = append(p, length...)
	return append(p,
		instruction{code: jge, k: 8 + NonceRoom, no: "accept"}, // too short for a nonce
		instruction{code: ldw, k: 8},
		instruction{code: jeq, k: hi, no: "reject"},
		instruction{code: ldw, k: 12},
		instruction{code: jeq, k: lo, yes: "accept", no: "reject"},
	)
}

// ownQuote is the end of a program for ICMP errors. At "ports" A is the protocol
// of the quoted datagram, and its upper layer lies X and at bytes behind the
// beginning, as it does at "icmp".
func ownQuote(o Options, at uint32) program {
	var p program
	if o.Ports > 0 {
		p = program{
			{label: "ports", code: jeq, k: unix.IPPROTO_UDP, yes: "source"},
			{code: jeq, k: unix.IPPROTO_TCP, no: "reject"},
			{label: "source", code: ldh, k: at},
		}
		p = append(p, inBlock(o)...)
	} else {
		p = program{{label: "ports", code: ja, yes: "reject"}}
	}
	return append(p,
		instruction{label: "icmp", code: ldh, k: at + 4}, // quoted identifier
		instruction{code: jeq, k: uint32(o.ID), yes: "accept", no: "reject"},
	)
}

// programTCP sees the IPv4 header first, or the TCP header. It accepts what
// comes to a port of the block with SYN and ACK, or with RST.
func programTCP(o Options) []unix.SockFilter {
	p := program{{code: msh, k: 0}}
	if o.IPv6 {
		p = program{{code: ldx, k: 0}}
	}
	p = append(p,
		instruction{code: ldb, k: 13}, // the control bits
		instruction{code: and, k: uint32(wire.FlagSYN | wire.FlagRST)},
		instruction{code: jeq, k: 0, yes: "reject"},
		instruction{code: ldh, k: 2}, // destination port
	)
	return append(p, inBlock(o)...).assemble()
}

// inBlock ends a program by whether A is a port of the block.
func inBlock(o Options) program {
	return program{
		{code: jge, k: uint32(o.Port), no: "reject"},
		{code: jge, k: uint32(o.Port) + uint32(o.Ports), yes: "reject", no: "accept"},
	}
}

// NonceRoom is the number of payload bytes that an echo request needs to carry
// nonce, index and generation. Shorter payloads are matched by identifier,
// sequence and address alone.
const NonceRoom = 16

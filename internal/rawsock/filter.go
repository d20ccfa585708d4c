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
	if s.opt.Kind != Raw {
		return nil
	}
	if s.opt.IPv6 {
		if err := s.setTypeFilter(); err != nil {
			return err
		}
	}
	prog := s.program()
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	s.info.Filter = true
	return s.discardEarly()
}

func (s *Socket) program() []unix.SockFilter {
	switch {
	case s.opt.DontFragment:
		return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	case s.opt.IPv6:
		return program6(s.opt.ID, s.opt.Nonce)
	}
	return program4(s.opt.ID, s.opt.Nonce)
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

// The opcodes of the programs below, by what they do.
const (
	ldb  = unix.BPF_LD | unix.BPF_B | unix.BPF_IND // A = byte [X+k]
	ldh  = unix.BPF_LD | unix.BPF_H | unix.BPF_IND // A = half word [X+k]
	ldw  = unix.BPF_LD | unix.BPF_W | unix.BPF_IND // A = word [X+k]
	ldl  = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN // A = length of the packet
	msh  = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH
	ldx  = unix.BPF_LDX | unix.BPF_W | unix.BPF_IMM
	jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jge  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	ja   = unix.BPF_JMP | unix.BPF_JA
	and  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	lsh  = unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K
	addx = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X
	subx = unix.BPF_ALU | unix.BPF_SUB | unix.BPF_X
	tax  = unix.BPF_MISC | unix.BPF_TAX
	ret  = unix.BPF_RET | unix.BPF_K
)

const accept = 0xffff

// program4 sees the IPv4 header first. It accepts echo replies with our
// identifier and, where the payload is long enough to hold it, our nonce; and
// errors that quote an ICMP datagram with our identifier. A load beyond the
// packet's end rejects it.
func program4(id uint16, nonce [8]byte) []unix.SockFilter {
	hi, lo := binary.BigEndian.Uint32(nonce[:4]), binary.BigEndian.Uint32(nonce[4:])
	return []unix.SockFilter{
		/* 0*/ {Code: msh, K: 0}, // X = header length
		/* 1*/ {Code: ldb, K: 0}, // type
		/* 2*/ {Code: jeq, Jt: 4, Jf: 0, K: uint32(wire.TypeEchoReply)}, // -> 7
		/* 3*/ {Code: jeq, Jt: 12, Jf: 0, K: uint32(wire.TypeDestinationUnreachable)}, // -> 16
		/* 4*/ {Code: jeq, Jt: 11, Jf: 0, K: uint32(wire.TypeTimeExceeded)}, // -> 16
		/* 5*/ {Code: jeq, Jt: 10, Jf: 0, K: uint32(wire.TypeParameterProblem)}, // -> 16
		/* 6*/ {Code: ret, K: 0},
		/* 7*/ {Code: ldh, K: 4}, // identifier
		/* 8*/ {Code: jeq, Jt: 0, Jf: 17, K: uint32(id)}, // else -> 26
		/* 9*/ {Code: ldl},
		/*10*/ {Code: subx},
		/*11*/ {Code: jge, Jt: 0, Jf: 13, K: 8 + NonceRoom}, // too short for a nonce -> 25
		/*12*/ {Code: ldw, K: 8},
		/*13*/ {Code: jeq, Jt: 0, Jf: 12, K: hi}, // else -> 26
		/*14*/ {Code: ldw, K: 12},
		/*15*/ {Code: jeq, Jt: 9, Jf: 10, K: lo}, // -> 25, else -> 26
		/*16*/ {Code: ldb, K: 8 + 9}, // protocol of the quoted header
		/*17*/ {Code: jeq, Jt: 0, Jf: 8, K: unix.IPPROTO_ICMP}, // else -> 26
		/*18*/ {Code: ldb, K: 8}, // its length
		/*19*/ {Code: and, K: 0xf},
		/*20*/ {Code: lsh, K: 2},
		/*21*/ {Code: addx},
		/*22*/ {Code: tax},
		/*23*/ {Code: ldh, K: 8 + 4}, // quoted identifier
		/*24*/ {Code: jeq, Jt: 0, Jf: 1, K: uint32(id)}, // else -> 26
		/*25*/ {Code: ret, K: accept},
		/*26*/ {Code: ret, K: 0},
	}
}

// program6 sees the ICMPv6 header first. Of quoted datagrams it knows the
// plain header and one fragment header, which our own kernel puts in when a
// payload is larger than the MTU.
func program6(id uint16, nonce [8]byte) []unix.SockFilter {
	hi, lo := binary.BigEndian.Uint32(nonce[:4]), binary.BigEndian.Uint32(nonce[4:])
	return []unix.SockFilter{
		/* 0*/ {Code: ldx, K: 0},
		/* 1*/ {Code: ldb, K: 0}, // type; ICMP6_FILTER left five of them
		/* 2*/ {Code: jeq, Jt: 0, Jf: 8, K: uint32(wire.Type6EchoReply)}, // an error -> 11
		/* 3*/ {Code: ldh, K: 4},
		/* 4*/ {Code: jeq, Jt: 0, Jf: 15, K: uint32(id)}, // else -> 20
		/* 5*/ {Code: ldl},
		/* 6*/ {Code: jge, Jt: 0, Jf: 12, K: 8 + NonceRoom}, // -> 19
		/* 7*/ {Code: ldw, K: 8},
		/* 8*/ {Code: jeq, Jt: 0, Jf: 11, K: hi}, // else -> 20
		/* 9*/ {Code: ldw, K: 12},
		/*10*/ {Code: jeq, Jt: 8, Jf: 9, K: lo}, // -> 19, else -> 20
		/*11*/ {Code: ldb, K: 8 + 6}, // next header of the quoted datagram
		/*12*/ {Code: jeq, Jt: 4, Jf: 0, K: unix.IPPROTO_ICMPV6}, // -> 17
		/*13*/ {Code: jeq, Jt: 0, Jf: 6, K: unix.IPPROTO_FRAGMENT}, // else -> 20
		/*14*/ {Code: ldb, K: 8 + 40}, // next header of the fragment header
		/*15*/ {Code: jeq, Jt: 0, Jf: 4, K: unix.IPPROTO_ICMPV6}, // else -> 20
		/*16*/ {Code: ldx, K: 8},
		/*17*/ {Code: ldh, K: 8 + 40 + 4}, // quoted identifier
		/*18*/ {Code: jeq, Jt: 0, Jf: 1, K: uint32(id)}, // else -> 20
		/*19*/ {Code: ret, K: accept},
		/*20*/ {Code: ret, K: 0},
	}
}

// NonceRoom is the number of payload bytes that an echo request needs to carry
// nonce, index and generation. Shorter payloads are matched by identifier,
// sequence and address alone.
const NonceRoom = 16

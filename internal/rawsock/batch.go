// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batch is the number of messages of one system call. More gained nothing
// when it was measured: waking is what costs.
const Batch = 64

// HeadRoom is the number of bytes of a packet that differ from probe to probe:
// the echo or UDP header, nonce, index and generation, or a TCP header with its
// options. The rest of a payload is Fill.
const HeadRoom = 32

// joined is how much filler is copied behind a head: that costs less than to
// have the kernel gather a message from two places.
const joined = 96

// EchoRoom is what of it an echo request or a UDP datagram uses.
const EchoRoom = 8 + NonceRoom

const (
	controlRoom = 128  // bytes of control messages that one message needs at most
	reportRoom  = 256  // the same in the error queue: stamp, extended error and offender
	dataRoom    = 1536 // bytes that are read of a packet: an ICMPv6 error is 1280 at most
	// wholeRoom is dataRoom on Raw IPv4 sockets, where the checksum is for us to
	// verify, and on Datagram ones, which do not know MSG_TRUNC and so tell the
	// length of what was read only. What is never read into costs address space,
	// no memory; a power of two would put all beginnings into the same lines of
	// the processor's caches.
	wholeRoom = 1<<16 + 192
	maxFill   = 65507
)

// Packet is one message to be sent: an ICMP or ICMPv6 message, a UDP datagram
// or TCP segment (RawUDP, RawTCP), or the payload of a UDP datagram (UDP).
type Packet struct {
	To   Addr
	From Addr // source address; zero: the kernel chooses
	// Iface is the index of the interface to leave by; 0: the route decides.
	Iface int32
	Port  uint16 // destination port (UDP)
	TTL   uint8  // TTL or hop limit; 0: the default
	TOS   uint8  // type of service or traffic class octet (RFC 2474); 0: the default
	Stamp uint32 // the number that its transmit stamp will carry
	Len   uint8  // bytes of Head in use
	Fill  uint16 // bytes of filler that follow Head
	Head  [HeadRoom]byte
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   uint32
}

// sendBatch holds the preallocated arrays of sendmmsg. They point at each
// other once and for all; a send only fills in what differs.
type sendBatch struct {
	msgs    [Batch]mmsghdr
	iovs    [Batch][2]unix.Iovec
	names   [Batch]unix.RawSockaddrInet6 // an IPv4 name needs less room
	heads   [Batch][HeadRoom + joined]byte
	control [Batch][controlRoom]byte
	fill    []byte
	v6      bool
}

// prepare links the arrays. The filler is one array that all messages share:
// byte i is i modulo 256, as ping(8) does, and Filler tells its checksum.
func (b *sendBatch) prepare(v6 bool) {
	b.v6 = v6
	b.fill = make([]byte, maxFill)
	for i := range b.fill {
		b.fill[i] = byte(i)
	}
	for i := range b.msgs {
		h := &b.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Namelen = unix.SizeofSockaddrInet4
		if v6 {
			h.Namelen = unix.SizeofSockaddrInet6
		}
		h.Iov = &b.iovs[i][0]
		b.iovs[i][0].Base = &b.heads[i][0]
		b.iovs[i][1].Base = &b.fill[0]
	}
}

// Send sends up to Batch packets by one call of sendmmsg(2). It returns how
// many were sent; when that is fewer than len(ps), the next one was refused
// with err. The caller decides what becomes of that one (Transient) and goes
// on behind it.
func (s *Socket) Send(ps []Packet) (int, error) {
	n := min(len(ps), Batch)
	for i := range n {
		s.fillMessage(i, &ps[i])
	}
	r, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.out),
		uintptr(unsafe.Pointer(&s.send.msgs[0])), uintptr(n), 0, 0, 0)
	if e != 0 {
		s.numbered(0, e != unix.EAGAIN)
		return 0, e
	}
	s.numbered(int(r), int(r) < n)
	return int(r), nil
}

func (s *Socket) fillMessage(i int, p *Packet) {
	b := &s.send
	b.name(i, p)
	h := &b.msgs[i].hdr
	h.SetIovlen(b.gather(i, p))
	c := &b.control[i]
	n := 0
	if s.ids {
		n = putInt(c[:], n, unix.SOL_SOCKET, scmTSOptID, p.Stamp)
	} else if s.info.Stamps {
		s.number(i, p.Stamp)
	}
	n = b.options(c[:], n, p)
	h.SetControllen(n)
	h.Control = nil
	if n > 0 {
		h.Control = &c[0]
	}
}

// gather lays out the bytes of a message and returns in how many pieces.
func (b *sendBatch) gather(i int, p *Packet) int {
	n := copy(b.heads[i][:], p.Head[:p.Len])
	if p.Fill <= joined {
		n += copy(b.heads[i][n:], b.fill[:p.Fill])
		b.iovs[i][0].SetLen(n)
		return 1
	}
	b.iovs[i][0].SetLen(n)
	b.iovs[i][1].SetLen(int(p.Fill))
	return 2
}

// name writes the destination as a sockaddr_in or sockaddr_in6.
func (b *sendBatch) name(i int, p *Packet) {
	if b.v6 {
		a := &b.names[i]
		a.Family, a.Addr, a.Scope_id = unix.AF_INET6, p.To.IP, p.To.Zone
		a.Port = bigEndian(p.Port)
		return
	}
	a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&b.names[i]))
	a.Family, a.Addr = unix.AF_INET, [4]byte(p.To.IP[:4])
	a.Port = bigEndian(p.Port)
}

func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// options writes the control messages that make one message differ from the
// socket's defaults, so that one socket serves all targets.
func (b *sendBatch) options(c []byte, n int, p *Packet) int {
	level, ttl, tos := int32(unix.SOL_IP), int32(unix.IP_TTL), int32(unix.IP_TOS)
	if b.v6 {
		level, ttl, tos = unix.SOL_IPV6, unix.IPV6_HOPLIMIT, unix.IPV6_TCLASS
	}
	if p.TTL != 0 {
		n = putInt(c, n, level, ttl, uint32(p.TTL))
	}
	if p.TOS != 0 {
		n = putInt(c, n, level, tos, uint32(p.TOS))
	}
	if p.Iface == 0 && p.From.IsZero() {
		return n
	}
	if b.v6 {
		return putPktinfo6(c, n, p)
	}
	return putPktinfo4(c, n, p)
}

const cmsgHeader = unix.SizeofCmsghdr

func cmsgAlign(n int) int { return (n + 7) &^ 7 }

// putHeader writes a struct cmsghdr at n and returns where the data begins.
func putHeader(c []byte, n int, level, typ int32, size int) int {
	binary.NativeEndian.PutUint64(c[n:], uint64(cmsgHeader+size))
	binary.NativeEndian.PutUint32(c[n+8:], uint32(level))
	binary.NativeEndian.PutUint32(c[n+12:], uint32(typ))
	return n + cmsgHeader
}

func putInt(c []byte, n int, level, typ int32, v uint32) int {
	d := putHeader(c, n, level, typ, 4)
	binary.NativeEndian.PutUint32(c[d:], v)
	return d + cmsgAlign(4)
}

// putPktinfo4 writes struct in_pktinfo: ifindex, source, (unused) destination.
func putPktinfo4(c []byte, n int, p *Packet) int {
	d := putHeader(c, n, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
	binary.NativeEndian.PutUint32(c[d:], uint32(p.Iface))
	copy(c[d+4:], p.From.IP[:4])
	clear(c[d+8 : d+12])
	return d + cmsgAlign(unix.SizeofInet4Pktinfo)
}

// putPktinfo6 writes struct in6_pktinfo (RFC 3542, 6.2).
func putPktinfo6(c []byte, n int, p *Packet) int {
	d := putHeader(c, n, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	copy(c[d:], p.From.IP[:])
	binary.NativeEndian.PutUint32(c[d+16:], uint32(p.Iface))
	return d + cmsgAlign(unix.SizeofInet6Pktinfo)
}

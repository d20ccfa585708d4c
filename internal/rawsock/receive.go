// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"iter"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Message is one received packet. Data begins with the IPv4 header on a Raw or
// RawTCP IPv4 socket, else with the ICMP or TCP header (UDP: with the payload).
type Message struct {
	From  Addr
	To    Addr  // our address that it came to (raw IPv6 sockets only; in IPv4 the header tells)
	Stamp int64 // the kernel's receive stamp, ns of CLOCK_REALTIME; 0 when there was none
	Len   int   // length of the packet, which Data may hold only the beginning of
	TTL   uint8 // TTL or hop limit of the reply, 0 when unknown (raw IPv4 sockets: it is in the header)
	Data  []byte
}

// Origin tells what an entry of the error queue is about.
type Origin uint8

// The origins that matter here (struct sock_extended_err, recvmsg(2)).
const (
	OriginOther    Origin = iota
	OriginTransmit        // a transmit time stamp
	OriginICMP            // an ICMP or ICMPv6 error
)

// Report is one entry of the error queue.
type Report struct {
	Origin Origin
	Stamp  int64         // OriginTransmit: of the transmission; OriginICMP: of the reception; 0: none
	ID     uint32        // OriginTransmit: the packet's Stamp number
	Errno  syscall.Errno // what a send would return
	Type   uint8         // OriginICMP: type and code of the error
	Code   uint8
	MTU    uint32 // OriginICMP: next-hop MTU of "fragmentation needed" and "packet too big"
	From   Addr   // OriginICMP: who sent the error
	At     Addr   // OriginICMP, not on Raw IPv4: our address that it came to; of our own errors, From
	TTL    uint8  // OriginICMP: TTL or hop limit that the error arrived with; 0: unknown
	To     Addr   // OriginICMP: destination of the packet that caused it
	Port   uint16 // its destination port (UDP)
	Data   []byte // the quoted datagram from its ICMP header (UDP: from its payload)
}

// recvBatch holds the preallocated arrays of recvmmsg.
type recvBatch struct {
	msgs    [Batch]mmsghdr
	iovs    [Batch]unix.Iovec
	names   [Batch]unix.RawSockaddrInet6
	control [Batch][reportRoom]byte
	data    []byte
	room    int // bytes of data of one message
}

// prepare links the arrays. Where the names are not needed, or nothing of the data
// is, the kernel need not copy them.
func (b *recvBatch) prepare(room int, names bool) {
	b.room = room
	b.data = make([]byte, Batch*room)
	for i := range b.msgs {
		h := &b.msgs[i].hdr
		if room > 0 {
			b.iovs[i].Base = &b.data[i*room]
			b.iovs[i].SetLen(room)
			h.Iov = &b.iovs[i]
			h.SetIovlen(1)
		}
		if names {
			h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		}
		h.Control = &b.control[i][0]
	}
}

// read is one recvmmsg(2). The kernel overwrites the lengths, so they are
// filled in anew each time. MSG_TRUNC as a flag makes it tell the real length
// of a packet that is longer than our buffer.
func (b *recvBatch) read(fd, most, flags int) (int, error) {
	for i := range most {
		h := &b.msgs[i].hdr
		if h.Name != nil {
			h.Namelen = unix.SizeofSockaddrInet6
		}
		h.SetControllen(reportRoom)
	}
	r, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[0])),
		uintptr(most), uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_TRUNC), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// Receive reads up to len(ms) packets, Batch at most, without waiting. It
// returns 0 and nil when there are none. Data points into buffers that the
// next Receive writes over.
//
// An asynchronous error that an ICMP error left on the socket comes out of the
// call in place of the packets; it is nobody's here, for the error's packet
// itself is read too, so the call is made again.
func (s *Socket) Receive(ms []Message) (int, error) {
	b := &s.recv
	most := min(len(ms), Batch)
	n, err := b.read(s.fd, most, 0)
	for try := 0; err != nil && err != unix.EAGAIN && try < Batch; try++ { //nolint:errorlint // read returns a bare Errno.
		n, err = b.read(s.fd, most, 0)
	}
	if err != nil {
		if Transient(err) {
			return 0, nil
		}
		return 0, err
	}
	for i := range n {
		s.message(&ms[i], i)
		s.charge(packetCharge + byteCharge*ms[i].Len)
	}
	return n, nil
}

func (s *Socket) message(m *Message, i int) {
	b := &s.recv
	m.Len = int(b.msgs[i].n)
	m.Data = b.packet(i)
	if m.From = b.name(i, s.opt.IPv6); s.headed() {
		m.From = sourceOf(m.Data)
	}
	m.Stamp, m.TTL, m.To = 0, 0, Addr{}
	for c := range b.controls(i) {
		switch {
		case c.level == unix.SOL_SOCKET && c.typ == unix.SCM_TIMESTAMPING:
			m.Stamp = timespec(c.data)
		case c.level == unix.SOL_IP && c.typ == unix.IP_TTL, c.level == unix.SOL_IPV6 && c.typ == unix.IPV6_HOPLIMIT:
			m.TTL = hopLimit(c.data)
		case c.level == unix.SOL_IPV6 && c.typ == unix.IPV6_PKTINFO:
			if len(c.data) >= unix.SizeofInet6Pktinfo {
				copy(m.To.IP[:], c.data)
				m.To.Zone = m.From.Zone
			}
		}
	}
}

// hopLimit is the TTL or hop limit in a control message; 0 where it is cut.
func hopLimit(data []byte) uint8 {
	if len(data) < 4 {
		return 0
	}
	return uint8(binary.NativeEndian.Uint32(data))
}

// headed reports whether received packets begin with their IPv4 header, in which
// their source is.
func (s *Socket) headed() bool { return s.opt.Kind.raw() && !s.opt.IPv6 }

// sourceOf is the source in an IPv4 header, as far as one is there.
func sourceOf(packet []byte) (a Addr) {
	if len(packet) >= 16 {
		copy(a.IP[:4], packet[12:])
	}
	return a
}

// Reports reads up to len(rs) entries of the error queue, Batch at most,
// without waiting; 0 and nil when it is empty. It must be drained every tick:
// its entries count against the receive buffer.
func (s *Socket) Reports(rs []Report) (int, error) {
	early := copy(rs, s.early)
	s.early = slices.Delete(s.early, 0, early)
	if early == len(rs) {
		return early, nil
	}
	n, err := s.readReports(rs[early:])
	return early + n, err
}

func (s *Socket) readReports(rs []Report) (int, error) {
	b := &s.errs
	n, err := b.read(s.out, min(len(rs), Batch), unix.MSG_ERRQUEUE)
	if err != nil {
		if Transient(err) {
			return 0, nil
		}
		return 0, err
	}
	for i := range n {
		s.report(&rs[i], i)
		if rs[i].Origin == OriginTransmit {
			s.charge(stampCharge)
		} else {
			s.charge(packetCharge + byteCharge*int(b.msgs[i].n))
		}
	}
	return n, nil
}

func (s *Socket) report(r *Report, i int) {
	b := &s.errs
	*r = Report{To: b.name(i, s.opt.IPv6), Port: b.port(i)}
	r.Data = b.packet(i)
	for c := range b.controls(i) {
		switch {
		case c.level == unix.SOL_SOCKET && c.typ == unix.SCM_TIMESTAMPING:
			r.Stamp = timespec(c.data)
		case c.level == unix.SOL_IP && c.typ == unix.IP_RECVERR, c.level == unix.SOL_IPV6 && c.typ == unix.IPV6_RECVERR:
			s.extendedError(r, c.data)
		case c.level == unix.SOL_IP && c.typ == unix.IP_TTL, c.level == unix.SOL_IPV6 && c.typ == unix.IPV6_HOPLIMIT:
			r.TTL = hopLimit(c.data)
		case c.level == unix.SOL_IP && c.typ == unix.IP_PKTINFO && len(c.data) >= unix.SizeofInet4Pktinfo:
			copy(r.At.IP[:4], c.data[8:])
		case c.level == unix.SOL_IPV6 && c.typ == unix.IPV6_PKTINFO && len(c.data) >= unix.SizeofInet6Pktinfo:
			copy(r.At.IP[:], c.data)
		}
	}
}

// extendedError parses struct sock_extended_err and the offender's name
// behind it:
//
//	u32 errno | u8 origin | u8 type | u8 code | u8 pad | u32 info | u32 data | sockaddr
func (s *Socket) extendedError(r *Report, d []byte) {
	const size, originICMP, originICMP6, originTimestamping = 16, 2, 3, 4
	if len(d) < size {
		return
	}
	r.Errno = syscall.Errno(binary.NativeEndian.Uint32(d))
	switch d[4] {
	case originTimestamping:
		r.Origin = OriginTransmit
		r.ID = s.stampID(binary.NativeEndian.Uint32(d[12:]))
	case originICMP, originICMP6:
		r.Origin = OriginICMP
		r.Type, r.Code = d[5], d[6]
		r.MTU = binary.NativeEndian.Uint32(d[8:])
		r.From = offender(d[size:], s.opt.IPv6)
	}
}

// offender parses the sockaddr of who sent the error.
func offender(d []byte, v6 bool) Addr {
	var a Addr
	switch {
	case v6 && len(d) >= unix.SizeofSockaddrInet6:
		copy(a.IP[:], d[8:24])
		a.Zone = binary.NativeEndian.Uint32(d[24:])
	case !v6 && len(d) >= unix.SizeofSockaddrInet4:
		copy(a.IP[:4], d[4:8])
	}
	return a
}

// packet is what was read of the i-th packet.
func (b *recvBatch) packet(i int) []byte {
	return b.data[i*b.room:][:min(int(b.msgs[i].n), b.room)]
}

func (b *recvBatch) name(i int, v6 bool) Addr {
	var a Addr
	n := &b.names[i]
	if v6 {
		a.IP, a.Zone = n.Addr, n.Scope_id
		return a
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
	copy(a.IP[:4], v4.Addr[:])
	return a
}

func (b *recvBatch) port(i int) uint16 { return bigEndian(b.names[i].Port) }

// control is one control message.
type control struct {
	level, typ int32
	data       []byte
}

// controls walks the control messages of message i. The kernel wrote them, but
// they are bounded like anything else.
func (b *recvBatch) controls(i int) iter.Seq[control] {
	c := b.control[i][:min(int(b.msgs[i].hdr.Controllen), reportRoom)]
	return func(yield func(control) bool) {
		for len(c) >= cmsgHeader {
			n := int(binary.NativeEndian.Uint64(c))
			if n < cmsgHeader || n > len(c) {
				return
			}
			level, typ := int32(binary.NativeEndian.Uint32(c[8:])), int32(binary.NativeEndian.Uint32(c[12:]))
			if !yield(control{level, typ, c[cmsgHeader:n]}) {
				return
			}
			c = c[min(cmsgAlign(n), len(c)):]
		}
	}
}

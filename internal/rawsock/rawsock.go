// SPDX-License-Identifier: Apache-2.0

// Package rawsock is the only room with system calls for probes: Linux sockets
// that send and receive ICMP, ICMPv6 and UDP probes in batches, with the
// kernel's transmit and receive time stamps, a filter in the kernel, the error
// queue and the count of what the kernel dropped.
//
// It moves bytes and says what the kernel said of them; it neither parses nor
// matches (wire, prober). Three kinds of socket carry the same measurements
// with falling privilege: raw(7), ICMP datagram sockets (net.ipv4.ping_group_range,
// see icmp(7)) and UDP with IP_RECVERR. Nothing here blocks: every call is made
// on a non-blocking descriptor by the one goroutine that owns the socket.
package rawsock

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Kind is the kind of a socket; see the package comment.
type Kind uint8

// The kinds of a main socket, in the order of preference, and those beside it,
// for traces by other packets than ICMP.
const (
	Raw      Kind = iota // SOCK_RAW: needs CAP_NET_RAW
	Datagram             // SOCK_DGRAM of ICMP: the kernel owns the identifier
	UDP                  // UDP probes and the error queue: traces only
	RawUDP               // SOCK_RAW of UDP: sends only, the main socket gets the errors
	RawTCP               // SOCK_RAW of TCP: sends SYNs and gets what answers them
)

// String names the kind as it is shown to users.
func (k Kind) String() string {
	return [...]string{"raw ICMP", "datagram ICMP", "UDP", "raw UDP", "raw TCP"}[k]
}

// raw reports whether packets are sent with headers that we wrote.
func (k Kind) raw() bool { return k == Raw || k == RawUDP || k == RawTCP }

// Options tell what socket to open.
type Options struct {
	IPv6 bool
	Kind Kind
	// ID is the identifier of our echo requests, which a Raw socket's filter
	// lets pass; the kernel chooses it for a Datagram socket.
	ID uint16
	// Nonce is the beginning of the payload of every echo request that has
	// room for it; the filter of a Raw socket insists on it.
	Nonce [8]byte
	// DontFragment makes a send-only socket whose packets are never
	// fragmented. It is one of its own because IP_MTU_DISCOVER is no
	// control message; what it elicits arrives at the main socket.
	DontFragment bool
	// Port is the first of a block of Ports local ports (ReservePorts) that UDP and
	// TCP probes are sent from: what answers them is let through.
	Port  uint16
	Ports int
	// Buffer is the wanted size of the receive buffer in bytes, as the kernel
	// accounts it (about 830 bytes a small reply); 0 leaves the default.
	Buffer int
}

// Socket is one open socket. Its methods are for one goroutine, but for Info.
type Socket struct {
	fd      int // receives
	out     int // sends, and has the error queue; fd itself where one does both
	opt     Options
	info    Info
	send    sendBatch
	recv    recvBatch
	errs    recvBatch
	drops   Drops
	counted uint32 // the kernel's counter when Drops last looked
	taken   int    // bytes out of the buffer since then, see charge
	ids     bool   // the kernel takes a stamp number a message (SCM_TS_OPT_ID, Linux 6.13)

	// Without ids:
	next  uint32   // the number that the kernel will give next
	ring  []uint32 // the caller's number by the kernel's
	early []Report // what was read before numbering began anew
}

// Info is what became of the options, for the account the program gives of
// itself.
type Info struct {
	Kind    Kind
	IPv6    bool
	ID      uint16 // the identifier in use, by choice of the kernel on Datagram
	Buffer  int    // granted receive buffer in bytes, as SO_RCVBUF reads it back
	Replies int    // how many small replies that buffer holds
	Filter  bool   // a filter in the kernel keeps out what is not ours
	Stamps  bool   // the kernel stamps transmission and reception
}

// replyCost is what the kernel charges a receive buffer for one small ICMP
// reply: measured, the default buffer of 212,992 bytes holds 256.
const replyCost = 832

// Open opens a socket of the kind and family asked for. It returns an error
// that wraps EPERM or EACCES when the privilege for that kind is missing.
func Open(o Options) (*Socket, error) {
	s := &Socket{opt: o}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open %s socket (%s): %w", o.Kind, FamilyName(o.IPv6), err)
	}
	if err := s.configure(); err != nil {
		return nil, errors.Join(fmt.Errorf("set up %s socket (%s): %w", o.Kind, FamilyName(o.IPv6), err), s.Close())
	}
	s.send.prepare(o.IPv6)
	room := wholeRoom
	if o.Kind == UDP || o.Kind == RawTCP || o.Kind == Raw && o.IPv6 {
		room = dataRoom
	}
	s.recv.prepare(room, !s.headed())
	if o.Kind.raw() {
		s.errs.prepare(0, false) // transmit stamps alone
	} else {
		s.errs.prepare(dataRoom, true)
	}
	return s, nil
}

// Close closes the socket.
func (s *Socket) Close() error {
	err := unix.Close(s.fd)
	if s.out != s.fd {
		err = errors.Join(err, unix.Close(s.out))
	}
	return err
}

// Info tells what became of the options.
func (s *Socket) Info() Info { return s.info }

// FamilyName names an address family as it is shown to users.
func FamilyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

func (s *Socket) open() (err error) {
	s.fd, err = s.descriptor()
	s.out = s.fd
	return err
}

func (s *Socket) descriptor() (int, error) {
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if s.opt.IPv6 {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	typ := unix.SOCK_RAW
	switch s.opt.Kind {
	case Datagram:
		typ = unix.SOCK_DGRAM
	case UDP:
		typ, proto = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	case RawUDP:
		proto = unix.IPPROTO_UDP
	case RawTCP:
		proto = unix.IPPROTO_TCP
	}
	return unix.Socket(domain, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
}

func (s *Socket) configure() error {
	s.info = Info{Kind: s.opt.Kind, IPv6: s.opt.IPv6, ID: s.opt.ID}
	for _, step := range []func() error{s.setFilter, s.bind, s.separate, s.setErrorQueue, s.setFragmentation, s.setAncillary} {
		if err := step(); err != nil {
			return err
		}
	}
	s.setBuffers()
	s.setStamps()
	return nil
}

// bind lets the kernel choose the identifier (Datagram) or the source port
// (UDP) now, so that it is known before the first probe and stays.
func (s *Socket) bind() error {
	if s.opt.Kind.raw() {
		return nil
	}
	var any unix.Sockaddr = &unix.SockaddrInet4{}
	if s.opt.IPv6 {
		any = &unix.SockaddrInet6{}
	}
	if err := unix.Bind(s.fd, any); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return fmt.Errorf("read the bound name: %w", err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		s.info.ID = uint16(a.Port)
	case *unix.SockaddrInet6:
		s.info.ID = uint16(a.Port)
	}
	return nil
}

// separate makes a socket of its own for what a Raw or RawTCP one sends. A raw
// socket with IP_RECVERR (setErrorQueue) gets a second copy of every ICMP error
// that one of its packets may have elicited, in its error queue, and an error
// that fails its next call, of whichever direction: of the calls that send a
// batch of trace probes half were cut short by what the first of them had
// elicited. The socket that sends hears of nothing.
func (s *Socket) separate() (err error) {
	switch {
	case s.opt.Kind == Raw && !s.opt.DontFragment, s.opt.Kind == RawTCP:
		if s.out, err = s.descriptor(); err != nil {
			s.out = s.fd // which alone is to be closed
			return err
		}
	case !s.opt.Kind.raw():
		return nil
	}
	return s.deafen()
}

// deafen lets the socket that sends receive nothing. It is bound to the address
// of a group that can have no members (224.0.0.0, RFC 1112, 4; ff0e::, RFC 4291,
// 2.7.1): what the kernel looks up by a destination or a source of ours never is
// it, and from a group nothing is sent, so that the route chooses the source as
// if it were not bound. The filter is for what else there might be.
func (s *Socket) deafen() error {
	var group unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{224}}
	if s.opt.IPv6 {
		group = &unix.SockaddrInet6{Addr: [16]byte{0xff, 0x0e}}
	}
	if err := attach(s.out, []unix.SockFilter{{Code: ret, K: 0}}); err != nil {
		return err
	}
	if err := unix.Bind(s.out, group); err != nil {
		return fmt.Errorf("bind to a group: %w", err)
	}
	return nil
}

// setErrorQueue asks for errors by the error queue. Without it a packet that
// our own queueing discipline drops looks sent: with it the kernel says
// ENOBUFS. On Datagram and UDP sockets it is also the only way to see who sent
// an ICMP error.
func (s *Socket) setErrorQueue() error {
	if s.opt.IPv6 {
		return unix.SetsockoptInt(s.out, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	}
	return unix.SetsockoptInt(s.out, unix.SOL_IP, unix.IP_RECVERR, 1)
}

// setFragmentation: Don't Fragment is on by default for IPv4, and the contract
// says that pings may be fragmented, here too.
func (s *Socket) setFragmentation() error {
	if s.opt.IPv6 {
		how := unix.IPV6_PMTUDISC_DONT
		if s.opt.DontFragment {
			how = unix.IPV6_PMTUDISC_PROBE
			if err := unix.SetsockoptInt(s.out, unix.SOL_IPV6, unix.IPV6_DONTFRAG, 1); err != nil {
				return fmt.Errorf("set Don't Fragment: %w", err)
			}
		}
		return unix.SetsockoptInt(s.out, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, how)
	}
	how := unix.IP_PMTUDISC_DONT
	if s.opt.DontFragment {
		// PROBE sets DF without believing the cached path MTU: the probe is
		// what finds it out.
		how = unix.IP_PMTUDISC_PROBE
	}
	return unix.SetsockoptInt(s.out, unix.SOL_IP, unix.IP_MTU_DISCOVER, how)
}

// setAncillary asks for what the header would tell where it does not come with
// a packet: the TTL, and our address that it came to.
func (s *Socket) setAncillary() error {
	if !s.opt.IPv6 {
		if s.opt.Kind.raw() {
			return nil
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_PKTINFO, 1); err != nil {
			return err
		}
		return unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_RECVTTL, 1)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1); err != nil {
		return err
	}
	return unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
}

// setBuffers enlarges the buffers as far as our privilege goes
// (SO_RCVBUFFORCE needs CAP_NET_ADMIN, SO_RCVBUF stops at net.core.rmem_max)
// and reads back what was granted: the tick of the loop is bounded by it.
func (s *Socket) setBuffers() {
	if s.opt.Buffer > 0 {
		enlarge(s.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, s.opt.Buffer)
		enlarge(s.out, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, s.opt.Buffer)
		if s.out != s.fd {
			enlarge(s.out, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, s.opt.Buffer) // of transmit stamps
		}
	}
	s.info.Buffer, _ = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	s.info.Replies = s.info.Buffer / replyCost
}

func enlarge(fd, force, ask, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ask, size)
	}
}

// Transient reports whether err says "not now" rather than "not this packet":
// the send buffer is full for the moment.
func Transient(err error) bool {
	return errors.Is(err, syscall.EAGAIN)
}

// Denied reports whether err is a lack of privilege to open a socket.
func Denied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

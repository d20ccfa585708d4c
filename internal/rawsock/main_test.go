// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/wire"
)

func TestMain(m *testing.M) {
	netlab.Enter()
	goleak.VerifyTestMain(m)
}

// hang is how long a test waits for what must come; it only catches hangs.
const hang = 20 * time.Second

// nonce is the nonce of the sockets under test.
var nonce = [8]byte{'c', 'o', 'n', 'n', 'm', 'o', 'n', 1}

const ourID = 0x4321

// families runs a test for both address families, with a host of the farm.
func families(t *testing.T, top *netlab.Topology, test func(t *testing.T, v6 bool, to netip.Addr)) {
	t.Helper()
	t.Run("IPv4", func(t *testing.T) { test(t, false, top.Host4(1)) })
	t.Run("IPv6", func(t *testing.T) { test(t, true, top.Host6(1)) })
}

// open opens a socket in a node; it is closed when the test ends.
func open(t testing.TB, n *netlab.Node, o Options) *Socket {
	t.Helper()
	o.ID, o.Nonce = ourID, nonce
	var s *Socket
	var err error
	n.Do(func() { s, err = Open(o) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// countBySelf makes the socket one of a kernel before 6.13, which numbers the
// transmit stamps itself.
func countBySelf(s *Socket) {
	s.ids = false
	s.ring = make([]uint32, stampRing)
}

func addr(t testing.TB, a netip.Addr) Addr {
	t.Helper()
	r, err := AddrFrom(a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// probe makes an echo request with our nonce, and fill bytes behind it; on a
// UDP socket only nonce and room.
func probe(t testing.TB, s *Socket, to netip.Addr, seq uint16, fill int) Packet {
	t.Helper()
	p := Packet{To: addr(t, to), Stamp: 1000 + uint32(seq), Fill: uint16(fill)}
	if s.info.Kind == UDP {
		copy(p.Head[:], nonce[:])
		p.Len, p.Port = NonceRoom, 33434
		return p
	}
	p.Len = EchoRoom
	copy(p.Head[:], echo(to.Is6(), true, s.info.ID, seq, nonce[:]))
	if !to.Is6() {
		all := slices.Concat(p.Head[:], s.send.fill[:fill])
		binary.BigEndian.PutUint16(p.Head[2:], 0)
		binary.BigEndian.PutUint16(all[2:], 0)
		binary.BigEndian.PutUint16(p.Head[2:], wire.Checksum(all))
	}
	return p
}

// echo is an echo request or reply with a checksum for IPv4.
func echo(v6, request bool, id, seq uint16, payload []byte) []byte {
	typ := wire.TypeEchoReply
	switch {
	case v6 && request:
		typ = wire.Type6EchoRequest
	case v6:
		typ = wire.Type6EchoReply
	case request:
		typ = wire.TypeEchoRequest
	}
	b := append(wire.AppendEcho(nil, wire.Echo{Type: typ, ID: id, Seq: seq}), payload...)
	binary.BigEndian.PutUint16(b[2:], wire.Checksum(b))
	return b
}

// send sends packets, of which none may be refused.
func send(t testing.TB, s *Socket, ps ...Packet) {
	t.Helper()
	if n, err := s.Send(ps); err != nil || n != len(ps) {
		t.Fatalf("sent %d of %d: %v", n, len(ps), err)
	}
}

// collector keeps what came to a socket.
type collector struct {
	t        *testing.T
	s        *Socket
	messages []Message
	reports  []Report
}

func collect(t *testing.T, s *Socket) *collector { return &collector{t: t, s: s} }

// until reads until done is true.
func (c *collector) until(what string, done func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(hang); ; {
		c.read()
		if done() {
			return
		}
		left := time.Until(deadline)
		if left <= 0 {
			c.t.Fatalf("%s did not come; %d messages, %d stamps and %d errors did",
				what, len(c.messages), len(c.of(OriginTransmit)), len(c.of(OriginICMP)))
		}
		wait(left, c.s.fd, c.s.out)
	}
}

func wait(most time.Duration, fds ...int) {
	var polled []unix.PollFd
	for _, fd := range fds {
		polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	_, _ = unix.Poll(polled, int(most/time.Millisecond)+1)
}

// read drains the error queue and the socket, and keeps copies.
func (c *collector) read() {
	c.t.Helper()
	rs := make([]Report, Batch)
	n, err := c.s.Reports(rs)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range rs[:n] {
		r.Data = slices.Clone(r.Data)
		c.reports = append(c.reports, r)
	}
	ms := make([]Message, Batch)
	n, err = c.s.Receive(ms)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range ms[:n] {
		m.Data = slices.Clone(m.Data)
		c.messages = append(c.messages, m)
	}
}

// received waits for n messages.
func (c *collector) received(n int) []Message {
	c.t.Helper()
	c.until("messages", func() bool { return len(c.messages) >= n })
	return c.messages
}

// of lists the reports of one origin.
func (c *collector) of(o Origin) []Report {
	var rs []Report
	for _, r := range c.reports {
		if r.Origin == o {
			rs = append(rs, r)
		}
	}
	return rs
}

// reported waits for n reports of one origin.
func (c *collector) reported(o Origin, n int) []Report {
	c.t.Helper()
	c.until("reports", func() bool { return len(c.of(o)) >= n })
	return c.of(o)
}

// icmp is the ICMP message of m.
func (c *collector) icmp(m Message) []byte {
	c.t.Helper()
	if c.s.opt.IPv6 || c.s.info.Kind != Raw {
		return m.Data
	}
	_, b, ok := wire.ParseIPv4(m.Data)
	if !ok {
		c.t.Fatalf("no IPv4 header: %x", m.Data)
	}
	return b
}

// seqs lists the sequences of the echo replies that came.
func (c *collector) seqs() []uint16 {
	var seqs []uint16
	for _, m := range c.messages {
		seqs = append(seqs, binary.BigEndian.Uint16(c.icmp(m)[6:]))
	}
	return seqs
}

// tap sees the packets, from their IP headers on, that come to a node.
type tap struct {
	t  *testing.T
	fd int
}

func listen(t *testing.T, e *netlab.Endpoint) *tap {
	t.Helper()
	w := &tap{t: t, fd: e.PacketSocket()}
	t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

// next returns the next packet that came to the node and is wanted.
func (w *tap) next(wanted func(p []byte) bool) []byte {
	w.t.Helper()
	b := make([]byte, 1<<16)
	for deadline := time.Now().Add(hang); ; {
		n, from, err := unix.Recvfrom(w.fd, b, 0)
		if errors.Is(err, unix.EAGAIN) {
			left := time.Until(deadline)
			if left <= 0 {
				w.t.Fatal("the packet did not come")
			}
			wait(left, w.fd)
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype == unix.PACKET_HOST && wanted(b[:n]) {
			return slices.Clone(b[:n])
		}
	}
}

// isEcho wants echo requests, or first fragments of them, of a family.
func isEcho(v6 bool) func(p []byte) bool {
	return func(p []byte) bool {
		if !v6 {
			h, b, ok := wire.ParseIPv4(p)
			return ok && h.Protocol == wire.ProtoICMP && h.FragOff == 0 && len(b) > 0 && b[0] == wire.TypeEchoRequest
		}
		_, proto, b, ok := wire.ParseIPv6(p)
		return ok && proto == wire.ProtoICMPv6 && len(b) > 0 && b[0] == wire.Type6EchoRequest
	}
}

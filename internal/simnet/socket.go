// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"syscall"

	"connmonitor/internal/rawsock"
)

// socket is one simulated socket.
type socket struct {
	net      *Net
	opt      rawsock.Options
	info     rawsock.Info
	messages ring
	reports  ring
	lent     []*packet // whose bytes the last Receive handed out
	lentErrs []*packet
	drops    uint32
	closed   bool
	pending  syscall.Errno // an asynchronous error that the next send returns
}

// Info is for prober.Socket.
func (s *socket) Info() rawsock.Info { return s.info }

// Close is for prober.Socket.
func (s *socket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		s.net.failure("a socket was closed twice")
		return syscall.EBADF
	}
	s.closed = true
	return nil
}

// Drops is for prober.Socket.
func (s *socket) Drops() (rawsock.Drops, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.advance()
	return rawsock.Drops{Full: s.drops, Damaged: s.net.kernel.damaged}, nil
}

// Receive is for prober.Socket.
func (s *socket) Receive(ms []rawsock.Message) (int, error) {
	n := s.net
	n.stall(callReceive)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance()
	s.lent = n.giveBack(s.lent)
	count := min(len(ms), rawsock.Batch, s.messages.size)
	if n.kernel.cut > 0 {
		count = min(count, n.kernel.cut)
	}
	for i := range count {
		p := s.messages.pop()
		ms[i] = p.message
		ms[i].Data = p.data[:p.n]
		s.lent = append(s.lent, p)
	}
	return count, nil
}

// Reports is for prober.Socket.
func (s *socket) Reports(rs []rawsock.Report) (int, error) {
	n := s.net
	n.stall(callReports)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance()
	s.lentErrs = n.giveBack(s.lentErrs)
	count := min(len(rs), rawsock.Batch, s.reports.size)
	for i := range count {
		p := s.reports.pop()
		rs[i] = p.report
		rs[i].Data = p.data[:p.n]
		s.lentErrs = append(s.lentErrs, p)
	}
	return count, nil
}

// giveBack spoils bytes that a caller must not use any more.
func (n *Net) giveBack(lent []*packet) []*packet {
	for _, p := range lent {
		for i := range p.data[:p.n] {
			p.data[i] = 0xee
		}
		n.queue.release(p)
	}
	return lent[:0]
}

// Send is for prober.Socket.
func (s *socket) Send(ps []rawsock.Packet) (int, error) {
	s.net.stall(callSend)
	n, err := s.send(ps)
	s.net.stall(callSent)
	return n, err
}

func (s *socket) send(ps []rawsock.Packet) (int, error) {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.advance()
	for i := range ps[:min(len(ps), rawsock.Batch)] {
		if errno := s.refusal(&ps[i], now); errno != 0 {
			if i > 0 {
				// sendmmsg tells the number now and the error of the next one
				// at the next call, so one that is reported once is kept.
				n.keep(s, errno)
				return i, nil
			}
			return 0, errno
		}
		n.transmit(s, &ps[i], now)
	}
	return min(len(ps), rawsock.Batch), nil
}

// refusal is why the kernel does not take a packet now.
func (s *socket) refusal(p *rawsock.Packet, now int64) syscall.Errno {
	k := &s.net.kernel
	if k.surface != 0 {
		s.pending, k.surface = k.surface, 0
	}
	if errno := s.pending; errno != 0 {
		s.pending = 0
		return errno
	}
	if now < k.fullTill {
		return syscall.EAGAIN
	}
	if k.failures > 0 {
		k.failures--
		return k.fail
	}
	if h := s.net.hosts[p.To.Netip(s.opt.IPv6).WithZone("")]; h != nil {
		if h.narrows[0].refuses(s, p) {
			return syscall.EMSGSIZE
		}
		return h.refuse
	}
	return 0
}

// keep puts an error back that is reported only once.
func (n *Net) keep(s *socket, errno syscall.Errno) {
	if errno == n.kernel.fail {
		n.kernel.failures++
		return
	}
	if errno != syscall.EAGAIN {
		s.pending = errno
	}
}

// arrive puts a packet into a socket's queue, or drops it where there is no
// room, and stamps it.
func (n *Net) arrive(s *socket, p *packet, at int64) {
	if s.closed {
		n.queue.release(p)
		return
	}
	if s.messages.size+s.reports.size >= n.kernel.buffer {
		s.drops++
		n.queue.release(p)
		return
	}
	stamp := n.wall(at)
	if p.isReport {
		p.report.Stamp = stamp
		if p.report.Origin == rawsock.OriginICMP {
			s.pending = p.report.Errno
			if n.kernel.noRX {
				p.report.Stamp = 0
			}
		}
		s.reports.push(p)
		return
	}
	p.message.Stamp = stamp
	if n.kernel.noRX {
		p.message.Stamp = 0
	}
	s.messages.push(p)
}

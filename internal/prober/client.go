// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// Client asks for probes and is told what became of them. All its methods are
// called on the loop's goroutine.
type Client interface {
	// Due tells that the timer of ref has fired. now is monotonic, in ns.
	Due(ref uint32, now int64)
	// Verdict tells what became of a probe: once for each, but that a
	// Duplicate may follow a Replied. r is valid during the call.
	Verdict(ref, tag uint32, r *Result)
	// Demand tells how closely spaced and how many the client's probes are.
	Demand() Demand
	// Idle reports whether nothing of the client is under way.
	Idle() bool
}

// Demand is what the loop chooses its tick by.
type Demand struct {
	Spacing time.Duration // smallest time between two probes of one target; 0: none
	Rate    float64       // probes a second, a large one counting for several (Cost)
}

// Verdict is what became of a probe.
type Verdict uint8

// The verdicts. Lost, Unreachable and Late are losses of the network; Unknown
// is none: our own side spoiled the probe.
const (
	Lost        Verdict = iota // no answer within the time-out
	Replied                    // a valid echo reply within the time-out
	Expired                    // a router reported time exceeded (RFC 792, type 11; RFC 4443, type 3)
	Unreachable                // an ICMP error other than time exceeded; Type and Code say which
	Late                       // a valid reply, but after the time-out
	Unknown                    // refused by our kernel, or unanswered while our socket dropped
	Duplicate                  // a further reply to a probe that had one; not a verdict of its own
)

// Result is a verdict and what is known with it.
type Result struct {
	Verdict Verdict
	RTT     time.Duration // Replied, Expired, Late, and Unreachable by another host
	From    rawsock.Addr  // who answered
	Type    uint8         // ICMP type and code of the answer
	Code    uint8
	// TTL is the TTL or hop limit that the answer arrived with; 0: not known.
	TTL uint8
	// Quote is what an ICMP error tells of the probe; nil where the answer is none,
	// or the kernel does not hand over what is quoted (error queues). It is valid
	// during the call.
	Quote *Quote
	// MTU is that of the next hop in bytes as an Unreachable tells it that is a
	// "fragmentation needed" (RFC 1191, 4; 0 from a router that is older) or a
	// Packet Too Big (RFC 4443, 3.2): as written, it need not be plausible. Else 0.
	MTU int
	// Cut tells that the answer quotes no probe, and was taken for that of the only
	// one (Probe.Sole).
	Cut bool
	// Stamped tells that the kernel has stamped the probe as it left.
	Stamped bool
	// Local tells that an Unreachable was reported by our own host, which
	// could not resolve the neighbour (RFC 1122, 2.3.2.2): no router said so.
	Local bool
	// Errno is why a probe is Unknown: what the kernel refused it with, ENOBUFS
	// when our socket was dropping, ENETDOWN when it never left, EADDRNOTAVAIL
	// when this host had no address for it.
	Errno syscall.Errno
}

// Quote is what the datagram that an ICMP error quotes says of the way that the
// probe has gone (RFC 792, RFC 1812, 4.3.2.3), and the extensions behind it.
type Quote struct {
	TTL uint8 // what was left of the TTL or hop limit
	// To is the destination that the probe had by then, where that is not the one
	// that it was sent to: an address translator lies between.
	To     rawsock.Addr
	Labels wire.MPLSStack // RFC 4950
}

// Probe is one packet to be sent.
type Probe struct {
	// Method is what it is; where only UDP can be sent, an echo request is UDP
	// too.
	Method vitals.Method
	To     rawsock.Addr
	// From is the source address; zero: the kernel's choice. Where raw sockets
	// send UDP or TCP it must be given (Loop.Source), for checksums cover it.
	From  rawsock.Addr
	Iface int32 // index of the interface to leave by; 0: the route's
	// Size is the number of payload bytes, 1..65507.
	Size int
	// Timeout is counted from the moment the probe is handed to the kernel.
	Timeout time.Duration
	TTL     uint8 // 0: the system's default
	TOS     uint8 // type of service or traffic class octet
	DF      bool  // Don't Fragment
	// Stamps tells that what was sent there lately was stamped as it left. One
	// that goes unanswered without a stamp has then never left, and is Unknown.
	Stamps bool
	// Checksum, when it is not 0, is the one that the ICMP message shall have
	// whatever its sequence, so that routers that balance by it see one flow;
	// Size must be 16 at least.
	Checksum uint16
	// Port is the destination port of UDP and TCP.
	Port uint16
	// Flow is the number of the local port of UDP and TCP, 0..63.
	Flow uint8
	// Sole tells that no other probe of the flow to that destination can be answered
	// still, so that an error which quotes none is about this one.
	Sole bool
	// Ref and Tag are the client's own; they come back with the verdict.
	Ref, Tag uint32
}

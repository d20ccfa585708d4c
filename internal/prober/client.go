// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
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

// Probe is one packet to be sent.
type Probe struct {
	To    rawsock.Addr
	From  rawsock.Addr // source address; zero: the kernel's choice
	Iface int32        // index of the interface to leave by; 0: the route's
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
	// Flow, when it is not 0, is the checksum that the ICMP message shall have
	// whatever its sequence, so that routers that balance by it see one flow;
	// Size must be 16 at least.
	Flow uint16
	// Port is the destination port where the loop's socket is UDP.
	Port uint16
	// Ref and Tag are the client's own; they come back with the verdict.
	Ref, Tag uint32
}

// SPDX-License-Identifier: Apache-2.0

package vitals

import (
	"net/netip"
	"time"
)

// Hop is what one TTL of a path answered.
type Hop struct {
	// Addr is who answered; the zero Addr when nobody did.
	Addr netip.Addr
	// RTT is the time to that answer.
	RTT time.Duration
	// Sent and Received count the probes of this trace with this TTL and those
	// that were answered; Unknown those of Sent that our own side spoiled. All
	// are 0 where the hop was not asked in this trace.
	Sent, Received, Unknown uint8
	// Shared tells that Addr and RTT are those of an answer to a probe to another
	// target that crosses the same router, which was not asked for this one
	// because it limits its answers (RFC 1812, 4.3.2.8).
	Shared bool
	// Reply is what else the answer says; its zero value where Received is 0.
	Reply Reply
}

// Silent reports whether nothing answered at this TTL.
func (h Hop) Silent() bool { return !h.Addr.IsValid() }

// Reply is what an answer to a probe says beside who sent it and when.
type Reply struct {
	// TTL is the TTL or hop limit that the answer arrived with; 0 where the
	// socket does not tell.
	TTL uint8
	// QuotedTTL is the TTL that the probe had when it was answered, by the
	// datagram that an ICMP error quotes: 1, or 0, at the router that reports
	// time exceeded; more behind a router that does not count. Only where Quotes.
	QuotedTTL uint8
	// Quotes tells that the answer is an ICMP error and quotes the probe.
	Quotes bool
	// Type and Code are those of the ICMP message (RFC 792, RFC 4443); for an
	// answer by TCP both are 0.
	Type, Code uint8
	// Rewritten is the destination that the quoted datagram had where that is
	// not the one it was sent to: a NAT lies between. Else the zero Addr.
	Rewritten netip.Addr
	// Labels is the MPLS label stack that the probe arrived with, outermost
	// first (RFC 4950); nil when the answer tells none.
	Labels []Label
}

// Label is one entry of an MPLS label stack (RFC 3032, 2.1).
type Label struct {
	Value        uint32 // 0..1048575
	TrafficClass uint8  // 0..7 (RFC 5462)
	Bottom       bool   // the last of the stack
	TTL          uint8
}

// End tells why a path ends where it does.
type End uint8

// The ends of a path.
const (
	EndHops        End = iota // the largest TTL was reached, and nothing ended the path
	EndReached                // the destination answered at the last hop
	EndUnreachable            // the last hop reported the destination unreachable
)

// Path is one trace: Hops[i] is the hop of TTL i+1 as the first flow crossed it.
type Path struct {
	Hops []Hop
	End  End
	// Others are the paths of the other flows of the trace, in the order of
	// their numbers from 1 on; nil where one flow is followed.
	Others []Path
}

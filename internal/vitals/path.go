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
	// RTT is the time to that answer, the first.
	RTT time.Duration
	// RTTs are the times to all answers of this trace, in the order in which they
	// came, RTT being the first; nil where there are fewer than two. A hop is asked
	// a few times at the most, so it holds 16 or fewer.
	RTTs []time.Duration
	// Sent and Received count the probes of this trace with this TTL and those
	// that were answered; Unknown those of Sent that our own side spoiled. All
	// are 0 where the hop was not asked in this trace.
	Sent, Received, Unknown uint8
	// Shared tells that Addr and RTT are those of an answer to a probe to another
	// target that crosses the same router, which was not asked for this one
	// because it limits its answers (RFC 1812, 4.3.2.8).
	Shared bool
	// Limited tells that by the last traces the hop loses answers that those behind
	// it do not lose: it is its own rate limit, not loss of the path. Slow tells the
	// same of its RTT, which has shifted alone. Both are false where too few traces
	// were made to tell.
	Limited, Slow bool
	// Reply is what else the answer says; its zero value where Received is 0.
	Reply Reply
	// Also are the other addresses that were seen at this TTL in the same flow,
	// whose packets a router spreads; nil where there is one.
	Also []netip.Addr
	// Name is the reverse name of Addr, AS the autonomous system that announces
	// it; "" and the zero AS where they are not known, or not asked for.
	Name string
	AS   AS
}

// AS is an autonomous system.
type AS struct {
	Number uint32 // RFC 6793; 0: none is known
	Name   string
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
	// MTU is the path MTU as it is known by then; nil where it is not watched, or
	// not known yet; with a Size of 0 where it was looked for once, and not found. It
	// stands in the first flow's.
	MTU *MTU
	// UDP tells that the probes were UDP for want of privilege, whatever the method.
	// It stands in the first flow's.
	UDP bool
	// Change tells how the route of a flow has changed with this trace: of the
	// lowest number that did; nil where none did. It stands in the first flow's.
	Change *RouteChange
	// Onset tells where on the first flow's path a fault begins; nil where the last
	// traces are not kept, or too few to tell. It stands in the first flow's.
	Onset *Onset
	// OnsetChanges are what of that is other than with the trace before; nil where
	// nothing is.
	OnsetChanges []OnsetChange
}

// Fault is a kind of fault of a path.
type Fault uint8

// The faults.
const (
	FaultLoss  Fault = iota // probes are lost on the way
	FaultShift              // the RTT is not what it was
)

// Onset tells, by the last traces, where faults begin that persist to the
// destination.
type Onset struct {
	// Traces is how many of the last took the present route; only these count.
	Traces int
	// Loss and Shift are the faults; nil where there is none.
	Loss, Shift *OnsetFault
}

// OnsetFault is a fault and where it begins: behind the hop Before, and not behind
// the hop At. What lies between the two, if anything, cannot tell. It is not
// changed once it was handed over.
type OnsetFault struct {
	Fault Fault
	// Since is when the first of the last traces showed it, to a second.
	Since time.Time
	// Before is the last hop that is free of it; TTL 0 is this machine. At is the
	// first that shows it.
	Before, At OnsetHop
	// Destination is the TTL of the destination.
	Destination int
	// Lost and Known are the destination's probes of the last traces (FaultLoss).
	Lost, Known int
	// Was and Is are the medians of the destination's RTT before and since
	// (FaultShift).
	Was, Is time.Duration
}

// OnsetHop is a hop of an onset.
type OnsetHop struct {
	TTL  int
	Addr netip.Addr // the zero Addr for TTL 0, and where nobody is known
}

// OnsetChange is that a fault has begun, is at another place, or has ended.
type OnsetChange struct {
	// Before and After are what was, and what is. Before is nil when the fault has
	// begun, After when it has ended; at least one is not.
	Before, After *OnsetFault
	// Lasting tells of a shift that has ended that it did not go back: the RTT has
	// been so in all of the last traces.
	Lasting bool
}

// RouteChange is a change of the addresses that a flow crosses.
type RouteChange struct {
	Flow int // the lowest number of the flows that have changed, from 0
	// First is the smallest TTL that differs: another address answers there, the
	// destination is nearer or further, or no longer reached, or reached again, or
	// of several addresses by turns one has gone.
	First int
	// Before and After are the addresses by TTL-1, the zero Addr where nothing has
	// answered. Of several by turns it is the one that has gone, or what answered
	// last.
	Before, After []netip.Addr
	// ReachedBefore and Reached tell whether the destination was, and is, the last
	// of them.
	ReachedBefore, Reached bool
}

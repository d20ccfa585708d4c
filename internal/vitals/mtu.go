// SPDX-License-Identifier: Apache-2.0

package vitals

import "net/netip"

// Limit tells what keeps larger packets from a path.
type Limit uint8

// The limits of a path MTU.
const (
	// LimitInterface: our own link; every link behind it carries as much.
	LimitInterface Limit = iota
	// LimitReported: a router said so (RFC 1191, RFC 8201).
	LimitReported
	// LimitBlackHole: larger packets vanish, and nobody says so (RFC 2923, 2.1).
	LimitBlackHole
)

// MTU is the path MTU to a target: the largest packet that reaches it whole.
// The zero value is none that is known. Values are comparable.
type MTU struct {
	// Size is the path MTU, in bytes of the whole IP packet, 68..65535; 0 when it
	// is not known.
	Size int
	// Interface is the MTU of the link by which our own machine sends there, in
	// bytes of the whole IP packet; at most 65535.
	Interface int
	// Limit is what keeps larger ones from passing.
	Limit Limit
	// Router is the last router that a larger packet came to: the one that reported
	// its next link as too small, or the one behind which the packets vanish. The
	// zero Addr where the limit is the interface, or no router answered.
	Router netip.Addr
	// TTL is the hop of Router in the path, 1..255; 0 where it is not known: no
	// router on the way to the limit answers, or not by the address that reports.
	TTL int
}

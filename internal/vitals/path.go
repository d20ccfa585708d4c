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
}

// Silent reports whether nothing answered at this TTL.
func (h Hop) Silent() bool { return !h.Addr.IsValid() }

// End tells why a path ends where it does.
type End uint8

// The ends of a path.
const (
	EndHops        End = iota // the largest TTL was reached, and nothing ended the path
	EndReached                // the destination answered at the last hop
	EndUnreachable            // the last hop reported the destination unreachable
)

// Path is one trace: Hops[i] is the hop of TTL i+1.
type Path struct {
	Hops []Hop
	End  End
}

// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"slices"

	"connmonitor/internal/rawsock"
)

// An old router quotes no more of a datagram than its headers (RFC 792). A UDP
// socket without privilege is then told of the error by ports and destination,
// but of length and checksum nothing (Linux 6.18, ip_icmp_error: what is handed
// over begins behind the UDP header), so which of the probes of a flow it answers
// cannot be known, unless it is the only one.

// cutKey is a flow to a destination.
type cutKey struct {
	to   rawsock.Addr
	flow uint8
}

// cutErrors are the errors of a flow that quote no probe.
type cutErrors struct {
	from []rawsock.Addr // who sent them
	sole int32          // the only probe that they can be about; none: there are several
	gen  uint16         // of its entry
}

const (
	// mostCut is of how many flows such errors are remembered, mostCutBy of how many
	// routers: what is forged is bounded.
	mostCut   = 1 << 12
	mostCutBy = 32
)

// Cut is who has answered probes of a flow to a destination by errors that quote
// none, since ForgetCut. What it returns may be kept.
func (l *Loop) Cut(to rawsock.Addr, flow uint8) []rawsock.Addr {
	if c := l.cuts[cutKey{to, flow}]; c != nil {
		return slices.Clone(c.from)
	}
	return nil
}

// ForgetCut forgets them.
func (l *Loop) ForgetCut(to rawsock.Addr, flow uint8) { delete(l.cuts, cutKey{to, flow}) }

// only takes that an error of a flow without a quote is about this probe.
func (l *Loop) only(id int32, flow uint8) {
	e := &l.probes.entries[id]
	if c := l.cuts[cutKey{e.to, flow}]; c != nil {
		c.sole, c.gen = id, e.gen
	}
}

// cutError finds the probe of an error without a quote; none where there are
// several. It is remembered who sent it.
func (l *Loop) cutError(flow uint8, r *rawsock.Report) int32 {
	k := cutKey{r.To, flow}
	c := l.cuts[k]
	if c == nil {
		if len(l.cuts) >= mostCut {
			return none
		}
		if l.cuts == nil {
			l.cuts = map[cutKey]*cutErrors{}
		}
		c = &cutErrors{sole: none}
		l.cuts[k] = c
	}
	if len(c.from) < mostCutBy && !slices.Contains(c.from, r.From) {
		c.from = append(c.from, r.From)
	}
	if id := c.sole; id != none {
		c.sole = none
		if e := &l.probes.entries[id]; e.state == inFlight && e.gen == c.gen {
			return id
		}
	}
	return none
}

// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// take takes the verdict of one probe.
func (r *run) take(ttl uint8, v *prober.Result, to rawsock.Addr, now int64) {
	h := &r.hops[ttl-1]
	h.pending--
	switch v.Verdict {
	case prober.Replied, prober.Expired, prober.Unreachable:
	case prober.Unknown:
		r.refused++
		h.refused++
		r.cause = v.Errno
		return
	default:
		return
	}
	if v.Cut && !r.heard(ttl, v.From) {
		return
	}
	if v.Local {
		return // that our own host knows no neighbour is no hop's answer
	}
	if int(ttl) == r.sampled {
		r.samples = append(r.samples, v.From.Netip(r.v6).WithZone(""))
	}
	if h.received++; h.received > 1 {
		r.again = append(r.again, repeated{ttl, int64(v.RTT)})
		return
	}
	h.from, h.rtt, h.reply = v.From, int64(v.RTT), replyOf(v, r.v6)
	arrived := v.Verdict == prober.Replied ||
		v.Verdict == prober.Unreachable && (v.From.Same(to) || r.udp && portUnreachable(v))
	ends := arrived || v.Verdict == prober.Unreachable
	r.slowest = max(r.slowest, h.rtt)
	r.widened = now
	if ends && (r.end == 0 || int(ttl) < r.end) {
		r.end, r.reached, r.other = int(ttl), arrived, !v.From.Same(to)
		if arrived {
			r.routers.length = r.end
		}
	}
}

// replyOf is what an answer says beside who sent it.
func replyOf(v *prober.Result, v6 bool) vitals.Reply {
	a := vitals.Reply{TTL: v.TTL, Type: v.Type, Code: v.Code}
	if v.Quote == nil {
		return a
	}
	a.Quotes, a.QuotedTTL = true, v.Quote.TTL
	if !v.Quote.To.IsZero() {
		a.Rewritten = v.Quote.To.Netip(v6)
	}
	for _, l := range v.Quote.Labels.Entries[:v.Quote.Labels.N] {
		a.Labels = append(a.Labels, vitals.Label{Value: l.Label(), TrafficClass: l.TrafficClass(), Bottom: l.Bottom(), TTL: l.TTL()})
	}
	return a
}

// portUnreachable: ICMP type 3 code 3 (RFC 792), ICMPv6 type 1 code 4 (RFC
// 4443). A host with several addresses may send it from another one than was
// asked.
func portUnreachable(v *prober.Result) bool {
	return v.Type == wire.TypeDestinationUnreachable && v.Code == wire.CodePortUnreachable ||
		v.Type == wire.Type6DestinationUnreachable && v.Code == wire.Code6PortUnreachable
}

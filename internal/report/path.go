// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strconv"
	"time"

	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// appendJSONPathDetails appends all that is known of a trace. What is not known
// is left out, so that a reader takes no zero for a figure; how many probes a
// hop was asked with is always known.
func appendJSONPathDetails(dst []byte, p *vitals.Path, s *vitals.Settings) []byte {
	method := s.Method
	if p.UDP {
		method = vitals.MethodUDP
	}
	dst = appendJSONMethod(append(dst, '{'), method, s)
	dst = appendJSONFlow(append(dst, ','), p, method)
	if len(p.Others) > 0 {
		dst = append(dst, `,"flows":[`...)
		for i := range p.Others {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONInteger(dst, `{"flow":`, i+1)
			dst = append(appendJSONFlow(append(dst, ','), &p.Others[i], method), '}')
		}
		dst = append(dst, ']')
	}
	if known(p.MTU) {
		dst = appendJSONMTU(append(dst, `,"mtu":`...), p.MTU)
	}
	dst = appendJSONOnset(dst, p.Onset)
	return append(dst, '}')
}

func appendJSONMethod(dst []byte, method vitals.Method, s *vitals.Settings) []byte {
	switch method {
	case vitals.MethodUDP:
		return appendJSONInteger(dst, `"method":"udp","port":`, int(s.TracePort()))
	case vitals.MethodTCP:
		return appendJSONInteger(dst, `"method":"tcp","port":`, int(s.TracePort()))
	case vitals.MethodICMP:
	}
	return append(dst, `"method":"icmp"`...)
}

// appendJSONFlow appends the members that tell the path of one flow.
func appendJSONFlow(dst []byte, p *vitals.Path, method vitals.Method) []byte {
	dst = appendJSONString(append(dst, `"end":`...), endWord(p.End))
	dst = append(dst, `,"hops":[`...)
	for i := range p.Hops {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONHopDetails(dst, i+1, &p.Hops[i], method)
	}
	return append(dst, ']')
}

func endWord(e vitals.End) string {
	switch e {
	case vitals.EndReached:
		return "reached"
	case vitals.EndUnreachable:
		return "unreachable"
	case vitals.EndHops:
	}
	return "hops"
}

func appendJSONHopDetails(dst []byte, ttl int, h *vitals.Hop, method vitals.Method) []byte {
	dst = appendJSONInteger(dst, `{"ttl":`, ttl)
	if !h.Silent() {
		dst = appendJSONAddress(dst, `,"addr":`, h.Addr)
		dst = appendNumber(append(dst, `,"rtt":`...), vitals.Milliseconds(h.RTT))
		dst = appendJSONRTTs(dst, h.RTTs)
	}
	dst = appendJSONInteger(dst, `,"sent":`, h.Sent)
	dst = appendJSONInteger(dst, `,"received":`, h.Received)
	dst = appendJSONPositive(dst, `,"unknown":`, h.Unknown)
	dst = appendJSONTrue(dst, `,"limited"`, h.Limited)
	dst = appendJSONTrue(dst, `,"slow"`, h.Slow)
	if h.Silent() {
		return append(dst, '}')
	}
	dst = appendJSONTrue(dst, `,"shared"`, h.Shared)
	dst = appendJSONText(dst, `,"name":`, h.Name)
	dst = appendJSONPositive(dst, `,"asn":`, h.AS.Number)
	dst = appendJSONText(dst, `,"as":`, h.AS.Name)
	dst = appendJSONReply(dst, h, method)
	dst = appendJSONAlso(dst, h.Also)
	return append(dst, '}')
}

// appendJSONRTTs appends the RTTs of a hop that answered several times.
func appendJSONRTTs(dst []byte, rtts []time.Duration) []byte {
	if len(rtts) < 2 {
		return dst
	}
	dst = append(dst, `,"rtts":[`...)
	for i, rtt := range rtts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNumber(dst, vitals.Milliseconds(rtt))
	}
	return append(dst, ']')
}

// appendJSONReply appends what the answer of a hop says.
func appendJSONReply(dst []byte, h *vitals.Hop, method vitals.Method) []byte {
	r := &h.Reply
	dst = appendJSONPositive(dst, `,"reply_ttl":`, r.TTL)
	if r.Quotes {
		dst = appendJSONInteger(dst, `,"quoted_ttl":`, r.QuotedTTL)
	}
	if byICMP(h, method) {
		dst = appendJSONInteger(dst, `,"type":`, r.Type)
		dst = appendJSONInteger(dst, `,"code":`, r.Code)
	}
	dst = appendJSONText(dst, `,"mark":`, mark(h))
	dst = appendJSONAddress(dst, `,"nat":`, r.Rewritten)
	return appendJSONLabels(dst, r.Labels)
}

// byICMP reports whether a hop answered by ICMP, so that its type and code say
// something. Both are 0 for an answer by TCP and for one that is not known, but
// for an echo reply over IPv4, too.
func byICMP(h *vitals.Hop, method vitals.Method) bool {
	echo := h.Received > 0 && method == vitals.MethodICMP && isIPv4(h.Addr)
	return h.Reply.Type != wire.TypeEchoReply || echo
}

// mark is the mark that traceroute(8) has for the answer of a hop; "" for what
// a trace expects, and where there is no answer by ICMP.
func mark(h *vitals.Hop) string {
	r := &h.Reply
	switch {
	case r.Type == wire.TypeEchoReply:
		return ""
	case isIPv4(h.Addr):
		return wire.Mark4(r.Type, r.Code, 0)
	}
	return wire.Mark6(r.Type, r.Code, 0)
}

func isIPv4(addr netip.Addr) bool { return addr.Unmap().Is4() }

func appendJSONLabels(dst []byte, labels []vitals.Label) []byte {
	if len(labels) == 0 {
		return dst
	}
	dst = append(dst, `,"mpls":[`...)
	for i, l := range labels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONInteger(dst, `{"label":`, l.Value)
		dst = appendJSONInteger(dst, `,"tc":`, l.TrafficClass)
		dst = strconv.AppendBool(append(dst, `,"bottom":`...), l.Bottom)
		dst = append(appendJSONInteger(dst, `,"ttl":`, l.TTL), '}')
	}
	return append(dst, ']')
}

func appendJSONAlso(dst []byte, also []netip.Addr) []byte {
	if len(also) == 0 {
		return dst
	}
	dst = append(dst, `,"also":[`...)
	for i, addr := range also {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONAddr(append(dst, '"'), addr), '"')
	}
	return append(dst, ']')
}

// known reports whether a path MTU is known: it is watched, and was found.
func known(m *vitals.MTU) bool { return m != nil && m.Size > 0 }

func appendJSONMTU(dst []byte, m *vitals.MTU) []byte {
	dst = appendJSONInteger(dst, `{"size":`, m.Size)
	dst = appendJSONPositive(dst, `,"interface":`, m.Interface)
	dst = appendJSONString(append(dst, `,"limit":`...), limitWord(m.Limit))
	dst = appendJSONAddress(dst, `,"router":`, m.Router)
	return append(appendJSONPositive(dst, `,"ttl":`, m.TTL), '}')
}

func limitWord(l vitals.Limit) string {
	switch l {
	case vitals.LimitReported:
		return "reported"
	case vitals.LimitBlackHole:
		return "blackhole"
	case vitals.LimitInterface:
	}
	return "interface"
}

// count is what members that are integers are made of.
type count interface{ int | uint8 | uint32 }

// appendJSONInteger appends a member.
func appendJSONInteger[T count](dst []byte, member string, v T) []byte {
	return strconv.AppendInt(append(dst, member...), int64(v), 10)
}

// appendJSONPositive appends a member, unless it is zero.
func appendJSONPositive[T count](dst []byte, member string, v T) []byte {
	if v == 0 {
		return dst
	}
	return appendJSONInteger(dst, member, v)
}

// appendJSONTrue appends a member, unless it is false.
func appendJSONTrue(dst []byte, member string, v bool) []byte {
	if !v {
		return dst
	}
	return append(append(dst, member...), ":true"...)
}

// appendJSONAddress appends a member, unless it is the zero Addr.
func appendJSONAddress(dst []byte, member string, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return dst
	}
	return append(appendJSONAddr(append(append(dst, member...), '"'), addr), '"')
}

// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// wireTap sees what leaves a node.
type wireTap struct {
	t  *testing.T
	fd int
}

func tapWire(t *testing.T, e *netlab.Endpoint) *wireTap {
	t.Helper()
	w := &wireTap{t: t, fd: e.PacketSocket()}
	t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

// identity is what of a packet routers may choose the way by (RFC 2992, RFC 6438;
// of ICMP the first four bytes stand where ports would): within one flow all of
// it must stay the same.
type identity struct {
	from, to netip.Addr
	proto    uint8
	tos      uint8
	label    uint32  // IPv6's flow label
	head     [4]byte // ports; of ICMP type, code and checksum
}

// sent are the TTLs of the probes that have left since it was asked last.
func (w *wireTap) sent() map[identity][256]bool {
	w.t.Helper()
	all := make(map[identity][256]bool)
	b := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(w.fd, b, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype != unix.PACKET_OUTGOING {
			continue
		}
		if id, ttl, ok := identify(b[:n]); ok {
			ttls := all[id]
			ttls[ttl] = true
			all[id] = ttls
		}
	}
}

// identify reads a probe; ok is false for what is none, as the resets by which the
// kernel answers who accepts a connection.
func identify(b []byte) (id identity, ttl uint8, ok bool) {
	var payload []byte
	if h, p, is4 := wire.ParseIPv4(b); is4 {
		id.from, id.to, id.proto, id.tos = netip.AddrFrom4(h.Src), netip.AddrFrom4(h.Dst), h.Protocol, h.TOS
		ttl, payload = h.TTL, p
	} else if h, proto, p, is6 := wire.ParseIPv6(b); is6 {
		id.from, id.to, id.proto, id.tos = netip.AddrFrom16(h.Src), netip.AddrFrom16(h.Dst), proto, h.TrafficClass
		id.label, ttl, payload = h.FlowLabel, h.HopLimit, p
	}
	if len(payload) < 8 {
		return id, 0, false
	}
	id.head = [4]byte(payload)
	switch id.proto {
	case wire.ProtoICMP:
		return id, ttl, payload[0] == wire.TypeEchoRequest
	case wire.ProtoICMPv6:
		return id, ttl, payload[0] == wire.Type6EchoRequest
	case wire.ProtoTCP:
		h, _, is := wire.ParseTCP(payload)
		return id, ttl, is && h.Flags == wire.FlagSYN
	}
	return id, ttl, id.proto == wire.ProtoUDP
}

// wantFlows checks that the probes to a host were of so many flows, each with
// every TTL of the path.
func (w *wireTap) wantFlows(what string, method vitals.Method, to netip.Addr, flows, hops int) {
	w.t.Helper()
	protos := map[vitals.Method][]uint8{
		vitals.MethodICMP: {wire.ProtoICMP, wire.ProtoICMPv6}, vitals.MethodUDP: {wire.ProtoUDP}, vitals.MethodTCP: {wire.ProtoTCP},
	}[method]
	count := 0
	for id, ttls := range w.sent() {
		if id.to != to || id.proto != protos[0] && id.proto != protos[len(protos)-1] {
			continue
		}
		count++
		for ttl := 1; ttl <= hops; ttl++ {
			if !ttls[ttl] {
				w.t.Errorf("%s: no probe of TTL %d was of the flow %+v", what, ttl, id)
			}
		}
	}
	if count != flows {
		w.t.Errorf("%s: the probes were of %d flows, want %d", what, count, flows)
	}
}

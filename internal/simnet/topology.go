// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"syscall"

	"connmonitor/internal/wire"
)

// router is one hop of paths.
type router struct {
	addr       netip.Addr
	silent     bool
	delay      int64   // ns, to every answer
	loss       float64 // of its answers
	limit      float64 // answers a second; 0 is no limit
	tokens     float64
	filled     int64
	quote      int // bytes that are quoted behind the IP header; 0: as much as allowed
	refuses    bool
	code       code // with which it answers what it should forward, where it refuses
	drop       bool
	uncounted  bool // it does not count the TTL down
	zero       bool // it forwards what has a TTL of zero
	labels     []wire.MPLSEntry
	unmeasured bool // it does not say how long the quotation before its labels is
}

// code is that of a destination unreachable; negative: by its name.
type code int

// codes are those of both families that mean the same (RFC 792, RFC 1812, RFC
// 4443), by name.
var codes = []struct {
	name   string
	v4, v6 uint8
}{
	{"net", wire.CodeNetUnreachable, wire.Code6NoRoute},
	{"host", wire.CodeHostUnreachable, wire.Code6AddressUnreachable},
	{"port", wire.CodePortUnreachable, wire.Code6PortUnreachable},
	{"prohibited", wire.CodeAdminProhibited, wire.Code6AdminProhibited},
}

// of is the code in the family of a probe.
func (c code) of(pr *probe) uint8 {
	if c >= 0 {
		return uint8(c)
	}
	named := codes[-1-c]
	return codeOf(pr, named.v4, named.v6)
}

// host is a destination.
type host struct {
	addr        netip.Addr
	as          router // as it sends errors
	rtt, jitter int64
	loss        float64
	dead        bool
	open        bool // somebody listens on its ports
	duplicate   float64
	refuse      syscall.Errno
	refuses     bool
	code        code  // with which the host itself answers, where it refuses
	local       int64 // after which our own machine reports that it found no neighbour; 0: never
	network
}

// network is what lies before a host.
type network struct {
	ways      []way
	spread    bool // each packet takes one, not each flow
	nat       *translation
	tunnels   []tunnel
	forgeries []forgery
	narrows   map[int]narrow // by the number of the router before the link
}

// forgery is a packet that is sent beside an answer, a moment before it.
type forgery struct {
	kind string
	part float64
}

// answers reports whether the router answers at all at now.
func (r *router) answers(n *Net, now int64) bool {
	if r.silent || r.loss > 0 && n.rng.Float64() < r.loss {
		return false
	}
	if r.limit == 0 {
		return true
	}
	r.tokens = min(r.limit, r.tokens+r.limit*float64(now-r.filled)/1e9)
	r.filled = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

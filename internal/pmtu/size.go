// SPDX-License-Identifier: Apache-2.0

package pmtu

import "slices"

// Sizes are in bytes of the whole IP packet.
const (
	mostSize = 65535 // of an IP packet without jumbo payload
	// noReport4 is the least MTU that IPv4 allows (RFC 791, 3.2), noReport6 that of
	// IPv6: less must not be believed (RFC 8201, 4).
	noReport4 = 68
	noReport6 = 1280
)

// common are MTUs that links really have, in ascending order: of minimal hosts,
// IPv6, tunnels in tunnels, PPPoE, Ethernet, FDDI, jumbo frames and loopback.
var common = []int{
	296, 508, 576, 1006, 1280, 1300, 1380, 1400, 1420, 1440, 1450, 1460, 1472, 1476, 1480, 1492, 1500,
	2002, 4352, 4470, 8166, 9000, 9216, 16384, 32000, mostSize,
}

// plateaus are what RFC 1191, 7.1 lets a host try when a router tells no MTU.
var plateaus = []int{68, 296, 508, 1006, 1492, 2002, 4352, 8166, 17914, 32000}

// between are the common sizes above low and below high.
func between(low, high int) []int {
	from, found := slices.BinarySearch(common, low)
	if found {
		from++
	}
	to, _ := slices.BinarySearch(common, high)
	return common[from:max(from, to)]
}

// half is the size to try of those above low and below high, of which there is
// one at least: the middle common one; where there is none, the next above low
// when that is what a link has, else the middle.
func half(low, high, told int) int {
	if c := between(low, high); len(c) > 0 {
		return c[len(c)/2]
	}
	if _, found := slices.BinarySearch(common, low); found || low == told {
		return low + 1
	}
	return low + (high-low)/2
}

// plateau is the largest of the plateaus below size, 68 at least.
func plateau(size int) int {
	i, _ := slices.BinarySearch(plateaus, size)
	return plateaus[max(0, i-1)]
}

// headers is what of a probe is not payload: the IP header without options, and
// the echo header.
func headers(v6 bool) int {
	if v6 {
		return 48
	}
	return 28
}

// least is the size of the probe that passes wherever anything does, and has
// room for what tells ours from another's.
func least(v6 bool) int { return headers(v6) + 40 }

// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Addr is an address without pointers, so that a hundred thousand of them
// cost the garbage collector nothing. An IPv4 address is in the first four
// bytes of IP.
type Addr struct {
	IP   [16]byte
	Zone uint32 // interface index of a scoped IPv6 address (RFC 4007), else 0
}

// AddrFrom converts a netip.Addr; a zone is an interface name or index, and an
// error says that there is no such interface now.
func AddrFrom(a netip.Addr) (Addr, error) {
	var r Addr
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		copy(r.IP[:], b[:])
		return r, nil
	}
	r.IP = a.As16()
	if a.Zone() == "" {
		return r, nil
	}
	if n, err := strconv.ParseUint(a.Zone(), 10, 32); err == nil {
		r.Zone = uint32(n)
		return r, nil
	}
	ifi, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return Addr{}, fmt.Errorf("zone of %s: %w", a, err)
	}
	r.Zone = uint32(ifi.Index)
	return r, nil
}

// Netip converts back; v6 tells which family the address is of. The zone is
// given as an interface index.
func (a Addr) Netip(v6 bool) netip.Addr {
	if !v6 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	r := netip.AddrFrom16(a.IP)
	if a.Zone != 0 {
		r = r.WithZone(strconv.FormatUint(uint64(a.Zone), 10))
	}
	return r
}

// IsZero reports whether no address was set.
func (a Addr) IsZero() bool { return a == Addr{} }

// Same reports whether two addresses are the same host's: the zone counts only
// where both have one, for a reply from a global address carries none.
func (a Addr) Same(b Addr) bool {
	return a.IP == b.IP && (a.Zone == b.Zone || a.Zone == 0 || b.Zone == 0)
}

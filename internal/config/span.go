// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// span is a range of addresses in a row.
type span struct {
	first netip.Addr
	count int // 0 when there is none
}

// parseSpan reads PREFIX/LENGTH or FIRST-LAST, and tells whether the text is
// meant as one of them.
func parseSpan(text string) (s span, is bool, err error) {
	if address, _, found := strings.Cut(text, "/"); found {
		if _, err := netip.ParseAddr(address); err != nil {
			return span{}, false, nil
		}
		s, err = parsePrefix(text)
		return s, true, err
	}
	left, right, found := strings.Cut(text, "-")
	if !found {
		return span{}, false, nil
	}
	first, err := netip.ParseAddr(left)
	if err != nil {
		return span{}, false, nil //nolint:nilerr // a name with a hyphen
	}
	last, err := netip.ParseAddr(right)
	if err != nil {
		// 192.0.2.1-static.example.net is a name.
		number := right[strings.LastIndexByte(right, '.')+1:]
		if strings.Trim(number, "0123456789") == "" || strings.Contains(right, ":") {
			return span{}, true, errors.New("is no range: write both its ends in full, as in 192.0.2.1-192.0.2.9")
		}
		return span{}, false, nil
	}
	s, err = parseRange(first, last)
	return s, true, err
}

// parsePrefix returns the usable addresses of a prefix. Of an IPv4 prefix the
// network and the broadcast address are none (RFC 1122 section 3.2.1.3) unless
// it is a /31 (RFC 3021) or a /32; of an IPv6 prefix the address of all zeros,
// the subnet-router anycast address (RFC 4291 section 2.6.1), is none unless it
// is a /127 (RFC 6164) or a /128.
func parsePrefix(text string) (span, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return span{}, errors.New("is no prefix: write it as in 192.0.2.0/28 or 2001:db8::/124, without a zone")
	case p.Addr().Is4In6():
		return span{}, errors.New("is no prefix: write an IPv4 prefix as in 192.0.2.0/28")
	case p.Masked() != p:
		return span{}, fmt.Errorf("has bits behind its prefix: write %v for the network", p.Masked())
	}
	hostBits := p.Addr().BitLen() - p.Bits()
	if hostBits > maxSpanBits {
		return span{}, errTooMany
	}
	s := span{p.Addr(), 1 << hostBits}
	if hostBits > 1 {
		s.first = s.first.Next()
		s.count--
		if p.Addr().Is4() {
			s.count--
		}
	}
	return s, nil
}

var errTooMany = fmt.Errorf("stands for more than %d addresses, the most that a line may", maxSpan)

// parseRange returns the addresses from first to last, both included.
func parseRange(first, last netip.Addr) (span, error) {
	switch {
	case first.Zone() != "" || last.Zone() != "" || first.Is4In6() || last.Is4In6():
		return span{}, errors.New("is no range: its ends are plain addresses, as in 192.0.2.1-192.0.2.9")
	case first.BitLen() != last.BitLen():
		return span{}, errors.New("is no range: one end is IPv4 and the other IPv6")
	case last.Less(first):
		return span{}, errors.New("is no range: it ends before it begins")
	}
	n, ok := distance(first, last)
	if !ok || n >= maxSpan {
		return span{}, errTooMany
	}
	return span{first, int(n) + 1}, nil
}

// distance is how many steps lead from first to last; false when they are more
// than a uint64 holds.
func distance(first, last netip.Addr) (uint64, bool) {
	a, b := first.As16(), last.As16()
	low, borrow := bits.Sub64(binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(a[8:]), 0)
	high, _ := bits.Sub64(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(a[:8]), borrow)
	return low, high == 0
}

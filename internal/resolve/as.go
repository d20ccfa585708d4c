// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxASName bounds the name of an autonomous system, in bytes. The longest that
// are registered have about 100.
const maxASName = 255

// AS is the autonomous system that an address belongs to, by who announces its
// prefix. The zero AS tells that nobody is known to.
type AS struct {
	// Number is the AS number (RFC 6793); 0 when there is none.
	Number uint32
	// Name is what the registry or the publisher of a file calls it, "" when
	// that is not known: at most 255 bytes of UTF-8, of which each character
	// can be shown.
	Name string
	// Prefix is the network that this is said of; the zero Prefix when that is
	// not known.
	Prefix netip.Prefix
	// Others are the numbers of those that announce the same prefix beside
	// Number (multiple origins, RFC 1930 section 7), at most 7.
	Others []uint32
}

// NewAS makes an AS of what the network or a file says: the name is shortened,
// and what no terminal should get is taken out of it.
func NewAS(number uint32, name string, prefix netip.Prefix) AS {
	return AS{Number: number, Name: cleanName(name), Prefix: prefix}
}

// cleanName keeps of a name what can be shown. The text behind the 255th byte is
// not even looked at.
func cleanName(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxASName)], "\ufffd")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	for len(s) > maxASName { // what took a byte's place has three
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimSpace(s)
}

// notAsked are the networks inside the unicast space of which no question leaves
// the machine (RFC 6890 and IANA's registries of special-purpose addresses): no
// AS announces them, and whose they are is nobody's business. 2001::/23 and
// 2002::/16 hold IPv4 addresses of tunnels' ends, private ones too.
var notAsked = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// global is what of IPv6 is given to providers: all else is link-local, unique
// local, multicast, a translation of IPv4 or not assigned.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// public reports whether an AS may announce a bare address.
func public(a netip.Addr) bool {
	return (a.Is4() || global.Contains(a)) &&
		!slices.ContainsFunc(notAsked, func(p netip.Prefix) bool { return p.Contains(a) })
}

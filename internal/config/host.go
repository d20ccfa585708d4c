// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"connmonitor/internal/vitals"
)

// The lengths of names, RFC 1035 section 2.3.4: 255 octets on the wire are 253
// characters of text.
const (
	maxName      = 253
	maxNameLabel = 63
)

// host is what the first word of a line means: a name when both fields are
// zero.
type host struct {
	addr netip.Addr // the literal address
	span span       // the range of addresses
}

// family is that of the host's address, FamilyAny for a name.
func (h host) family() vitals.Family {
	switch {
	case h.addr.IsValid():
		return familyOf(h.addr)
	case h.span.count > 0:
		return familyOf(h.span.first)
	}
	return vitals.FamilyAny
}

// parseHost reads an address, a range of addresses or a host name.
func parseHost(text string) (host, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a, err = literal(a)
		return host{addr: a}, err
	}
	if s, is, err := parseSpan(text); is {
		return host{span: s}, err
	}
	return host{}, checkName(text)
}

// literal checks an address that was written out. An IPv4-mapped IPv6 address
// (RFC 4291 section 2.5.5.2) stands for the IPv4 address: nothing else would be
// on the wire.
func literal(a netip.Addr) (netip.Addr, error) {
	if err := checkZone(a); err != nil {
		return netip.Addr{}, err
	}
	a = a.Unmap()
	return a, checkAddr(a)
}

// checkAddr refuses what is no address of one host.
func checkAddr(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsUnspecified():
		return errors.New("is the unspecified address, which is no host's")
	case a.IsMulticast():
		return errors.New("is a multicast address, which is no single host's")
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("is the broadcast address, which is no single host's")
	}
	return nil
}

// checkZone refuses a zone (RFC 4007 section 11) that can be no interface.
func checkZone(a netip.Addr) error {
	switch {
	case a.Zone() == "":
		return nil
	case a.Is4In6():
		return errors.New("has a zone, and an IPv4 address has none")
	case !isInterface(a.Zone()):
		return fmt.Errorf("has a zone that can be no interface (at most %d characters)", maxInterface)
	}
	return nil
}

// checkName checks the form of a host name: labels of letters, digits, hyphens
// (inside) and underscores.
func checkName(name string) error {
	if err := checkCharacters(name); err != nil {
		return err
	}
	bare := strings.TrimSuffix(name, ".")
	switch {
	case bare == "":
		return errors.New("is no host name")
	case len(bare) > maxName:
		return fmt.Errorf("is longer than %d characters", maxName)
	}
	last := ""
	for label := range strings.SplitSeq(bare, ".") {
		if err := checkNameLabel(label); err != nil {
			return err
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" {
		// RFC 1123 section 2.1: the last label of a name is not a number. Some
		// resolvers take 127.1 for 127.0.0.1; a mistyped address is likelier.
		return errors.New("ends in a number, but is no address; an IPv4 address is four numbers from 0 to 255")
	}
	return nil
}

func checkNameLabel(label string) error {
	switch {
	case label == "":
		return errors.New("has an empty part: two dots in a row, or one at the start")
	case len(label) > maxNameLabel:
		return fmt.Errorf("has a part longer than %d characters", maxNameLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("has a part that begins or ends with a hyphen")
	}
	return nil
}

// checkCharacters refuses the characters that no name holds, with advice on
// what was probably meant.
func checkCharacters(name string) error {
	for _, r := range name {
		switch {
		case r < 0x80 && (isLetter(byte(r)) || isDigit(byte(r)) || r == '-' || r == '_' || r == '.'):
			continue
		case r >= 0x80:
			return fmt.Errorf("holds %q; write an internationalised name in its ASCII form (xn--...)", r)
		case r == '=':
			return errors.New("is an option; a line begins with its host")
		case r == '[' || r == ']':
			return errors.New("is no host; write an IPv6 address without brackets")
		case r == ':' && strings.Contains(name, "://"):
			return errors.New("is a URL; write its host alone")
		case r == ':' && strings.Count(name, ":") == 1:
			return errors.New("is no host; write it without a port")
		case r == ':' || r == '%':
			return errors.New("is no IPv6 address")
		}
		return fmt.Errorf("holds %q, which no host name does", r)
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// equalFold compares without regard to the case of ASCII letters. (Unicode's
// folding would take the Kelvin sign for a k.)
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (!isLetter(a[i]) || a[i]|0x20 != b[i]|0x20) {
			return false
		}
	}
	return true
}

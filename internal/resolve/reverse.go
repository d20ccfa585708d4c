// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ReverseLookup finds the names of an address, which is given as text. It must
// return soon after ctx is done. The method LookupAddr of [net.Resolver] is one.
type ReverseLookup func(ctx context.Context, addr string) ([]string, error)

// maxNames bounds how much of an answer is looked at; a router has one name for
// each of its addresses.
const maxNames = 64

// errNoName is the answer of a name server that lists nothing that is a name.
var errNoName = &net.DNSError{Err: "no usable name", IsNotFound: true}

// Names keeps the reverse names of addresses: their PTR records (RFC 1035
// section 3.5, RFC 3596 section 2.5) or their lines in hosts(5). Private and
// loopback addresses are asked for as all others, because their operators have
// zones for them.
//
// A name is what whoever runs the reverse zone says it is: it proves nothing.
type Names struct {
	cache *cache[netip.Addr, string]
}

// NewNames makes a Names that asks nothing until Run. A nil lookup asks the
// system's resolver.
func NewNames(lookup ReverseLookup, o CacheOptions) *Names {
	if lookup == nil {
		lookup = system().LookupAddr
	}
	return &Names{cache: newCache(o, func(ctx context.Context, a netip.Addr, current string) (string, error) {
		return reverse(ctx, lookup, a, current)
	})}
}

// Lookup returns at once what is known of an address, and has it asked for when
// that is nothing, or old. A known name that is empty tells that the address has
// none. The name is without the dot at its end, of at most 253 letters, digits,
// '-', '_' and '.'.
func (n *Names) Lookup(addr netip.Addr) (name string, known bool) {
	if !addr.IsValid() {
		return "", true
	}
	return n.cache.get(bare(addr))
}

// Wait returns when each of the addresses has been asked for, be the answer a
// failure; with the error of ctx when that is done before. It needs Run.
func (n *Names) Wait(ctx context.Context, addrs []netip.Addr) error {
	var keys []netip.Addr
	for _, a := range addrs {
		if a.IsValid() {
			keys = append(keys, bare(a))
		}
	}
	return n.cache.wait(ctx, keys)
}

// Run asks for names until ctx is done, and returns nil when the look-ups in
// flight have ended. It must not be called a second time.
func (n *Names) Run(ctx context.Context) error {
	n.cache.run(ctx)
	return nil
}

// Prove has beat called on the goroutine of Run, soon.
func (n *Names) Prove(beat func()) { n.cache.pulse.Ask(beat) }

// Stats returns the present figures.
func (n *Names) Stats() CacheStats { return n.cache.figures() }

// bare is the address as the DNS knows it: without a zone, and IPv4 as such.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// reverse asks for the names of an address and chooses one.
func reverse(ctx context.Context, lookup ReverseLookup, addr netip.Addr, current string) (string, error) {
	names, err := lookup(ctx, addr.String())
	// net.Resolver returns an error beside the names when it left bad ones out.
	if name := chooseName(names, current); name != "" {
		return name, nil
	}
	var dns *net.DNSError
	if err == nil || ctx.Err() == nil && errors.As(err, &dns) && classify(err) == otherFault {
		return "", errNoName
	}
	return "", err
}

// chooseName picks the name to show: the current one as long as it is listed,
// else the first by alphabet, because name servers turn their lists (RFC 1794).
func chooseName(names []string, current string) string {
	var valid []string
	for _, name := range names[:min(len(names), maxNames)] {
		if name = strings.TrimSuffix(name, "."); validName(name) {
			valid = append(valid, name)
		}
	}
	if slices.Contains(valid, current) {
		return current
	}
	if len(valid) == 0 {
		return ""
	}
	return slices.Min(valid)
}

// validName reports whether s is a name that can be shown, stored and compared:
// what hosts are called (RFC 1123 section 2.1), with the underscore that people
// use, within the lengths of RFC 1035 section 2.3.4.
func validName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, unusual) {
			return false
		}
	}
	return true
}

// unusual tells what no host has in its name.
func unusual(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

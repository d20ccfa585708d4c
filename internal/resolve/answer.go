// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"connmonitor/internal/vitals"
)

// maxAddresses bounds how much of an answer is looked at: a DNS message of
// 65,535 bytes (RFC 1035 section 4.2.2) holds no more A records of 16 bytes. A
// smaller bound could cut the present address out of a long list that rotates.
const maxAddresses = 4096

// Once looks a name up a single time and chooses among its addresses as a Watch
// would for its first one: the first that is listed, IPv4 before IPv6 when the
// family is any. A nil lookup asks the system's resolver. The error names the
// host; ctx bounds the time.
func Once(ctx context.Context, lookup Lookup, name string, family vitals.Family) (netip.Addr, error) {
	if lookup == nil {
		lookup = systemLookup()
	}
	addr, fault := ask(ctx, lookup, key{name, family}, netip.Addr{})
	if fault != nil {
		return netip.Addr{}, fault
	}
	return addr, nil
}

// ask looks a name up and chooses its address; current is the one in use.
func ask(ctx context.Context, lookup Lookup, k key, current netip.Addr) (netip.Addr, *failure) {
	answer, err := lookup(ctx, network(k.family), k.name)
	if err != nil {
		return netip.Addr{}, explain(ctx, lookup, k, err)
	}
	addr := choose(answer, k.family, current)
	if !addr.IsValid() {
		return netip.Addr{}, unusable(k, answer)
	}
	if k.family == vitals.FamilyAny && addr.Is6() && addr != current {
		return preferIPv4(ctx, lookup, k, addr)
	}
	return addr, nil
}

// preferIPv4 makes sure that a name has no IPv4 address before its IPv6 address
// six is taken. Go's resolver, as most do, leaves the IPv4 addresses out when
// only the question for them went wrong (SERVFAIL, a lost packet), and a target
// must not change its family for that. The question is for the absolute name:
// the search list could find an unrelated host that happens to have IPv4.
func preferIPv4(ctx context.Context, lookup Lookup, k key, six netip.Addr) (netip.Addr, *failure) {
	absolute := strings.TrimSuffix(k.name, ".") + "."
	answer, err := lookup(ctx, "ip4", absolute)
	if err != nil {
		if kind := classify(err); kind != notFound && kind != wrongFamily {
			return netip.Addr{}, &failure{key: k, kind: kind, cause: err}
		}
		return six, nil
	}
	if four := choose(answer, vitals.Family4, netip.Addr{}); four.IsValid() {
		return four, nil
	}
	return six, nil
}

// explain finds out why a look-up failed. "No such host" is also what Go's
// resolver says of a name that has addresses of the other family only.
func explain(ctx context.Context, lookup Lookup, k key, err error) *failure {
	f := &failure{key: k, kind: classify(err), cause: err}
	if f.kind == wrongFamily && k.family == vitals.FamilyAny {
		f.kind = otherFault
	}
	if f.kind != notFound || k.family == vitals.FamilyAny {
		return f
	}
	other := vitals.Family4
	if k.family == vitals.Family4 {
		other = vitals.Family6
	}
	answer, err := lookup(ctx, network(other), k.name)
	if err == nil && choose(answer, other, netip.Addr{}).IsValid() {
		f.kind = wrongFamily
	}
	return f
}

// network is how a Lookup calls the family.
func network(f vitals.Family) string {
	switch f {
	case vitals.Family4:
		return "ip4"
	case vitals.Family6:
		return "ip6"
	}
	return "ip"
}

// choose picks the address to use of those that were answered: the current one
// as long as it is among them, else the first, IPv4 before IPv6. It returns the
// zero Addr when there is none that can be used.
func choose(answer []netip.Addr, family vitals.Family, current netip.Addr) netip.Addr {
	var first4, first6 netip.Addr
	for _, a := range answer[:min(len(answer), maxAddresses)] {
		a = a.Unmap() // net.Resolver may return IPv4 addresses mapped into IPv6
		switch {
		case !usable(a, family):
		case a == current:
			return a
		case a.Is4() && !first4.IsValid():
			first4 = a
		case a.Is6() && !first6.IsValid():
			first6 = a
		}
	}
	if first4.IsValid() {
		return first4
	}
	return first6
}

// usable reports whether a is of the family and of a single host. Name servers
// that block a name answer 0.0.0.0 or ::, and hostile ones anything.
func usable(a netip.Addr, family vitals.Family) bool {
	return a.IsValid() && ofFamily(a, family) && !a.IsUnspecified() && !a.IsMulticast() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func ofFamily(a netip.Addr, family vitals.Family) bool {
	switch family {
	case vitals.Family4:
		return a.Is4()
	case vitals.Family6:
		return a.Is6()
	}
	return true
}

// unusable says what is wrong with an answer of which nothing could be chosen.
func unusable(k key, answer []netip.Addr) *failure {
	f := &failure{key: k, kind: unusableAnswer}
	if len(answer) == 0 {
		f.kind = emptyAnswer
		return f
	}
	f.sample = answer[0].Unmap()
	if slices.ContainsFunc(answer[:min(len(answer), maxAddresses)], func(a netip.Addr) bool {
		return usable(a.Unmap(), vitals.FamilyAny)
	}) {
		f.kind = wrongFamily
	}
	return f
}

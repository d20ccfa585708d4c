// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// TextLookup finds the TXT records of a name. It must return soon after ctx is
// done. The method LookupTXT of [net.Resolver] is one.
type TextLookup func(ctx context.Context, name string) ([]string, error)

// OriginZone is where AS numbers are asked for when nothing else is said: Team
// Cymru's zone. An operator of many monitors is asked to say so there first.
const OriginZone = "asn.cymru.com"

// What is asked for is a network of this many bits, the longest that providers
// accept from each other: addresses of the same one share an answer, and nobody
// is told which host it is about.
const (
	networkBits4 = 24
	networkBits6 = 48
)

// What an answer without the line that was asked for counts as: the zone is
// another's or broken, which may pass; but not every AS has a name.
var (
	errNoOrigin = &net.DNSError{Err: "the answer names no AS", IsTemporary: true}
	errNoASName = &net.DNSError{Err: "the answer has no name", IsNotFound: true}
)

// Origins keeps the AS numbers and names of addresses by asking the DNS, in the
// form that Team Cymru has made common: the TXT records of
// 0.108.90.216.origin.ZONE (in origin6.ZONE with nibbles) name the origin of
// 216.90.108.0/24, that of AS23028.ZONE the name of AS 23028. It tells a third
// party which networks are seen, so nothing should use it that was not told to.
type Origins struct {
	zone    string
	routes  *cache[netip.Prefix, route]
	asNames *cache[uint32, string]
}

// NewOrigins makes an Origins that asks nothing until Run. An empty zone is
// OriginZone; a nil lookup asks the system's resolver. The bounds of o hold for
// the networks and for the names of ASes, each for itself.
func NewOrigins(lookup TextLookup, zone string, o CacheOptions) *Origins {
	if lookup == nil {
		lookup = system().LookupTXT
	}
	if zone == "" {
		zone = OriginZone
	}
	g := &Origins{zone: "." + strings.Trim(zone, ".") + "."}
	g.routes = newCache(o, func(ctx context.Context, network netip.Prefix, _ route) (route, error) {
		return g.route(ctx, lookup, network)
	})
	g.asNames = newCache(o, func(ctx context.Context, number uint32, _ string) (string, error) {
		return g.asName(ctx, lookup, number)
	})
	return g
}

// Lookup returns at once what is known of an address, and has asked for what is
// not, or is old. It is known when both the number and the name are, be it that
// there are none; what is known of it is in the AS before. Of addresses that are
// no AS's - private, shared, link-local, loopback, documentation, multicast -
// that is known, and nobody is asked.
func (g *Origins) Lookup(addr netip.Addr) (as AS, known bool) {
	network, ok := networkOf(addr)
	if !ok {
		return AS{}, true
	}
	r, known := g.routes.get(network)
	if len(r.origins) == 0 || !r.prefix.Contains(bare(addr)) {
		return AS{}, known
	}
	name, named := g.asNames.get(r.origins[0])
	others := append([]uint32(nil), r.origins[1:]...) // the caller's own
	return AS{Number: r.origins[0], Name: name, Prefix: r.prefix, Others: others}, named
}

// Wait returns when number and name of each of the addresses have been asked
// for, be the answer a failure; with the error of ctx when that is done before.
// It needs Run.
func (g *Origins) Wait(ctx context.Context, addrs []netip.Addr) error {
	var keys []netip.Prefix
	for _, a := range addrs {
		if n, ok := networkOf(a); ok {
			keys = append(keys, n)
		}
	}
	if err := g.routes.wait(ctx, keys); err != nil {
		return err
	}
	var named []uint32
	for _, k := range keys {
		if r, _ := g.routes.get(k); len(r.origins) > 0 {
			named = append(named, r.origins[0])
		}
	}
	return g.asNames.wait(ctx, named)
}

// Run asks until ctx is done, and returns nil when the look-ups in flight have
// ended. It must not be called a second time.
func (g *Origins) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { g.routes.run(ctx) })
	g.asNames.run(ctx)
	loops.Wait()
	return nil
}

// Prove has beat called on the goroutine of one loop of Run when the other has
// proved that it runs, soon.
func (g *Origins) Prove(beat func()) {
	g.routes.pulse.Ask(func() { g.asNames.pulse.Ask(beat) })
}

// Stats returns the present figures of the networks and of the names of ASes.
func (g *Origins) Stats() (networks, names CacheStats) {
	return g.routes.figures(), g.asNames.figures()
}

// networkOf is the network to ask for; !ok when the address is no AS's.
func networkOf(a netip.Addr) (network netip.Prefix, ok bool) {
	a = bare(a)
	if !a.IsValid() || !public(a) {
		return netip.Prefix{}, false
	}
	bits := networkBits6
	if a.Is4() {
		bits = networkBits4
	}
	return netip.PrefixFrom(a, bits).Masked(), true
}

// route asks who announces a network.
func (g *Origins) route(ctx context.Context, lookup TextLookup, network netip.Prefix) (route, error) {
	texts, err := lookup(ctx, originName(network)+g.zone)
	if err != nil {
		return route{}, err
	}
	if r, ok := chooseRoute(texts, network); ok {
		return r, nil
	}
	return route{}, errNoOrigin
}

// asName asks for the name of an AS.
func (g *Origins) asName(ctx context.Context, lookup TextLookup, number uint32) (string, error) {
	texts, err := lookup(ctx, fmt.Sprint("AS", number, g.zone))
	if err != nil {
		return "", err
	}
	if name := chooseASName(texts, number); name != "" {
		return name, nil
	}
	return "", errNoASName
}

// originName is the first address of a network in the form of a reverse zone
// (RFC 1035 section 3.5, RFC 3596 section 2.5). All its labels are there, though
// some servers do without those of the host, because others may not.
func originName(network netip.Prefix) string {
	a := network.Addr()
	if a.Is4() {
		b := a.As4()
		return fmt.Sprintf("%d.%d.%d.%d.origin", b[3], b[2], b[1], b[0])
	}
	nibbles := strings.Split(hex.EncodeToString(a.AsSlice()), "")
	slices.Reverse(nibbles)
	return strings.Join(nibbles, ".") + ".origin6"
}

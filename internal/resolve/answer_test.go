// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

func TestChoose(t *testing.T) {
	none := netip.Addr{}
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	loopback := netip.MustParseAddr("127.0.0.1")
	bad := []netip.Addr{
		none, netip.IPv4Unspecified(), netip.IPv6Unspecified(),
		netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("ff02::1"),
		netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("::ffff:0.0.0.0"),
	}
	scoped := netip.MustParseAddr("fe80::1%eth0")
	tests := []struct {
		name    string
		answer  []netip.Addr
		family  vitals.Family
		current netip.Addr
		want    netip.Addr
	}{
		{"nothing", nil, vitals.FamilyAny, none, none},
		{"nothing keeps nothing", nil, vitals.FamilyAny, four1, none},
		{"the first", []netip.Addr{four2, four1}, vitals.FamilyAny, none, four2},
		{"IPv4 before IPv6", []netip.Addr{six1, four2, four1}, vitals.FamilyAny, none, four2},
		{"IPv6 alone", []netip.Addr{six2, six1}, vitals.FamilyAny, none, six2},
		{"only IPv4", []netip.Addr{six1, four1}, vitals.Family4, none, four1},
		{"only IPv6", []netip.Addr{four1, six1}, vitals.Family6, none, six1},
		{"no IPv4", []netip.Addr{six1}, vitals.Family4, none, none},
		{"no IPv6", []netip.Addr{four1}, vitals.Family6, none, none},
		{"the current one", []netip.Addr{four2, four3, four1}, vitals.FamilyAny, four1, four1},
		{"the current one, IPv6", []netip.Addr{four1, six1, six2}, vitals.FamilyAny, six2, six2},
		{"the current one is gone", []netip.Addr{four2, four3}, vitals.FamilyAny, four1, four2},
		{"IPv4 mapped into IPv6", []netip.Addr{mapped}, vitals.Family4, none, four1},
		{"the current one, mapped", []netip.Addr{four2, mapped}, vitals.FamilyAny, four1, four1},
		{"loopback", []netip.Addr{loopback}, vitals.FamilyAny, none, loopback},
		{"a scope", []netip.Addr{scoped}, vitals.FamilyAny, none, scoped},
		{"unusable", bad, vitals.FamilyAny, none, none},
		{"unusable and usable", append(slices.Clone(bad), four1), vitals.FamilyAny, none, four1},
		{"flood", append(slices.Repeat(bad, maxAddresses), four1), vitals.FamilyAny, none, none},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := choose(test.answer, test.family, test.current); got != test.want {
				t.Errorf("choose = %v, want %v", got, test.want)
			}
		})
	}
}

func TestOnce(t *testing.T) {
	z := newZone()
	z.set("both", six1, four1, four2)
	z.set("four", four1)
	z.set("six", six1)
	z.set("six.", six1)
	z.set("search", six1) // found by the search list, so that "search." does not exist
	z.set("half", six1)
	z.fail("ip4 half.", errServer)
	z.set("mended", six1)
	z.set("mended.", four1)
	z.set("blocked", netip.IPv4Unspecified())
	z.fail("down", errServer)
	z.fail("mute", errTimeout)
	z.fail("late", context.DeadlineExceeded)
	z.fail("odd", errors.New("no permission"))
	z.fail("hosts6", &net.AddrError{Err: "no suitable address", Addr: "hosts6"})
	z.fail("refused", &net.DNSError{Err: "dial udp 192.0.2.53:53: connect: connection refused", Server: "192.0.2.53:53"})
	tests := []struct {
		name   string
		family vitals.Family
		want   netip.Addr
		err    string
	}{
		{"both", vitals.FamilyAny, four1, ""},
		{"both", vitals.Family4, four1, ""},
		{"both", vitals.Family6, six1, ""},
		{"six", vitals.FamilyAny, six1, ""},
		{"search", vitals.FamilyAny, six1, ""},
		{"mended", vitals.FamilyAny, four1, ""},
		{"six", vitals.Family4, netip.Addr{}, `"six" has no IPv4 address, only IPv6`},
		{"four", vitals.Family6, netip.Addr{}, `"four" has no IPv6 address, only IPv4`},
		{"hosts6", vitals.Family6, netip.Addr{}, `"hosts6" has no IPv6 address, only IPv4`},
		{"hosts6", vitals.FamilyAny, netip.Addr{}, `resolve "hosts6": address hosts6: no suitable address`},
		{"foo", vitals.FamilyAny, netip.Addr{}, `resolve "foo": no such host; check the spelling`},
		{"foo", vitals.Family6, netip.Addr{}, `resolve "foo": no such host; check the spelling`},
		{"a\x1b\n\xff", vitals.Family4, netip.Addr{}, `resolve "a\x1b\n\xff": no such host; check the spelling`},
		{"half", vitals.FamilyAny, netip.Addr{}, `resolve "half": name server 192.0.2.53:53 failed (server misbehaving); check it or set another in /etc/resolv.conf`},
		{"down", vitals.Family4, netip.Addr{}, `resolve "down": name server 192.0.2.53:53 failed (server misbehaving); check it or set another in /etc/resolv.conf`},
		{"refused", vitals.FamilyAny, netip.Addr{}, `resolve "refused": name server 192.0.2.53:53 failed (dial udp 192.0.2.53:53: connect: connection refused); check it or set another in /etc/resolv.conf`},
		{"mute", vitals.FamilyAny, netip.Addr{}, `resolve "mute": no answer from name server 192.0.2.53:53 in time; check the network and /etc/resolv.conf`},
		{"late", vitals.FamilyAny, netip.Addr{}, `resolve "late": no answer from the name server in time; check the network and /etc/resolv.conf`},
		{"odd", vitals.FamilyAny, netip.Addr{}, `resolve "odd": no permission`},
		{"blocked", vitals.FamilyAny, netip.Addr{}, `resolve "blocked": the answer lists only addresses that cannot be probed (0.0.0.0); does the name server block the name?`},
	}
	for _, test := range tests {
		got, err := Once(t.Context(), z.lookup, test.name, test.family)
		if got != test.want || text(err) != test.err {
			t.Errorf("Once(%q, %d) = %v, %v, want %v, %v", test.name, test.family, got, err, test.want, test.err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Answers that net.Resolver does not give, but another Lookup might.
func TestOnceWithOddLookups(t *testing.T) {
	answers := func(addrs ...netip.Addr) Lookup {
		return func(context.Context, string, string) ([]netip.Addr, error) { return addrs, nil }
	}
	tests := []struct {
		lookup Lookup
		family vitals.Family
		err    string
	}{
		{answers(), vitals.FamilyAny, `resolve "name": the answer lists no address`},
		{answers(four1), vitals.Family6, `"name" has no IPv6 address, only IPv4`},
		{answers(six1), vitals.Family4, `"name" has no IPv4 address, only IPv6`},
		{answers(netip.IPv4Unspecified()), vitals.Family6, `resolve "name": the answer lists only addresses that cannot be probed (0.0.0.0); does the name server block the name?`},
	}
	for i, test := range tests {
		if _, err := Once(t.Context(), test.lookup, "name", test.family); text(err) != test.err {
			t.Errorf("%d: error %v, want %v", i, err, test.err)
		}
	}
}

func TestOnceEndsWithItsContext(t *testing.T) {
	z := newZone()
	z.delay = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Once(ctx, z.lookup, "name", vitals.FamilyAny); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// The system's resolver finds localhost in the hosts file, without the DNS.
func TestOnceReadsTheHostsFile(t *testing.T) {
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil || !regexp.MustCompile(`(?m)^127\.0\.0\.1\s.*\blocalhost\b`).Match(hosts) {
		t.Skip("/etc/hosts has no line for 127.0.0.1 localhost")
	}
	for _, family := range []vitals.Family{vitals.FamilyAny, vitals.Family4} {
		got, err := Once(t.Context(), nil, "localhost", family)
		if err != nil || got != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("Once(localhost, %d) = %v, %v, want 127.0.0.1", family, got, err)
		}
	}
	if regexp.MustCompile(`(?m)^[^#\s]*:[^#]*\blocalhost\b`).Match(hosts) {
		return
	}
	if got, err := Once(t.Context(), nil, "localhost", vitals.Family6); text(err) != `"localhost" has no IPv6 address, only IPv4` {
		t.Errorf("Once(localhost, 6) = %v, %v", got, err)
	}
}

// Whatever is answered, what is chosen was answered, can be used, is of the
// family, and is the current address when that was listed.
func FuzzChoose(f *testing.F) {
	f.Add([]byte{4, 192, 0, 2, 1}, uint8(4), uint8(0))
	f.Add([]byte{7, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0}, uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, fam, at uint8) {
		family := []vitals.Family{vitals.FamilyAny, vitals.Family4, vitals.Family6}[fam%3]
		answer := addresses(data)
		current := netip.Addr{}
		if int(at) < len(answer) {
			current = answer[at].Unmap()
		}
		got := choose(answer, family, current)
		if !got.IsValid() {
			if slices.ContainsFunc(answer, func(a netip.Addr) bool { return usable(a.Unmap(), family) }) {
				t.Fatalf("nothing chosen of %v", answer)
			}
			return
		}
		if !slices.ContainsFunc(answer, func(a netip.Addr) bool { return a.Unmap() == got }) {
			t.Fatalf("%v was not answered in %v", got, answer)
		}
		if !usable(got, family) || got.Is4In6() {
			t.Fatalf("%v is not usable for family %d", got, family)
		}
		if usable(current, family) && got != current {
			t.Fatalf("%v replaced %v, which %v lists", got, current, answer)
		}
	})
}

// addresses reads addresses, each after a byte that is even for IPv4.
func addresses(data []byte) []netip.Addr {
	var list []netip.Addr
	for len(data) > 0 && len(list) < maxAddresses {
		size := 4
		if data[0]%2 != 0 {
			size = 16
		}
		if len(data) <= size {
			break
		}
		a, _ := netip.AddrFromSlice(data[1 : 1+size])
		list, data = append(list, a), data[1+size:]
	}
	return list
}

// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"connmonitor/internal/netlab"
)

// refused are hosts of the farm that a firewall in the client refuses: EPERM
// from netfilter's output, ENOBUFS from just above the device, as a queueing
// discipline that drops gives it.
var (
	refused = map[syscall.Errno][2]netip.Addr{
		syscall.EPERM:   {netip.MustParseAddr("10.99.9.9"), netip.MustParseAddr("fd99::99")},
		syscall.ENOBUFS: {netip.MustParseAddr("10.99.8.8"), netip.MustParseAddr("fd99::88")},
	}
	firewall = `table inet refuse {
	chain output {
		type filter hook output priority 0;
		ip daddr 10.99.9.9 drop
		ip6 daddr fd99::99 drop
	}
}
table netdev refuse {
	chain egress {
		type filter hook egress device %q priority 0;
		ip daddr 10.99.8.8 drop
		ip6 daddr fd99::88 drop
	}
}`
)

// TestStampNumbersStayRight: probes that the kernel refuses in between do not
// shift the transmit stamps of the others, whether the kernel takes a number
// with each message or counts by itself.
func TestStampNumbersStayRight(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings()
	top.Client.NFT(fmt.Sprintf(firewall, top.Links[0].A.Device))
	for _, counted := range []bool{false, true} {
		for _, kind := range []Kind{Raw, Datagram, UDP} {
			for errno, hosts := range refused {
				families(t, top, func(t *testing.T, v6 bool, to netip.Addr) {
					s := open(t, top.Client, Options{IPv6: v6, Kind: kind, Buffer: 1 << 20})
					switch {
					case counted:
						countBySelf(s)
					case !s.ids:
						t.Skip("Linux before 6.13 takes no stamp numbers")
					}
					refusedInBetween(t, s, to, hosts[index(v6)], errno)
				})
			}
		}
	}
}

func index(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// refusedInBetween sends three batches of good and refused probes before it
// reads a single stamp.
func refusedInBetween(t *testing.T, s *Socket, good, bad netip.Addr, errno syscall.Errno) {
	t.Helper()
	var ps []Packet
	for seq := range uint16(30) {
		to := good
		if seq%7 == 3 || seq%10 == 5 {
			to = bad
		}
		ps = append(ps, probe(t, s, to, seq, 0))
	}
	var want []uint32
	for rest := ps; len(rest) > 0; {
		n, err := s.Send(rest)
		for _, p := range rest[:n] {
			want = append(want, p.Stamp)
		}
		rest = rest[n:]
		if err == nil && len(rest) == 20 && rest[0].To == addr(t, bad) {
			rest = rest[1:] // without asking why: it might have been for the moment
		} else if errors.Is(err, errno) && rest[0].To == addr(t, bad) {
			rest = rest[1:]
		} else if err != nil && !errors.Is(err, syscall.ECONNREFUSED) { // which is of an earlier one
			t.Fatalf("to %s: %v", rest[0].To.Netip(s.opt.IPv6), err)
		}
	}
	if s.info.Kind == Datagram && s.opt.IPv6 && len(want) == len(ps) {
		// Linux does not tell there what became of a packet behind the routing
		// (measured on 6.18), but numbers it all the same.
		want = slices.DeleteFunc(want, func(id uint32) bool { return ps[id-1000].To == addr(t, bad) })
	}
	c := collect(t, s)
	stamps := c.reported(OriginTransmit, len(want))
	var got []uint32
	for i, r := range stamps {
		got = append(got, r.ID)
		if r.Stamp == 0 || i > 0 && r.Stamp < stamps[i-1].Stamp {
			t.Errorf("stamp %d is %d, before it %d", i, r.Stamp, stamps[max(0, i-1)].Stamp)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("stamps of %v, want %v", got, want)
	}
	if s.info.Kind == UDP {
		return
	}
	c.received(len(want))
}

// TestPain09CountedNumbersWrap: the kernel's own numbers are of 32 bits, which
// are used up within five days at 10,000 probes a second.
func TestPain09CountedNumbersWrap(t *testing.T) {
	s := &Socket{info: Info{Stamps: true}, next: ^uint32(0) - 99}
	countBySelf(s)
	for sent := uint32(0); sent < 300; sent += 50 {
		for i := range 50 {
			s.number(i, 7000+sent+uint32(i))
		}
		s.numbered(50, false)
	}
	if s.next != 200 {
		t.Errorf("next number %d, want 200", s.next)
	}
	for i := range uint32(300) {
		if n := ^uint32(0) - 99 + i; s.stampID(n) != 7000+i {
			t.Errorf("number %d is %d, want %d", n, s.stampID(n), 7000+i)
		}
	}
}

func TestKernelAtLeast(t *testing.T) {
	for _, test := range []struct {
		major, minor int
		want         bool
	}{{2, 6, true}, {3, 0, true}, {99, 0, false}} {
		if got := kernelAtLeast(test.major, test.minor); got != test.want {
			t.Errorf("kernel at least %d.%d: %v", test.major, test.minor, got)
		}
	}
}

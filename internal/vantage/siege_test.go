// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// oneWay is the delay of the line between attacker and server.
const oneWay = 10 * time.Millisecond

// siege is a network with an attacker on the way: client, attacker, server.
// Hosts with odd numbers are dead.
type siege struct {
	t        *testing.T
	top      *netlab.Topology
	attacker *attacker
	mu       sync.Mutex
	plans    map[netip.Addr]func(s *seen) error
	taken    map[uint16]bool // identifiers
}

func besiege(t *testing.T) *siege {
	top := netlab.Chain(t, 2, netlab.OnLinks(netlab.LineConfig{Delay: oneWay}, 1))
	top.Server.NFT(`table inet dead {
	chain input {
		type filter hook input priority 0;
		ip daddr & 0.0.0.1 == 0.0.0.1 ip daddr 10.98.0.0/16 drop
		ip6 daddr & ::1 == ::1 ip6 daddr fd98::/64 drop
	}
}`)
	s := &siege{t: t, top: top, plans: map[netip.Addr]func(*seen) error{}, taken: map[uint16]bool{}}
	s.attacker = attack(t, top.Links[0].B, top.Links[0].A)
	ended := make(chan error, 1)
	go func() { ended <- s.attacker.watch(s.answer) }()
	t.Cleanup(func() {
		_ = s.attacker.file.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// on tells what to do with the probes to a host.
func (s *siege) on(host netip.Addr, plan func(*seen) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plans[host] = plan
}

func (s *siege) answer(p *seen) {
	s.mu.Lock()
	plan := s.plans[p.dst]
	s.mu.Unlock()
	if plan == nil {
		return
	}
	if err := plan(p); err != nil {
		s.t.Error(err)
	}
}

func (s *siege) host(v6 bool, i int) netip.Addr {
	if v6 {
		return s.top.Host6(i)
	}
	return s.top.Host4(i)
}

// run runs a Point of whose identifiers nobody else's forgery makes use.
func (s *siege) run() *bench {
	for {
		b := run(s.t, s.top.Client, Options{})
		mine := map[uint16]bool{}
		for _, v6 := range both {
			id := b.point.Can(v6).Info.ID
			mine[id], mine[id^otherID<<8] = true, true
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(mine)), func(id uint16) bool { return s.taken[id] }) {
			maps.Copy(s.taken, mine)
			return b
		}
	}
}

// probes is how many pings each host of a siege gets.
const probes = 5

// assault is a trick that is tried on all pings of one Point: of a living and a
// dead host of each family, whose keys are 0 and 1, and for IPv6 2 and 3.
type assault struct {
	*bench
	trick trick
	sent  [2]atomic.Int64 // forgeries, by family
}

func (s *siege) try(i int, trick trick) *assault {
	a := &assault{bench: s.run(), trick: trick}
	for family, v6 := range both {
		for k := range 2 {
			host := s.host(v6, 4*i+4+k)
			s.on(host, func(p *seen) error {
				f := p.reply()
				trick.bend(f)
				err := s.attacker.inject(v6, f.packets()...)
				a.sent[family].Add(1)
				return err
			})
			a.add(uint32(2*family+k), host, settings(trick.size))
		}
	}
	return a
}

// settings are for one burst, of which what is lost is lost soon. The pings are
// so far apart that a hundred loops beside each other have few ticks.
func settings(size int) vitals.Settings {
	s := pings(probes, time.Hour)
	s.Interval, s.Timeout = 20*time.Millisecond, 2*time.Second
	if size > 0 {
		s.Payload = size
	}
	return s
}

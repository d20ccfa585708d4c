// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"slices"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/vitals"
)

// TestHostilePackets: an attacker who sees all our probes, and is nearer than
// the hosts, forges an answer to each. Whatever it is but the very truth, the
// dead host is lost, the living one has its own RTT, and the loop's account
// tells of every forgery that the kernel let pass.
func TestHostilePackets(t *testing.T) {
	t.Parallel()
	all := assail(t, forged()...)
	for _, a := range all {
		for _, s := range a.probes() {
			if s.Drops > 0 {
				t.Errorf("%s: %+v", a.trick.name, s)
			}
		}
	}
}

// TestDamagedPackets: the same of answers with a wrong checksum. The kernel
// hands them to raw IPv4 sockets all the same. It counts those of ICMPv6 as
// dropped by every raw socket, before a filter is asked: that is none of our
// own faults, and the dead host is lost.
func TestDamagedPackets(t *testing.T) {
	t.Parallel()
	assail(t, damaged...)
}

func assail(t *testing.T, tricks ...trick) []*assault {
	s := besiege(t)
	var all []*assault
	for i, trick := range tricks {
		all = append(all, s.try(i, trick))
	}
	for _, a := range all {
		t.Run(a.trick.name, func(t *testing.T) {
			for i, v6 := range both {
				living, dead := a.of(t, uint32(2*i), 1), a.of(t, uint32(2*i+1), 1)
				wantGenuine(t, living[0])
				wantLost(t, dead[0])
				wantAccount(t, a, i, v6)
			}
		})
	}
	return all
}

// wantGenuine checks that a burst was answered from behind the line.
func wantGenuine(t *testing.T, r result) {
	t.Helper()
	wantWhole(t, r, probes)
	if least := vitals.Milliseconds(2 * oneWay); r.Ping.Received > 0 && r.Ping.Min < least {
		t.Errorf("target %d: an RTT of %v ms over a line of %v ms", r.Key, r.Ping.Min, least)
	}
}

// wantLost checks that a burst was lost, and nothing else.
func wantLost(t *testing.T, r result) {
	t.Helper()
	if p := r.Ping; p.Sent != probes || p.Lost() != probes || p.Unknown+p.Unreachable+p.Late+p.Duplicate != 0 {
		t.Errorf("target %d is dead: %+v, cause %v", r.Key, p, r.Cause)
	}
}

// wantAccount checks that the loop has told of every forgery that got through
// to it, and of nothing else.
func wantAccount(t *testing.T, a *assault, family int, v6 bool) {
	t.Helper()
	want := uint64(0)
	if a.trick.passes[family] {
		want = 2 * probes
	}
	var s prober.Stats
	rejected := func() uint64 { return s.Strays + s.Forged + s.Malformed }
	for deadline := time.Now().Add(hang); ; time.Sleep(time.Millisecond) {
		s = a.point.Stats()[family].Probes
		if t.Failed() || a.sent[family].Load() == 2*probes && s.Received >= probes+want || time.Now().After(deadline) {
			break
		}
	}
	if rejected() != want || s.Received != s.Replied+want || s.Replied != probes || s.Lost != probes || s.Duplicates+s.ReceiveErrors != 0 {
		t.Errorf("IPv6 %v: %d forgeries were sent, %d should be told of: %+v", v6, a.sent[family].Load(), want, s)
	}
}

// TestGenuineInOtherForms: a true reply is one also when it comes in fragments
// or with options, and is one only however often it comes.
func TestGenuineInOtherForms(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	forms := []struct {
		name  string
		form  func(f *forgery)
		times int
	}{
		{"plain", func(*forgery) {}, 1},
		{"in fragments", func(f *forgery) { f.fragment = 8 }, 1},
		{"in two fragments", func(f *forgery) { f.fragment = 32 }, 1},
		{"no operation", func(f *forgery) { f.options([]byte{1, 1, 1, 0}) }, 1},
		{"record route", func(f *forgery) { f.options(recordRoute) }, 1},
		{"options in fragments", func(f *forgery) { f.options([]byte{1, 1, 1, 0}); f.fragment = 24 }, 1},
		{"twice", func(*forgery) {}, 2},
	}
	var all []*bench
	for i, form := range forms {
		b := s.run()
		for family, v6 := range both {
			host := s.host(v6, 2*i+1)
			s.on(host, func(p *seen) error {
				f := p.reply()
				form.form(f)
				return s.attacker.inject(v6, slices.Repeat(f.packets(), form.times)...)
			})
			b.add(uint32(family), host, settings(0))
			// A dead host keeps the loop reading when all the others are done.
			b.add(uint32(2+family), s.host(v6, 101), settings(0))
		}
		all = append(all, b)
	}
	for i, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			for family := range both {
				r := all[i].of(t, uint32(family), 1)[0]
				duplicates := r.Ping.Duplicate
				r.Ping.Duplicate = 0
				wantWhole(t, r, probes)
				if form.times == 1 && duplicates > 0 {
					t.Errorf("%d duplicates", duplicates)
				}
				want := uint64(probes * (form.times - 1))
				if s := all[i].told(t, family, want); s.Duplicates != want || s.Strays != 0 {
					t.Errorf("%d duplicates are wanted: %+v", want, s)
				}
			}
			all[i].account()
		})
	}
}

// TestReplayedReplies: a true reply that comes again when its probe is long
// over answers nothing, and is no duplicate, whatever is in flight in its place.
func TestReplayedReplies(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	b := s.run()
	var old [4][][]byte // by key: living and dead of IPv4, of IPv6
	var watches [4]*Watch
	for key := range old {
		v6 := key >= 2
		host := s.host(v6, 4+key%2)
		s.on(host, func(p *seen) error { old[key] = append(old[key], p.reply().packets()...); return nil })
		one := settings(0)
		one.Form, one.Timeout = vitals.Bundled, time.Second
		watches[key] = b.add(uint32(key), host, one)
	}
	judge := func(n int) {
		for key := range old {
			r := b.of(t, uint32(key), n)[n-1]
			if key%2 == 1 {
				wantLost(t, r)
				continue
			}
			wantGenuine(t, r)
		}
	}
	for _, w := range watches {
		round(w)
	}
	judge(1)
	s.replay(&old)
	for _, w := range watches {
		round(w)
	}
	judge(2)
	for family, v6 := range both {
		stats := b.told(t, family, 2*probes)
		if stats.Strays+stats.Forged != 2*probes || stats.Duplicates+stats.Malformed+stats.Drops != 0 {
			t.Errorf("IPv6 %v: %+v", v6, stats)
		}
	}
}

// told waits until a loop has told of n packets that it did not accept.
func (b *bench) told(t *testing.T, family int, n uint64) (s prober.Stats) {
	t.Helper()
	for deadline := time.Now().Add(hang); !t.Failed() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s = b.probes()[family]
		if s.Strays+s.Forged+s.Malformed+s.Duplicates >= n {
			break
		}
	}
	return s
}

// replay answers every probe to come with an old reply of the same host.
func (s *siege) replay(old *[4][][]byte) {
	for key := range old {
		v6 := key >= 2
		next := 0
		s.on(s.host(v6, 4+key%2), func(*seen) error {
			next++
			return s.attacker.inject(v6, old[key][next-1])
		})
	}
}

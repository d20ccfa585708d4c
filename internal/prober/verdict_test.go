// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/wire"
)

const plain = `
router r1 10.1.0.1
router r2 10.1.0.2 unreachable 13
router r3 10.1.0.3
host 10.0.0.1 rtt 20ms
host 10.0.0.2 rtt 20ms dead
host 10.0.0.3 rtt 20ms
host 10.0.0.4 rtt 1001ms
host 10.0.0.5 rtt 20ms duplicate 1
host 10.0.0.6 rtt 20ms refuse EPERM
host 10.0.0.7 local 5ms
host 10.0.0.8 rtt 1500ms
path 10.0.0.1 r1@5ms r3@9ms
path 10.0.0.3 r1@5ms r2@7ms
router s1 2001:db8:1::1
router s2 2001:db8:1::2 unreachable 1
host 2001:db8::1 rtt 20ms
host 2001:db8::2 rtt 20ms dead
host 2001:db8::3 rtt 20ms
path 2001:db8::1 s1@5ms
path 2001:db8::3 s1@5ms s2@7ms
`

func TestVerdicts(t *testing.T) {
	inLab(t, prober.Options{}, plain, func(b *lab) {
		b.want(3, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
		b.want(3, probe("10.0.0.2"), prober.Lost, 0)
		b.want(3, probe("10.0.0.99"), prober.Lost, 0)
		b.want(3, probe("10.0.0.4"), prober.Late, 1001*time.Millisecond)
		b.want(3, probe("10.0.0.8"), prober.Lost, 0) // its reply comes when nobody waits: a stray
		r := b.want(3, probe("10.0.0.3"), prober.Unreachable, 7*time.Millisecond)[0]
		if r.Type != wire.TypeDestinationUnreachable || r.Code != 13 || r.From != probe("10.1.0.2").To || r.Local {
			t.Errorf("unreachable: %+v", r)
		}
		if r := b.want(1, probe("10.0.0.6"), prober.Unknown, 0)[0]; r.Errno != syscall.EPERM {
			t.Errorf("refused: %+v", r)
		}
		if r := b.want(1, probe("10.0.0.7"), prober.Unreachable, 0)[0]; !r.Local {
			t.Errorf("no neighbour: %+v", r)
		}
		p := probe("10.0.0.1")
		p.TTL = 2
		if r := b.want(2, p, prober.Expired, 9*time.Millisecond)[0]; r.From != probe("10.1.0.3").To {
			t.Errorf("expired: %+v", r)
		}
		p.TTL = 3
		b.want(2, p, prober.Replied, 20*time.Millisecond)
		time.Sleep(2 * time.Second)
		if s := b.loop.Stats(); s.Strays != 3 || s.Forged+s.Malformed != 0 {
			t.Errorf("stats %+v", s)
		}
		if n := b.net.Outstanding(); n != 0 {
			t.Errorf("%d packets were not read", n)
		}
	})
}

func TestVerdictsIPv6(t *testing.T) {
	inLab(t, prober.Options{IPv6: true}, plain, func(b *lab) {
		b.want(3, probe("2001:db8::1"), prober.Replied, 20*time.Millisecond)
		b.want(3, probe("2001:db8::2"), prober.Lost, 0)
		if r := b.want(3, probe("2001:db8::3"), prober.Unreachable, 7*time.Millisecond)[0]; r.Code != 1 || r.Local {
			t.Errorf("unreachable: %+v", r)
		}
		p := probe("2001:db8::1")
		p.TTL = 1
		b.want(2, p, prober.Expired, 5*time.Millisecond)
		p.Size = 8
		b.want(2, p, prober.Expired, 5*time.Millisecond)
	})
}

// TestDefect1DeadHostBesideLiving: a dead host's deadline is its own; also
// pain 5.
func TestDefect1DeadHostBesideLiving(t *testing.T) {
	inLab(t, prober.Options{}, plain, func(b *lab) {
		dead := b.send(1, probe("10.0.0.2"))
		for range 100 {
			b.send(1, probe("10.0.0.1"))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		b.mu.Lock()
		defer b.mu.Unlock()
		if rs := b.results[dead]; len(rs) != 1 || rs[0].Verdict != prober.Lost {
			t.Errorf("after its time-out the dead host's probe has %+v", rs)
		}
		if n := len(b.results); n < 100 {
			t.Errorf("%d verdicts of 101", n)
		}
	})
}

// TestDefect4DuplicatesCountOnce, also pain 11: further replies are told as
// such and change nothing; and one late beyond its deadline is a stray.
func TestDefect4DuplicatesCountOnce(t *testing.T) {
	inLab(t, prober.Options{}, plain, func(b *lab) {
		b.send(1, probe("10.0.0.2")) // or the loop would sleep when the last has its verdict
		b.want(50, probe("10.0.0.5"), prober.Replied, 20*time.Millisecond)
		if s := b.loop.Stats(); s.Duplicates != 50 || s.Replied != 50 {
			t.Errorf("stats %+v", s)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.results, 0)
		for tag, rs := range b.results {
			if len(rs) != 2 || rs[1].Verdict != prober.Duplicate {
				t.Errorf("probe %d: %+v", tag, rs)
			}
		}
		b.results[0] = []prober.Result{{Verdict: prober.Lost}}
	})
}

// TestDefect3SameIdentifier, also pain 1: two loops get each other's replies,
// as two raw sockets do, and each takes its own only.
func TestDefect3SameIdentifier(t *testing.T) {
	inLab(t, prober.Options{}, plain, func(b *lab) {
		other := &lab{t: t, net: b.net, results: map[uint32][]prober.Result{}}
		other.loop = prober.New(prober.Options{Clock: b.net.Clock, OpenSocket: b.net.OpenSocket})
		other.id = other.loop.Attach(other)
		if err := other.loop.Open(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- other.loop.Run(b.t.Context()) }()
		for range 20 {
			b.send(5, probe("10.0.0.1"))
			other.send(5, probe("10.0.0.1"))
			time.Sleep(7 * time.Millisecond)
		}
		other.settle()
		other.loop.Drain()
		if err := <-done; err != nil {
			t.Error(err)
		}
		other.check()
		b.settle()
		for _, l := range []*lab{b, other} {
			if s := l.loop.Stats(); s.Replied != 100 || s.Strays == 0 || s.Forged != 0 {
				t.Errorf("stats %+v", s)
			}
		}
	})
}

// TestDefect5PayloadIsSent: of the size asked for, and a reply of another size
// is none.
func TestDefect5PayloadIsSent(t *testing.T) {
	for _, size := range []int{1, 2, 7, 8, 15, 16, 17, 41, 1337, 1528, 1529, 9000, 65507} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprint(size, v6), func(t *testing.T) {
				inLab(t, prober.Options{IPv6: v6}, plain, func(b *lab) {
					p := probe("10.0.0.1")
					if v6 {
						p = probe("2001:db8::1")
					}
					p.Size = size
					b.want(3, p, prober.Replied, 20*time.Millisecond)
				})
			})
		}
	}
}

// TestShortPayloads are matched by identifier, sequence and address: none of
// another host's, or of another size, is taken.
func TestShortPayloads(t *testing.T) {
	for size := 1; size < 16; size++ {
		for _, kind := range []string{"id", "sequence", "source", "longer", "shorter", "empty"} {
			scenario := fmt.Sprintf("host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 rtt 20ms dead\n"+
				"forge 10.0.0.1 %s 1\nforge 10.0.0.2 %s 1", kind, kind)
			inLab(t, prober.Options{}, scenario, func(b *lab) {
				p, dead := probe("10.0.0.1"), probe("10.0.0.2")
				p.Size, dead.Size = size, size
				b.send(20, dead)
				b.want(20, p, prober.Replied, 20*time.Millisecond)
				b.settle()
				if s := b.loop.Stats(); s.Lost != 20 || s.Strays+s.Forged < 40 {
					t.Errorf("size %d, %s: %+v", size, kind, s)
				}
			})
		}
	}
}

// TestNeverLeft: where probes are stamped as they leave, one that was not, and is
// not answered, has not left: it is no loss of the network.
func TestNeverLeft(t *testing.T) {
	const scenario = "host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 dead"
	inLab(t, prober.Options{}, scenario, func(b *lab) {
		p := probe("10.0.0.2")
		p.Stamps = true
		b.want(3, p, prober.Lost, 0) // they have left
		if r := b.want(3, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)[0]; !r.Stamped {
			t.Errorf("%+v", r)
		}
		b.apply("unstamped tx")
		if r := b.want(3, p, prober.Unknown, 0)[0]; r.Errno != syscall.ENETDOWN {
			t.Errorf("%+v", r)
		}
		b.want(3, probe("10.0.0.2"), prober.Lost, 0) // nothing says that they should be stamped
		p.To = probe("10.0.0.1").To
		if r := b.want(3, p, prober.Replied, -1)[0]; r.Stamped {
			t.Errorf("%+v", r)
		}
	})
}

// TestBeyondScope: a router that says so has seen a source address that is not
// of global scope: this host has lost its own.
func TestBeyondScope(t *testing.T) {
	const scenario = `
router s1 2001:db8:1::1 unreachable 2
host 2001:db8::1 rtt 20ms
path 2001:db8::1 s1@7ms
router r1 10.1.0.1 unreachable 2
host 10.0.0.1 rtt 20ms
path 10.0.0.1 r1@7ms
`
	inLab(t, prober.Options{IPv6: true}, scenario, func(b *lab) {
		if r := b.want(3, probe("2001:db8::1"), prober.Unknown, 0)[0]; r.Errno != syscall.EADDRNOTAVAIL {
			t.Errorf("%+v", r)
		}
	})
	inLab(t, prober.Options{}, scenario, func(b *lab) { // "protocol unreachable" there
		b.want(3, probe("10.0.0.1"), prober.Unreachable, 7*time.Millisecond)
	})
}

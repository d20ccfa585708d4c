// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/simnet"
)

// TestDefect6SendErrors, also defect 9: what the kernel refuses is Unknown with
// the reason, for that probe alone, and the loop goes on.
func TestDefect6SendErrors(t *testing.T) {
	for name, errno := range map[string]syscall.Errno{
		"EPERM": syscall.EPERM, "ENETUNREACH": syscall.ENETUNREACH, "ENOBUFS": syscall.ENOBUFS,
		"EHOSTUNREACH": syscall.EHOSTUNREACH, "EMSGSIZE": syscall.EMSGSIZE, "EINVAL": syscall.EINVAL,
	} {
		scenario := fmt.Sprintf("host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 refuse %s", name)
		inLab(t, prober.Options{}, scenario, func(b *lab) {
			for range 10 {
				bad := b.send(7, probe("10.0.0.2"))
				b.want(100, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
				for _, r := range b.verdicts(bad, 7) {
					if r.Verdict != prober.Unknown || r.Errno != errno {
						t.Errorf("%s: %+v", name, r)
					}
				}
			}
			b.apply("host 10.0.0.2 rtt 20ms") // the route comes back
			b.want(100, probe("10.0.0.2"), prober.Replied, 20*time.Millisecond)
			if s := b.loop.Stats(); s.Refused != 70 || s.Unknown != 70 || s.Lost != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

func (b *lab) apply(statements string) {
	b.t.Helper()
	if err := b.net.Apply(statements); err != nil {
		b.t.Fatal(err)
	}
}

// TestErrorOfAnotherHost: an asynchronous error that some other packet elicited
// comes out of the next send and makes nobody's probe unknown.
func TestErrorOfAnotherHost(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		for range 20 {
			b.apply("surface ECONNREFUSED")
			b.want(10, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
		}
		if s := b.loop.Stats(); s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestFullSendBuffer: EAGAIN holds probes back and loses none; one that lasts
// gives up one probe at a time, as Unknown.
func TestFullSendBuffer(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		b.apply("full 55ms")
		b.want(300, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
		if s := b.loop.Stats(); s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
		b.apply("full 1s")
		first := b.send(300, probe("10.0.0.1"))
		unknown := 0
		for i, r := range b.verdicts(first, 300) {
			switch {
			case r.Verdict == prober.Unknown && r.Errno == syscall.EAGAIN:
				unknown++
			case r.Verdict != prober.Replied || r.RTT != 20*time.Millisecond:
				t.Errorf("probe %d: %+v", i, r)
			}
		}
		if unknown == 0 || unknown > 12 {
			t.Errorf("%d probes given up in a second, want about one in five ticks", unknown)
		}
	})
}

// TestUnknownWhileDropping, also pain 6: a probe that goes unanswered is
// Unknown only when the drop count rose while it was in flight, also when the
// counter wraps.
func TestUnknownWhileDropping(t *testing.T) {
	scenario := lines(fmt.Sprintf("drops %d", uint32(math.MaxUint32-1)), "host 10.0.0.1 rtt 20ms", "host 10.0.0.2 dead")
	inLab(t, prober.Options{}, scenario, func(b *lab) {
		b.want(5, probe("10.0.0.2"), prober.Lost, 0)
		first := b.send(5, probe("10.0.0.2"))
		living := b.send(5, probe("10.0.0.1"))
		time.Sleep(500 * time.Millisecond)
		b.apply("drops 5") // beyond 2^32
		time.Sleep(100 * time.Millisecond)
		after := b.send(5, probe("10.0.0.2"))
		for i := range 5 {
			if r := b.verdicts(first, 5)[i]; r.Verdict != prober.Unknown || r.Errno != syscall.ENOBUFS {
				t.Errorf("while dropping: %+v", r)
			}
			if r := b.verdicts(living, 5)[i]; r.Verdict != prober.Replied {
				t.Errorf("answered while dropping: %+v", r)
			}
			if r := b.verdicts(after, 5)[i]; r.Verdict != prober.Lost {
				t.Errorf("after the drops: %+v", r)
			}
		}
		time.Sleep(time.Hour)
		b.apply("drops 7") // while nothing is in flight
		time.Sleep(time.Second)
		b.want(5, probe("10.0.0.2"), prober.Lost, 0)
		if s := b.loop.Stats(); s.Drops != 12 {
			t.Errorf("%d drops counted, want 12", s.Drops)
		}
		first = b.send(5, probe("10.0.0.2"))
		time.Sleep(500 * time.Millisecond)
		b.apply("damaged 9") // which anybody can send us, and are no want of room
		for _, r := range b.verdicts(first, 5) {
			if r.Verdict != prober.Lost {
				t.Errorf("while damaged packets came: %+v", r)
			}
		}
		if s := b.loop.Stats(); s.Drops != 12 || s.Damaged != 9 {
			t.Errorf("%d drops and %d damaged counted, want 12 and 9", s.Drops, s.Damaged)
		}
	})
}

// TestBufferOverflow, pain 6: what our own full buffer loses is Unknown.
func TestBufferOverflow(t *testing.T) {
	inLab(t, prober.Options{}, lines("buffer 200", "host 10.0.0.1 rtt 20ms"), func(b *lab) {
		b.apply("stall sent 3s")
		first := b.send(1000, probe("10.0.0.1"))
		for i, r := range b.verdicts(first, 1000) {
			if r.Verdict != prober.Replied && r.Verdict != prober.Unknown {
				t.Errorf("probe %d: %+v", i, r)
			}
		}
		if s := b.loop.Stats(); s.Unknown == 0 || s.Drops == 0 || s.Lost != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestKinds: the unprivileged sockets carry the same measurements.
func TestKinds(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, kind := range []rawsock.Kind{rawsock.Raw, rawsock.Datagram, rawsock.UDP} {
			t.Run(fmt.Sprint(kind, v6), func(t *testing.T) { ofKind(t, kind, v6) })
		}
	}
}

func ofKind(t *testing.T, kind rawsock.Kind, v6 bool) {
	deny := [...]string{"", "deny raw", "deny raw datagram"}[kind]
	reached, far, refusing := "10.0.0.1", "10.0.0.2", "10.0.0.3"
	if v6 {
		reached, far, refusing = "2001:db8::1", "2001:db8::2", "2001:db8::3"
	}
	inLab(t, prober.Options{IPv6: v6}, lines(plain, deny), func(b *lab) {
		if got := b.loop.Info().Kind; got != kind {
			t.Fatalf("opened %v, want %v", got, kind)
		}
		for range 10 {
			p := probe(reached)
			p.Size, p.Port = 32, 33434
			if kind == rawsock.UDP {
				b.want(3, p, prober.Unreachable, 20*time.Millisecond)
			} else {
				b.want(3, p, prober.Replied, 20*time.Millisecond)
			}
			p.TTL = 1
			b.want(3, p, prober.Expired, 5*time.Millisecond)
			p.TTL = 0
			p.To = probe(refusing).To
			b.want(3, p, prober.Unreachable, 7*time.Millisecond)
			p.To = probe(far).To
			b.want(3, p, prober.Lost, 0)
			if kind != rawsock.UDP {
				p.To, p.Size = probe(reached).To, 5
				b.want(3, p, prober.Replied, 20*time.Millisecond)
				p.TTL = 1
				b.want(3, p, prober.Expired, 5*time.Millisecond)
			}
		}
	})
}

// TestOldRouterQuotesEightBytes: what is quoted of an ICMP probe still tells
// identifier and sequence; of a UDP probe it tells nothing of the payload.
func TestOldRouterQuotesEightBytes(t *testing.T) {
	for _, deny := range []string{"", "deny raw"} {
		scenario := lines("router r1 10.1.0.1 quote 8", "host 10.0.0.1 rtt 20ms", "path 10.0.0.1 r1@5ms", deny)
		inLab(t, prober.Options{}, scenario, func(b *lab) {
			p := probe("10.0.0.1")
			p.TTL = 1
			b.want(10, p, prober.Expired, 5*time.Millisecond)
		})
	}
}

// TestNoSocket: the error tells of each kind.
func TestNoSocket(t *testing.T) {
	n, err := simnet.New(1, "deny raw datagram udp")
	if err != nil {
		t.Fatal(err)
	}
	l := prober.New(prober.Options{Clock: n.Clock, OpenSocket: n.OpenSocket})
	err = l.Open()
	if !rawsock.Denied(err) {
		t.Errorf("error %v", err)
	}
}

// TestDontFragment: such probes leave by a socket of their own, and what they
// elicit comes to the main one, or to that where the kernel gives each its own
// identifier.
func TestDontFragment(t *testing.T) {
	for _, denied := range []string{"", "deny raw\n"} {
		inLab(t, prober.Options{}, denied+"host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 rtt 20ms dead", func(b *lab) {
			df := 0
			b.net.Watch(func(s simnet.Sent) {
				if s.DF {
					df++
				}
			})
			for _, size := range []int{41, 4} {
				p, dead := probe("10.0.0.1"), probe("10.0.0.2")
				p.DF, p.Size, dead.DF = true, size, true
				b.want(10, p, prober.Replied, 20*time.Millisecond)
				b.want(5, dead, prober.Lost, -1)
				b.want(10, probe("10.0.0.1"), prober.Replied, 20*time.Millisecond)
			}
			if df != 30 {
				t.Errorf("%q: %d packets with Don't Fragment, want 30", denied, df)
			}
			if s := b.loop.Stats(); s.Unstamped != 0 || s.Strays != 0 {
				t.Errorf("%q: stats %+v", denied, s)
			}
		})
	}
}

// TestSocketIsOpenedAgain: a socket that could not be opened for a moment is tried
// again.
func TestSocketIsOpenedAgain(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms", func(b *lab) {
		p := probe("10.0.0.1")
		p.DF = true
		for _, step := range []struct {
			scenario string
			want     prober.Verdict
		}{{"deny raw", prober.Unknown}, {"deny", prober.Replied}} {
			if err := b.net.Apply(step.scenario); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			b.want(3, p, step.want, -1)
		}
	})
}

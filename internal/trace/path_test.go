// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
	"connmonitor/internal/vitals"
)

// both runs a test for IPv4 and IPv6 (defect 17): in its scenario R stands for
// the letter of a router, H for the begin of a host's address.
func both(t *testing.T, scenario string, body func(b *lab, host string)) {
	t.Helper()
	for _, v6 := range []bool{false, true} {
		r, h := "r", "10.0.0."
		if v6 {
			r, h = "s", "2001:db8::"
		}
		t.Run(fmt.Sprint("IPv6 ", v6), func(t *testing.T) {
			s := regexp.MustCompile(`\bR(\d)`).ReplaceAllString(scenario, r+"$1")
			s = routers(40) + regexp.MustCompile(`\bH(\d)`).ReplaceAllString(s, h+"$1")
			inLab(t, prober.Options{IPv6: v6}, s, func(b *lab) { body(b, h) })
		})
	}
}

func TestPlainPath(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2@2ms R3@15ms", func(b *lab, h string) {
		r, took := b.once(h+"9", plan())
		if got := text(r.path); got != "1 2 3 9 ." || !r.changed || r.cause != 0 {
			b.T.Errorf("path %s, %+v", got, r)
		}
		for i, want := range []time.Duration{1, 2, 15, 20} {
			if rtt := r.path.Hops[i].RTT; rtt != want*time.Millisecond {
				b.T.Errorf("hop %d: RTT %v", i+1, rtt)
			}
		}
		if took > 25*time.Millisecond {
			b.T.Errorf("it took %v", took)
		}
		if r, _ := b.once(h+"9", plan()); r.path.End != vitals.EndReached {
			b.T.Errorf("%+v", r)
		}
	})
}

// TestLongPath: 250 routers, and a time-out that is not reached.
func TestLongPath(t *testing.T) {
	hops := ""
	for i := range 250 {
		hops += fmt.Sprintf(" r%d@%dms", i%40+1, i/10+1)
	}
	inLab(t, prober.Options{}, routers(40)+"host 10.0.0.9 rtt 30ms\npath 10.0.0.9"+hops, func(b *lab) {
		p := plan()
		p.Hops = 255
		r, took := b.once("10.0.0.9", p)
		if len(r.path.Hops) != 251 || r.path.End != vitals.EndReached || strings.Contains(text(r.path), "*") {
			t.Errorf("%s", text(r.path))
		}
		if took > 1100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestDefect13SilentHopWaits max(100 ms, 3 x the RTT of the next answering
// hop), and not more. The time is the fake clock's, so it is exact to a tick.
func TestDefect13SilentHopWaits(t *testing.T) {
	const tick = 4 * time.Millisecond
	tests := []struct {
		path string
		want time.Duration
	}{
		{"R1@1ms R2@2ms silent R4@5ms R5@20ms", 100 * time.Millisecond},
		{"silent silent R3@5ms R4@20ms", 100 * time.Millisecond},
		{"R1@1ms silent R3@60ms R4@60ms", 180 * time.Millisecond},
		{"R1@1ms silent R3@200ms R4@80ms", 600 * time.Millisecond},
		{"R1@1ms silent silent R4@60ms R5@20ms", 180 * time.Millisecond},
	}
	for _, test := range tests {
		both(t, "host H9 rtt 30ms\npath H9 "+test.path, func(b *lab, h string) {
			r, took := b.once(h+"9", plan())
			if took < test.want || took > test.want+tick {
				b.T.Errorf("%s: %v, want %v", test.path, took, test.want)
			}
			if n := strings.Count(text(r.path), "*"); n != strings.Count(test.path, "silent") || r.path.End != vitals.EndReached {
				b.T.Errorf("%s: %s", test.path, text(r.path))
			}
		})
	}
}

// TestDeadDestination costs at most twice the time-out, however far it is
// looked for, and its largest TTL is asked three times.
func TestDeadDestination(t *testing.T) {
	for _, hops := range []int{1, 8, 30, 255} {
		for _, timeout := range []time.Duration{50 * time.Millisecond, time.Second, 5 * time.Second} {
			both(t, "host H9 rtt 20ms dead\npath H9 R1@1ms R2@2ms R3@15ms R4@400ms", func(b *lab, h string) {
				asked, last := map[uint8]int{}, 0
				b.Net.Watch(func(s simnet.Sent) { asked[s.TTL]++; last = max(last, int(s.TTL)) })
				p := plan()
				p.Hops, p.Timeout = hops, timeout
				r, took := b.once(h+"9", p)
				if took > 2*timeout+4*time.Millisecond {
					b.T.Errorf("%d hops: %v", hops, took)
				}
				if len(r.path.Hops) != hops || r.path.End != vitals.EndHops || last != hops {
					b.T.Errorf("%d hops: %s, asked up to %d", hops, text(r.path), last)
				}
				if hops > 4 && asked[uint8(hops)] != 3 {
					b.T.Errorf("%d hops, %v: the last was asked %d times", hops, timeout, asked[uint8(hops)])
				}
				if hops >= 8 && timeout >= time.Second && !strings.HasPrefix(text(r.path), "1 2 3 4 *") {
					b.T.Errorf("%d hops: %s", hops, text(r.path))
				}
			})
		}
	}
}

// TestSlowTrickle: a hop that answers every now and then must not hold the
// search up beyond twice the time-out.
func TestSlowTrickle(t *testing.T) {
	hops := ""
	for i := range 40 {
		hops += fmt.Sprintf(" R%d@%dms", i+1, 10+i*24)
	}
	both(t, "host H9 dead\npath H9"+hops, func(b *lab, h string) {
		p := plan()
		p.Hops = 255
		_, took := b.once(h+"9", p)
		if took > 2*time.Second+4*time.Millisecond {
			b.T.Errorf("it took %v", took)
		}
	})
}

// TestOddTimes: traces that begin between two milliseconds, with system calls
// that take their time, end as well: a timer may fire a millisecond early.
func TestOddTimes(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms silent R3@15ms silent\nhost H8 dead\nbusy 300us", func(b *lab, h string) {
		for i := range 50 {
			time.Sleep(time.Duration(i) * 77_777)
			if r, took := b.once(h+"9", plan()); took < 100*time.Millisecond || took > 520*time.Millisecond || r.path.End != vitals.EndReached {
				b.T.Errorf("%s took %v", text(r.path), took)
			}
			if _, took := b.once(h+"8", plan()); took > 2010*time.Millisecond {
				b.T.Errorf("a dead host took %v", took)
			}
		}
	})
}

// TestDefect15UnreachableStops: at the router that reports it, whose address
// stands once.
func TestDefect15UnreachableStops(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2@2ms R3@3ms R4@4ms", func(b *lab, h string) {
		rs := "router r3 10.1.0.3 unreachable 13\nrouter s3 2001:db8:1::3 unreachable 1"
		b.Apply(rs)
		r, took := b.once(h+"9", plan())
		if got := text(r.path); got != "1 2 3 !" {
			b.T.Errorf("path %s", got)
		}
		if took > 20*time.Millisecond {
			b.T.Errorf("it took %v", took)
		}
	})
	both(t, "host H9 rtt 20ms unreachable 3\npath H9 R1@1ms R2@2ms", func(b *lab, h string) {
		r, _ := b.once(h+"9", plan())
		if got := text(r.path); got != "1 2 9 ." {
			b.T.Errorf("a destination that answers by an error: %s", got)
		}
	})
}

// TestDefect14RefusedProbes: no path, but the cause; and the next trace is
// made.
func TestDefect14RefusedProbes(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2@2ms\nhost H8 refuse EPERM", func(b *lab, h string) {
		r, _ := b.once(h+"8", plan())
		if r.path != nil || r.changed || r.cause != syscall.EPERM {
			b.T.Errorf("%+v", r)
		}
		b.add(1, h+"9", plan())
		time.Sleep(time.Second)
		b.Apply("host " + h + "9 refuse ENETUNREACH")
		time.Sleep(10 * time.Second)
		b.Apply("host " + h + "9 rtt 20ms")
		time.Sleep(10 * time.Second)
		rs := b.of(1)
		if n := changes(rs); n != 1 {
			b.T.Errorf("%d changes, want the first trace alone", n)
		}
		if last := rs[len(rs)-1]; text(last.path) != "1 2 9 ." {
			b.T.Errorf("last %+v", last)
		}
		if !slices.ContainsFunc(rs, func(r record) bool { return r.path == nil && r.cause == syscall.ENETUNREACH }) {
			b.T.Error("no trace told that it was refused")
		}
	})
}

// TestRouteComesBackAmidATrace: hops that were never asked, since the first
// probes were refused, are not silent ones: that is no trace, and no change.
func TestRouteComesBackAmidATrace(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2@2ms", func(b *lab, h string) {
		b.add(1, h+"9", plan())
		time.Sleep(10 * time.Second)
		for refused := range 12 {
			b.Apply(fmt.Sprintf("fail ENETUNREACH %d", refused))
			time.Sleep(10 * time.Second)
		}
		rs := b.of(1)
		if n := changes(rs); n != 1 {
			b.T.Errorf("%d changes, want the first trace alone", n)
		}
		spoiled := 0
		for _, r := range rs {
			switch {
			case r.path == nil && r.cause == syscall.ENETUNREACH:
				spoiled++
			case text(r.path) != "1 2 9 .":
				b.T.Errorf("%s", text(r.path))
			}
		}
		if spoiled == 0 {
			b.T.Error("no trace is spoiled")
		}
	})
}

// TestFlowIsConstant, also pain 13: every probe of a target has the same ICMP
// checksum, whatever its TTL and sequence.
func TestFlowIsConstant(t *testing.T) {
	both(t, "host H9 rtt 20ms loss 0.3\npath H9 R1@1ms silent R3@2ms\nhost H8 dead", func(b *lab, h string) {
		sums, seqs := map[netip.Addr]map[uint16]int{}, map[uint16]bool{}
		b.Net.Watch(func(s simnet.Sent) {
			if sums[s.To] == nil {
				sums[s.To] = map[uint16]int{}
			}
			sums[s.To][binary.BigEndian.Uint16(s.Data[2:])]++
			seqs[binary.BigEndian.Uint16(s.Data[6:])] = true
		})
		b.add(1, h+"9", plan())
		b.add(2, h+"8", plan())
		time.Sleep(time.Minute)
		b.Stop()
		for to, of := range sums {
			if len(of) != 1 {
				b.T.Errorf("%s: checksums %v", to, of)
			}
		}
		if len(sums) != 2 || len(seqs) < 1000 {
			b.T.Errorf("%d targets, %d sequences", len(sums), len(seqs))
		}
	})
}

// TestDefect12TracesNeverMix, also pain 2: 200 traces at the same moment, with
// forged answers between them, each get their own route. (A true quotation but for
// its destination is what an address translator makes of it.)
func TestDefect12TracesNeverMix(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		var s strings.Builder
		net, host := "10.9.", "10.0.1."
		if v6 {
			net, host = "2001:db8:9::", "2001:db8:100::"
		}
		for i := range 200 {
			fmt.Fprintf(&s, "host %s%d rtt %dms jitter 5ms\n", host, i+1, 20+i%7)
			path := ""
			for k := range 5 {
				a := fmt.Sprintf("%s%d.%d", net, i, k+1)
				if v6 {
					a = fmt.Sprintf("%s%d:%d", net, i+1, k+1)
				}
				fmt.Fprintf(&s, "router x%dh%d %s\n", i, k, a)
				path += fmt.Sprintf(" x%dh%d@%dms", i, k, 2*k+i%5)
			}
			fmt.Fprintf(&s, "path %s%d%s\n", host, i+1, path)
			for _, lie := range []string{"quoted-sequence", "quoted-nonce", "quoted-index", "quoted-id", "near"} {
				fmt.Fprintf(&s, "forge %s%d %s 0.5\n", host, i+1, lie)
			}
		}
		inLab(t, prober.Options{IPv6: v6}, s.String(), func(b *lab) {
			for i := range 200 {
				to := fmt.Sprintf("%s%d", host, i+1)
				b.Do(func() { b.trace.Add(uint32(i), simnet.Addr(to), plan(), int64(time.Second)) })
			}
			time.Sleep(20 * time.Second)
			for i := range 200 {
				rs := b.of(uint32(i))
				if len(rs) < 20 || changes(rs) != 1 {
					t.Fatalf("host %d: %d traces, %d changes", i, len(rs), changes(rs))
				}
				for _, r := range rs {
					b.own(r.path, i, net, v6)
				}
			}
			if st := b.Loop.Stats(); st.Forged == 0 || st.Lost != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// own checks that the routers of a path are those of host i.
func (b *lab) own(p *vitals.Path, i int, net string, v6 bool) {
	b.T.Helper()
	if len(p.Hops) != 6 || p.End != vitals.EndReached {
		b.T.Fatalf("host %d: %s", i, text(p))
	}
	for k, h := range p.Hops[:5] {
		want := fmt.Sprintf("%s%d.%d", net, i, k+1)
		if v6 {
			want = fmt.Sprintf("%s%d:%d", net, i+1, k+1)
		}
		if h.Addr != netip.MustParseAddr(want) {
			b.T.Fatalf("host %d, hop %d: %s, want %s", i, k+1, h.Addr, want)
		}
	}
}

// TestUnprivilegedTraces: by the error queue of an ICMP datagram socket, and
// by UDP.
func TestUnprivilegedTraces(t *testing.T) {
	for _, deny := range []string{"deny raw", "deny raw datagram"} {
		both(t, deny+"\nhost H9 rtt 20ms\npath H9 R1@1ms silent R3@2ms R4@9ms\nhost H8 dead", func(b *lab, h string) {
			r, _ := b.once(h+"9", plan())
			if got := text(r.path); got != "1 * 3 4 9 ." {
				b.T.Errorf("%s: %s", deny, got)
			}
			if r, took := b.once(h+"8", plan()); r.path.End != vitals.EndHops || took > 2004*time.Millisecond {
				b.T.Errorf("%s: %s in %v", deny, text(r.path), took)
			}
		})
	}
}

// TestOldAndSlowRouters: quotes of 28 bytes, answers that come late or are
// limited in rate; none of it is a change (pain 12).
func TestOldAndSlowRouters(t *testing.T) {
	s := "router r1 10.1.0.1 quote 8\nrouter r2 10.1.0.2 delay 70ms\nrouter r3 10.1.0.3 limit 1\n" +
		"router s1 2001:db8:1::1 quote 8\nrouter s2 2001:db8:1::2 delay 70ms\nrouter s3 2001:db8:1::3 limit 1\n" +
		"host H9 rtt 20ms\npath H9 R1@1ms R2@2ms R3@3ms R4@4ms"
	both(t, s, func(b *lab, h string) {
		p := plan()
		p.Pause = 50 * time.Millisecond
		b.add(1, h+"9", p)
		time.Sleep(time.Minute)
		rs := b.of(1)
		if changes(rs) != 1 || len(rs) < 300 {
			b.T.Errorf("%d traces, %d changes", len(rs), changes(rs))
		}
		for _, r := range rs {
			if got := text(r.path); got != "1 2 3 4 9 ." && got != "1 2 * 4 9 ." {
				b.T.Fatalf("path %s", got)
			}
		}
	})
}

// TestMixedNetwork runs everything of a scenario file at the same time.
func TestMixedNetwork(t *testing.T) {
	scenario, err := os.ReadFile("../simnet/testdata/mixed.net")
	if err != nil {
		t.Fatal(err)
	}
	inLab(t, prober.Options{}, string(scenario), func(b *lab) {
		for i := range uint32(4) {
			b.add(i, fmt.Sprintf("10.0.0.%d", i+1), plan())
		}
		time.Sleep(10 * time.Minute)
		ends := []vitals.End{vitals.EndReached, vitals.EndHops, vitals.EndUnreachable, vitals.EndReached}
		lengths := []int{7, 30, 3, 3}
		for i := range uint32(4) {
			rs := b.of(i)
			if len(rs) < 200 || changes(rs) != 1 {
				t.Errorf("host %d: %d traces, %d changes", i+1, len(rs), changes(rs))
			}
			for _, r := range rs {
				if r.path.End != ends[i] || len(r.path.Hops) != lengths[i] {
					t.Fatalf("host %d: %s", i+1, text(r.path))
				}
			}
		}
	})
}

// TestProcessStoppedAmidATrace: what had been answered while this process did not
// run is taken before a trace is given up, so no pause makes a path silent.
func TestProcessStoppedAmidATrace(t *testing.T) {
	for ms := 0; ms < 130; ms += 7 {
		for _, pause := range []time.Duration{300 * time.Millisecond, 2200 * time.Millisecond, time.Minute} {
			inLab(t, prober.Options{}, routers(12)+"host 10.0.0.9 rtt 30ms\n"+
				"path 10.0.0.9 r1@5ms r2@80ms silent r4@20ms r5@20ms r6@20ms r7@90ms r8@20ms r9@20ms r10@20ms r11@20ms\n", func(b *lab) {
				b.add(1, "10.0.0.9", plan())
				time.Sleep(5*time.Second + time.Duration(ms)*time.Millisecond)
				b.Do(func() { time.Sleep(pause) })
				time.Sleep(5 * time.Second)
				for _, r := range b.of(1) {
					if got := text(r.path); got != "1 2 * 4 5 6 7 8 9 10 11 9 ." {
						t.Errorf("stopped for %v at %d ms: %s", pause, ms, got)
					}
				}
			})
		}
	}
}

// TestKnownPathIsCheap: from the second trace on a path costs no more probes than
// it has hops, and two, however long the answers take.
func TestKnownPathIsCheap(t *testing.T) {
	for _, rtt := range []int{5, 40, 90, 150, 300, 600} {
		both(t, fmt.Sprintf("host H9 rtt %dms jitter 9ms\npath H9 R1@1ms silent R3@3ms R4@%dms R5@%dms", rtt, rtt/2, rtt-4), func(b *lab, h string) {
			var asked atomic.Int64
			b.Net.Watch(func(simnet.Sent) { asked.Add(1) })
			b.add(1, h+"9", plan())
			time.Sleep(5 * time.Second)
			traces, before := len(b.of(1)), int(asked.Load())
			time.Sleep(time.Minute)
			n, probes := len(b.of(1))-traces, int(asked.Load())-before
			if n < 20 || probes > (6+2)*(n+1) {
				b.T.Errorf("RTT %d ms: %d probes in %d traces", rtt, probes, n)
			}
		})
	}
}

// TestRTTOfEachAnswer: a hop that is asked again because it is silent tells the
// RTTs of all its answers.
func TestRTTOfEachAnswer(t *testing.T) {
	inLab(t, prober.Options{}, routers(2)+"router q2 10.1.0.3 loss 0.5 delay 3ms\nhost 10.0.0.9 rtt 20ms jitter 2ms\npath 10.0.0.9 r1@1ms q2@5ms", func(b *lab) {
		several := 0
		for range 40 {
			r, _ := b.once("10.0.0.9", plan())
			for i, h := range r.path.Hops {
				if h.Received < 2 && h.RTTs != nil || h.Received > 1 && (len(h.RTTs) != int(h.Received) || h.RTTs[0] != h.RTT) {
					b.T.Errorf("hop %d: %d answers, RTT %v of %v", i+1, h.Received, h.RTT, h.RTTs)
				}
				if len(h.RTTs) > 1 {
					several++
				}
			}
		}
		if several == 0 {
			b.T.Error("no hop has answered twice")
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"testing"
	"time"
)

// TestPain3UnresolvedJoinsLater starts with a name that does not resolve: the
// others are measured, and it joins when it does.
func TestPain3UnresolvedJoinsLater(t *testing.T) {
	for form, text := range map[string]string{
		"separate": "* json=1 trace=1s\nlate.example\n10.0.0.1\n",
		"global":   "1 1 0 10 41 30 1 500\nlate.example\n10.0.0.1\n",
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, "host 10.0.0.1 rtt 1ms\nhost 10.0.0.2 rtt 1ms", text, func(l *lab) {
				l.pass(time.Minute)
				if n := count(l.records("10.0.0.1"), isPing); n < 90 {
					t.Errorf("%d records of the host that needs no name", n)
				}
				if n := len(l.records("late.example")); n > 0 {
					t.Errorf("%d records of a name that does not resolve", n)
				}
				l.wantSaid(`EE: ResolveError: resolve "late.example": no such host`)
				l.names.set("late.example", "10.0.0.2")
				l.pass(70 * time.Second) // the longest back-off, and a tenth
				rs := l.records("late.example")
				if len(rs) == 0 || rs[0].Addr != "10.0.0.2" || count(rs, isTrace) != 1 || count(rs, isPing) == 0 {
					t.Errorf("%d records after the name resolved: %+v", len(rs), rs)
				}
				l.wantSaid(`EE: ResolveError: `, `WW: late.example: the name resolves again`)
			})
		})
	}
}

// TestNothingResolvesAtStart stays up.
func TestNothingResolvesAtStart(t *testing.T) {
	inFakeTime(t, "host 10.0.0.2 rtt 1ms", "b.example json=1\n", func(l *lab) {
		l.names.fail("b.example")
		l.pass(10 * time.Minute)
		l.wantSaid(`EE: ResolveError: resolve "b.example": name server 192.0.2.53:53 failed`)
		l.names.set("b.example", "10.0.0.2")
		l.pass(70 * time.Second)
		if len(l.records("b.example")) == 0 {
			t.Error("no record after the name resolved")
		}
	})
}

// TestPain4OutageOfDNSKeepsTheAddress measures on while the name server is
// down, and says so once.
func TestPain4OutageOfDNSKeepsTheAddress(t *testing.T) {
	inFakeTime(t, "host 10.0.0.1 rtt 1ms", "www.example json=1 ping=1s numpings=1 trace=1s\n", func(l *lab) {
		l.names.set("www.example", "10.0.0.1")
		l.pass(time.Minute)
		l.names.fail("www.example")
		l.pass(time.Hour)
		l.names.set("www.example") // the server denies the name: an outage, too
		l.pass(time.Hour)
		rs := l.records("www.example")
		if n := count(rs, isPing); n < 7255 || n > 7262 {
			t.Errorf("%d pings in 7,260 s", n)
		}
		if n := count(rs, isTrace); n != 1 {
			t.Errorf("the route was told %d times", n)
		}
		l.names.set("www.example", "10.0.0.1")
		l.pass(10 * time.Minute)
		l.wantSaid(
			`EE: ResolveError: resolve "www.example": name server 192.0.2.53:53 failed`,
			`EE: ResolveError: resolve "www.example": no such host`,
			`WW: www.example: the name resolves again`,
		)
	})
}

// TestDefect31AddressChanges is logged, and begins the route memory anew (defect 31).
func TestDefect31AddressChanges(t *testing.T) {
	for form, text := range map[string]string{
		"separate": "www.example json=1 ping=1s numpings=1 trace=1s\n",
		"global":   "1 1 0 1 41 30 1 1000\nwww.example\n",
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, "host 10.0.0.1 rtt 1ms\nhost 10.0.0.2 rtt 1ms", text, func(l *lab) {
				l.names.set("www.example", "10.0.0.1")
				l.pass(time.Minute)
				l.names.set("www.example", "10.0.0.2")
				l.pass(7 * time.Minute)
				l.wantSaid("WW: the address of www.example is now 10.0.0.2, it was 10.0.0.1")
				wantTraces(t, l.records("www.example"), "10.0.0.1", "10.0.0.2")
			})
		})
	}
}

// wantTraces checks that the route was told once for each address, and that
// pings were made before and after.
func wantTraces(t *testing.T, rs []record, addresses ...string) {
	t.Helper()
	seen := 0
	for _, r := range rs {
		if r.Trace == nil {
			continue
		}
		if seen == len(addresses) || r.Addr != addresses[seen] || r.Trace[len(r.Trace)-1][0] != r.Addr {
			t.Errorf("trace %d: %+v, want those of %q", seen+1, r, addresses)
		}
		seen++
	}
	if seen != len(addresses) {
		t.Errorf("%d traces, want those of %q", seen, addresses)
	}
	for _, address := range addresses {
		mine := count(rs, func(r *record) bool { return r.Addr == address && r.Ping != nil && r.Ping.Loss == 0 })
		if mine < 10 {
			t.Errorf("%d pings of %s without loss", mine, address)
		}
	}
	if lost := count(rs, func(r *record) bool { return r.Ping != nil && r.Ping.Loss > 0 }); lost > 0 {
		t.Errorf("%d records with loss, where nothing is lost", lost)
	}
}

// TestRoundRobinIsNoChange rotates an answer that lists the address still.
func TestRoundRobinIsNoChange(t *testing.T) {
	inFakeTime(t, "host 10.0.0.1 rtt 1ms\nhost 10.0.0.2 rtt 1ms", "www.example json=1 trace=1s\n", func(l *lab) {
		l.names.set("www.example", "10.0.0.1", "10.0.0.2")
		l.pass(time.Minute)
		l.names.set("www.example", "10.0.0.2", "10.0.0.3", "10.0.0.1")
		l.pass(20 * time.Minute)
		l.wantSaid()
		wantTraces(t, l.records("www.example"), "10.0.0.1")
		if n := l.names.questions(); n < 4 {
			t.Errorf("the name was looked up %d times in 21 minutes", n)
		}
	})
}

// TestFamilyChanges leaves one loop for the other.
func TestFamilyChanges(t *testing.T) {
	for form, text := range map[string]string{
		"separate": "www.example json=1 ping=500 numpings=5 interval=200 trace=5s\n",
		"global":   "1 1 0 5 41 30 1 500\nwww.example\n",
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, "host 10.0.0.1 rtt 400ms\nhost 2001:db8::1 rtt 400ms", text, func(l *lab) {
				l.names.set("www.example", "10.0.0.1")
				l.pass(time.Minute)
				l.names.set("www.example", "2001:db8::1")
				l.pass(7 * time.Minute)
				l.names.set("www.example", "10.0.0.1")
				l.pass(7 * time.Minute)
				l.wantSaid(
					"WW: the address of www.example is now 2001:db8::1, it was 10.0.0.1",
					"WW: the address of www.example is now 10.0.0.1, it was 2001:db8::1",
				)
				wantTraces(t, l.records("www.example"), "10.0.0.1", "2001:db8::1", "10.0.0.1")
				if n := l.monitor.table.keys; n > 2 {
					t.Errorf("%d keys for one target that moved twice", n)
				}
			})
		})
	}
}

// TestSilentTargetIsLookedUp asks for the address of a target that went silent
// long before the five minutes are over.
func TestSilentTargetIsLookedUp(t *testing.T) {
	inFakeTime(t, "host 10.0.0.1 rtt 1ms\nhost 10.0.0.2 rtt 1ms", "www.example json=1\n", func(l *lab) {
		l.names.set("www.example", "10.0.0.1")
		l.pass(time.Minute)
		if n := l.names.questions(); n != 1 {
			t.Errorf("the name was looked up %d times within a minute", n)
		}
		l.names.set("www.example", "10.0.0.2")
		l.apply("host 10.0.0.1 dead")
		l.pass(10 * time.Second)
		rs := l.records("www.example")
		if r := rs[len(rs)-1]; r.Addr != "10.0.0.2" || r.Ping.Loss != 0 {
			t.Errorf("ten seconds after it moved: %+v", r)
		}
		l.wantSaid("WW: the address of www.example is now 10.0.0.2, it was 10.0.0.1")
	})
}

// TestSilentTargetIsNotAFlood looks a dead host's name up every 30 s at most.
func TestSilentTargetIsNotAFlood(t *testing.T) {
	inFakeTime(t, "", "www.example json=1\n", func(l *lab) {
		l.names.set("www.example", "10.0.0.1")
		l.pass(10 * time.Minute)
		if n := l.names.questions(); n < 15 || n > 21 {
			t.Errorf("the name was looked up %d times in ten minutes, want about 20", n)
		}
	})
}

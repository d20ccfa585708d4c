// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"testing"
	"time"

	"connmonitor/internal/service"
)

// TestDefect06RefusedSends are told when they begin, when they change and when
// they end; what they spoil is not printed, and no loop ends.
func TestDefect06RefusedSends(t *testing.T) {
	for form, text := range map[string]string{
		"separate": "* json=1\n10.0.0.1\n10.0.0.2\n",
		"global":   "1 0 0 10 41 30 1 500\n10.0.0.1\n10.0.0.2\n",
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, hosts("1ms"), text, func(l *lab) {
				l.pass(time.Minute)
				l.apply("host 10.0.0.1 refuse EPERM")
				l.pass(time.Second)
				n := len(l.records("10.0.0.1"))
				l.pass(10 * time.Minute)
				l.wantSaid("EE: PingError: 10.0.0.1: pings were spoiled by this host: operation not permitted")
				l.apply("host 10.0.0.1 refuse ENETUNREACH")
				l.pass(10 * time.Minute)
				l.wantSaid("EE: PingError: 10.0.0.1: ", "EE: PingError: 10.0.0.1: pings were spoiled by this host: network is unreachable")
				if now := len(l.records("10.0.0.1")); now != n {
					t.Errorf("%d records of bursts that were wholly unknown", now-n)
				}
				l.apply("host 10.0.0.1 rtt 1ms")
				l.pass(time.Minute)
				l.wantSaid("EE: PingError: ", "EE: PingError: ", "WW: 10.0.0.1: pings go out again (after 20m")
				l.pass(time.Minute)
				l.wantSaid("EE: PingError: ", "EE: PingError: ", "WW: 10.0.0.1: pings go out again")
				if now := len(l.records("10.0.0.1")); now < n+150 {
					t.Errorf("%d records in two minutes after its end", now-n)
				}
				if m := len(l.records("10.0.0.2")); m < 2000 {
					t.Errorf("%d records of the other host in 23 minutes", m)
				}
			})
		})
	}
}

// TestRefusedTraces likewise; the route memory stays.
func TestRefusedTraces(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 ping=0 trace=1s\n", func(l *lab) {
		l.pass(10 * time.Second)
		l.apply("host 10.0.0.1 refuse EPERM")
		l.pass(time.Minute)
		l.apply("host 10.0.0.1 rtt 1ms")
		l.pass(time.Minute)
		l.wantSaid("EE: TraceError: 10.0.0.1: the trace was spoiled by this host: operation not permitted", "WW: 10.0.0.1: traces go out again")
		if n := len(l.records("")); n != 1 {
			t.Errorf("the route was told %d times", n)
		}
	})
}

// TestPartlyUnknownBurst counts what it knows: nothing was lost.
func TestPartlyUnknownBurst(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.apply("fail ENOBUFS 12") // each is tried again before it is believed
		l.pass(time.Minute)
		l.wantSaid("EE: PingError: 10.0.0.1: ", "WW: 10.0.0.1: pings go out again")
		for _, r := range l.records("") {
			if r.Ping.Loss != 0 {
				t.Errorf("%+v: want no loss", r)
			}
		}
	})
}

// TestDefect29PanicInAService is an error of that scan, and not the end of anything.
func TestDefect29PanicInAService(t *testing.T) {
	for form, text := range map[string]string{
		"separate": "127.0.0.1 json=1 scan=1s\n",
		"global":   "1 0 1 10 41 30 1 500\n127.0.0.1\n",
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, "host 127.0.0.1 rtt 1ms", text, func(l *lab) {
				l.pass(time.Minute)
				l.wantSaid("EE: ScanError: 127.0.0.1: ")
				rs := l.records("")
				if n := count(rs, isPing); n < 90 || n != len(rs) {
					t.Errorf("%d records, %d of them with pings, want more than 90 and nothing else", len(rs), n)
				}
			}, func(o *Options) {
				o.Vantage.Scanner = service.New(service.Options{Port: func(string) uint16 { panic("a mistake") }})
			})
		})
	}
}

// TestFaultOfARemovedTarget is forgotten with it: when it comes back, the fault
// is told again.
func TestFaultOfARemovedTarget(t *testing.T) {
	inFakeTime(t, hosts("1ms")+"host 10.0.0.1 refuse EPERM", "10.0.0.1 json=1\n10.0.0.2 json=1\n", func(l *lab) {
		l.pass(10 * time.Second)
		l.reload("10.0.0.2 json=1\n")
		l.pass(10 * time.Second)
		l.reload("10.0.0.1 json=1\n10.0.0.2 json=1\n")
		l.pass(10 * time.Second)
		l.wantSaid("EE: PingError: 10.0.0.1: ", "WW: configuration", "WW: configuration", "EE: PingError: 10.0.0.1: ")
	})
}

// TestSourceThatIsNotHere is an error of that target alone; one of another
// family chooses the address of a name.
func TestSourceThatIsNotHere(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 source=nosuch0\n10.0.0.2 json=1\nwww.example json=1 source=::1\n", func(l *lab) {
		l.names.set("www.example", "10.0.0.3")
		l.pass(10 * time.Second)
		l.wantSaid(`EE: TargetError: 10.0.0.1: source "nosuch0": `, `EE: ResolveError: "www.example" has no IPv6 address`)
		if rs := l.records(""); len(rs) < 15 || count(rs, func(r *record) bool { return r.Name == "10.0.0.2" }) != len(rs) {
			t.Errorf("%d records", len(rs))
		}
	})
}

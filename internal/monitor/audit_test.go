// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"strings"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/vantage"
)

// TestPain06DropsAreTold when they begin and when they have ended, with their
// number; the probes that they may have cost are unknown.
func TestPain06DropsAreTold(t *testing.T) {
	inFakeTime(t, hosts("300ms"), "* json=1\n10.0.0.1\n10.0.0.2 ping=0\n", func(l *lab) {
		l.apply("host 10.0.0.1 rtt 300ms loss 1")
		l.pass(time.Minute)
		l.wantSaid()
		lost := len(l.records(""))
		for range 60 {
			l.apply("drops 7")
			l.pass(100 * time.Millisecond)
		}
		told := "EE: PingError: 10.0.0.1: pings were spoiled by this host: no buffer space available"
		begin := "WW: the receive buffer is full and the kernel drops packets"
		l.pass(time.Minute)
		said := strings.Join(l.said(), "\n")
		for _, want := range []string{told, begin, "WW: the kernel drops packets no more; it dropped 420 (after", "WW: 10.0.0.1: pings go out again"} {
			if strings.Count(said, strings.TrimSuffix(want, " (after")) != 1 {
				t.Errorf("want %q once in\n%s", want, said)
			}
		}
		rs := l.records("")
		for _, r := range rs {
			if r.Ping.Loss != 100 {
				t.Errorf("%+v: of a dead host", r.Ping)
			}
		}
		// What went unanswered within those six seconds is not told as lost.
		if all := 2*60*1000/590 + 12; len(rs) < lost || len(rs) > all-6 {
			t.Errorf("%d records, %d of them before the drops began", len(rs), lost)
		}
	})
}

// TestAccountOfItself: what our own side does to the measurements is told when
// it begins, and with its number when it has ended.
func TestAccountOfItself(t *testing.T) {
	const text = "* json=1 ping=200 numpings=2\n10.0.0.1\n10.0.0.2\n"
	for name, test := range map[string]struct {
		happen []string // one after the other, 100 ms apart
		want   []string
	}{
		"nothing":     {nil, nil},
		"no stamps":   {[]string{"unstamped tx"}, []string{"WW: the kernel gives no time stamps for some packets"}},
		"stopped":     {[]string{"stall clock 3s"}, []string{"WW: this process did not run for 3"}},
		"clock set":   {[]string{"step 1h"}, []string{"WW: the clock of this machine was set: "}},
		"clock back":  {[]string{"step -5h"}, []string{"WW: the clock of this machine was set: "}},
		"short pause": {[]string{"stall receive 30ms", "stall send 30ms"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, hosts("1ms"), text, func(l *lab) {
				l.pass(20 * time.Second)
				for _, statement := range test.happen {
					l.apply(statement)
					l.pass(100 * time.Millisecond)
				}
				l.pass(time.Minute)
				l.wantSaid(test.want...)
				for _, r := range l.records("") {
					if r.Ping.Loss != 0 || r.Ping.Max > 2 {
						t.Fatalf("%+v", r.Ping)
					}
				}
			})
		})
	}
}

// TestLatePingsAreTold, but not for a few.
func TestLatePingsAreTold(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "* json=1 ping=100 numpings=5 interval=10\n10.0.0.1\n10.0.0.2\n", func(l *lab) {
		l.pass(20 * time.Second)
		for range 200 {
			l.apply("stall send 45ms")
			l.pass(100 * time.Millisecond)
		}
		l.wantSaid("WW: more than one ping in twenty leaves later than planned")
		l.pass(time.Minute)
		l.wantSaid("WW: more than one ping in twenty leaves later than planned", "WW: pings leave as planned again; ")
		l.log.clear()
		for range 20 {
			l.apply("stall send 45ms")
			l.pass(10 * time.Second)
		}
		l.wantSaid()
	})
}

// TestUnaccountedProbesAreAnError at the end.
func TestUnaccountedProbesAreAnError(t *testing.T) {
	good := prober.Stats{Begun: 10, InFlight: 1, Sent: 9, Refused: 1, Replied: 4, Lost: 3, Unknown: 2}
	for _, test := range []struct {
		change func(s *prober.Stats)
		want   string
	}{
		{func(*prober.Stats) {}, ""},
		{func(s *prober.Stats) { s.Lost-- }, "1 IPv6 probes are unaccounted for"},
		{func(s *prober.Stats) { s.Late += 2 }, "-2 IPv6 probes are unaccounted for"},
	} {
		bad := good
		test.change(&bad)
		err := unaccounted([2]vantage.Account{{Probes: good}, {Probes: bad}})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/config"
)

// hosts is a network of hosts 10.0.0.1 to 10.0.0.9 with an RTT.
func hosts(rtt string) string {
	var s strings.Builder
	for i := range 9 {
		fmt.Fprintf(&s, "host 10.0.0.%d rtt %s\n", i+1, rtt)
	}
	return s.String()
}

// running are the targets that have not been removed, by ID.
func (l *lab) running() map[string]*target {
	l.Helper()
	all := make(map[string]*target)
	for _, t := range l.monitor.table.all() {
		if all[t.ID] != nil {
			l.Errorf("two targets are called %s", t.ID)
		}
		all[t.ID] = t
	}
	return all
}

// TestDefect27ReloadKeepsTheUnchanged compares the targets before and after:
// what is unchanged is the very same, with its schedule and its route memory.
func TestDefect27ReloadKeepsTheUnchanged(t *testing.T) {
	const text = "10.0.0.1 json=1 trace=1s\n10.0.0.2 json=1\nwww.example json=1 trace=1s\n"
	inFakeTime(t, hosts("1ms"), text, func(l *lab) {
		l.names.set("www.example", "10.0.0.3")
		l.pass(10 * time.Second)
		before := l.running()
		l.reload("# the same, elsewhere\n\nwww.example TRACE=1000 json=true\n10.0.0.4 json=1\n10.0.0.1 json=1 trace=1000ms ping=0.5s\n")
		after := l.running()
		for _, name := range []string{"10.0.0.1", "www.example"} {
			if before[name] != after[name] {
				t.Errorf("%s is another target after the reload", name)
			}
		}
		if len(after) != 3 || after["10.0.0.4"] == nil || after["10.0.0.1"].Line != 5 {
			t.Errorf("targets after the reload: %v", after)
		}
		l.wantSaid("WW: configuration read again: 1 targets added, 1 removed, 2 unchanged")
		l.pass(10 * time.Second)
		for name, traces := range map[string]int{"10.0.0.1": 1, "www.example": 1} {
			rs := l.records(name)
			if n := count(rs, isTrace); n != traces {
				t.Errorf("%s: the route was told %d times", name, n)
			}
			pings := 0
			for _, r := range rs {
				if r.Ping == nil {
					continue
				}
				pings++
				if pings > 1 && (r.at-rs[0].at)%(590*time.Millisecond) > 2*tick+100*time.Millisecond {
					t.Errorf("%s: a record at %v, off the schedule", name, r.at)
				}
			}
			if pings < 33 {
				t.Errorf("%s: %d bursts in 20 s", name, pings)
			}
		}
		if n := l.names.questions(); n != 1 {
			t.Errorf("the name was looked up %d times", n)
		}
	})
}

// TestHugeScansAreWarnedOf, at the start and at a reload. The name keeps them from
// being made.
func TestHugeScansAreWarnedOf(t *testing.T) {
	const sane = "10.0.0.1 json=1\nnowhere.example ping=0 scan=1h ports=1-65535\n"
	huge := strings.ReplaceAll(sane, "scan", "timeout=5m scan")
	const begin, again = "EE: ResolveError: ", "WW: configuration read again: 1 targets added, 1 removed, 1 unchanged"
	const warning = "WW: until every port of every host was asked once it takes 2m11.068s at least, 85h20m0s when nothing answers"
	for _, test := range []struct {
		first, second string
		before, after []string // what has been said by then
	}{
		{sane, huge, nil, []string{warning, again}},
		{huge, sane, []string{warning}, []string{warning, again}},
	} {
		inFakeTime(t, hosts("1ms"), test.first, func(l *lab) {
			l.pass(time.Second)
			l.wantSaidBeside(begin, test.before...)
			l.reload(test.second)
			l.pass(time.Second)
			l.wantSaidBeside(begin, test.after...)
		})
	}
}

// TestReloadStopsTheRemoved prints what is in flight, and nothing after it.
func TestReloadStopsTheRemoved(t *testing.T) {
	for form, texts := range map[string][2]string{
		"separate": {"10.0.0.1 json=1 interval=100 trace=60s\n10.0.0.2 json=1\n", "10.0.0.2 json=1\n"},
		"global":   {"1 1 0 10 41 30 1 500\n10.0.0.1\n10.0.0.2\n", "1 1 0 10 41 30 1 500\n10.0.0.2\n"},
	} {
		t.Run(form, func(t *testing.T) {
			inFakeTime(t, hosts("300ms"), texts[0], func(l *lab) {
				l.pass(200 * time.Millisecond) // in the first burst
				l.reload(texts[1])
				l.pass(time.Minute)
				rs := l.records("10.0.0.1")
				if n := count(rs, isPing); n != 1 || rs[len(rs)-1].Ping == nil || rs[len(rs)-1].Ping.Loss != 0 {
					t.Errorf("records of the removed host: %+v, want one burst without loss", rs)
				}
				if n := len(l.records("10.0.0.2")); n < 60 {
					t.Errorf("%d records of the other host", n)
				}
			})
		})
	}
}

// TestReloadOfOneOfTwins has the same host twice, each with its own state.
func TestReloadOfOneOfTwins(t *testing.T) {
	const line = "10.0.0.1 json=1 trace=1s\n"
	inFakeTime(t, hosts("1ms"), line+line, func(l *lab) {
		l.pass(10 * time.Second)
		before := l.running()
		if n := count(l.records(""), isTrace); n != 2 || len(before) != 2 || before["10.0.0.1#2"] == nil {
			t.Errorf("%d traces of %v", n, before)
		}
		l.reload(line)
		after := l.running()
		if len(after) != 1 || after["10.0.0.1"] != before["10.0.0.1"] {
			t.Errorf("targets after the reload: %v", after)
		}
		pings := count(l.records(""), isPing)
		l.pass(59 * time.Second)
		if n := count(l.records(""), isPing) - pings; n < 99 || n > 102 {
			t.Errorf("%d bursts in 59 s, want those of one target", n)
		}
		l.reload(line + line)
		l.pass(10 * time.Second)
		if n := count(l.records(""), isTrace); n != 3 {
			t.Errorf("%d traces, want one for each target that there was", n)
		}
	})
}

// TestReloadRenames has two lines of one host, of which the first goes: the
// second keeps its state and takes the ID, so that a third can be called #2.
func TestReloadRenames(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 payload=100\n10.0.0.1 json=1 trace=1s\n", func(l *lab) {
		l.pass(10 * time.Second)
		before := l.running()
		l.reload("10.0.0.1 json=1 trace=1s\n10.0.0.1 json=1 payload=200\n")
		after := l.running()
		if len(after) != 2 || after["10.0.0.1"] != before["10.0.0.1#2"] || after["10.0.0.1#2"] == nil {
			t.Errorf("before %v, after %v", before, after)
		}
		l.wantSaid("WW: configuration read again: 1 targets added, 1 removed, 1 unchanged")
		l.pass(10 * time.Second)
		if n := count(l.records(""), isTrace); n != 1 {
			t.Errorf("the route was told %d times", n)
		}
	})
}

// TestReloadOfAChangedOption is a removed and an added target.
func TestReloadOfAChangedOption(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1 trace=1s\n", func(l *lab) {
		l.pass(10 * time.Second)
		l.reload("10.0.0.1 json=1 trace=1s payload=1000\n")
		l.pass(10 * time.Second)
		l.wantSaid("WW: configuration read again: 1 targets added, 1 removed, 0 unchanged")
		if n := count(l.records(""), isTrace); n != 2 {
			t.Errorf("the route was told %d times, want once for each", n)
		}
	})
}

// TestReloadChangesTheForm of the whole file.
func TestReloadChangesTheForm(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		l.reload("1 1 0 10 41 30 1 500\n10.0.0.1\n")
		l.pass(time.Second)
		l.wantSaid("WW: configuration read again: 1 targets added, 1 removed, 0 unchanged")
		rs := l.records("")
		if last := rs[len(rs)-1]; last.Timestamp != 0 || last.Ping == nil {
			t.Errorf("last record %+v, want one of the global form", last)
		}
	})
}

// TestPausedByReload keeps the target and measures nothing.
func TestPausedByReload(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		l.reload("10.0.0.1 json=1 paused=1\n")
		l.pass(time.Second)
		n := len(l.records(""))
		l.pass(time.Minute)
		if now := len(l.records("")); now != n {
			t.Errorf("%d records of a paused target", now-n)
		}
		l.reload("10.0.0.1 json=1\n")
		l.pass(time.Second)
		if len(l.records("")) == n {
			t.Error("no record after the pause")
		}
	})
}

// TestLateResultsAreTheirOwners exchanges hosts whose replies are under way,
// again and again: keys are used again, and every record is of the host that it
// names, without loss.
func TestLateResultsAreTheirOwners(t *testing.T) {
	scenario := "router r 10.9.0.1\n" + hosts("900ms") + "path 10.0.0.2 r@1ms\n"
	text := func(i int) string {
		return fmt.Sprintf("10.0.0.%d json=1 ping=100 numpings=3 trace=100\n10.0.0.%d json=1 ping=100 numpings=3 trace=100\n", i%9+1, (i+4)%9+1)
	}
	inFakeTime(t, scenario, text(0), func(l *lab) {
		const rounds = 60
		for i := range rounds {
			l.pass(3300 * time.Millisecond)
			l.reload(text(i + 1))
		}
		l.pass(3 * time.Second)
		rs := l.records("")
		if len(rs) < rounds*20 {
			t.Errorf("%d records", len(rs))
		}
		for _, r := range rs {
			if r.Addr != r.Name || r.Ping != nil && r.Ping.Loss != 0 {
				t.Errorf("%+v: want no loss, and the address of the name", r)
			}
			if hops := len(r.Trace); r.Trace != nil && (hops == 2) != (r.Name == "10.0.0.2") {
				t.Errorf("%+v: the route of another", r)
			}
		}
		// A key is kept for some 20 s, in which there are fewer than 20 others.
		if n := l.monitor.table.keys; n > 25 {
			t.Errorf("%d keys for 2 targets", n)
		}
	})
}

// TestPain10ReloadsLeaveNothing changes the settings of all targets at each
// reload: neither targets nor settings pile up.
func TestPain10ReloadsLeaveNothing(t *testing.T) {
	text := func(i int) string { return fmt.Sprintf("* json=1 payload=%d\n10.0.0.1\n10.0.0.2\n", 100+i) }
	inFakeTime(t, hosts("1ms"), text(0), func(l *lab) {
		for i := range 200 {
			l.pass(2 * time.Second)
			l.reload(text(i + 1))
		}
		l.pass(time.Minute)
		m := l.monitor
		if len(m.settings) != 1 || len(m.table.all()) != 2 || m.table.keys > 60 || len(m.table.free) != m.table.keys-2 {
			t.Errorf("%d settings, %d targets, %d keys of which %d are free", len(m.settings), len(m.table.all()), m.table.keys, len(m.table.free))
		}
	})
}

// TestReloadsThatDoNotWork leave all as it is, but for a file that cannot be
// read.
func TestReloadsThatDoNotWork(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.pass(time.Second)
		before := l.running()
		l.reload("10.0.0.1 json=1\n10.0.0.2 pnig=1\n")
		l.reload("# nobody\n")
		if after := l.running(); after["10.0.0.1"] != before["10.0.0.1"] || len(after) != 1 {
			t.Errorf("before %v, after %v", before, after)
		}
		l.wantSaid(
			`EE: ConfigError: test.conf:2:10: option "pnig"`,
			"EE: ReloadError: the configuration is not valid; going on with the one before",
			"EE: ReloadError: the configuration names no host; going on with the one before",
		)
		l.log.clear()
		l.reloadBy(func() (*config.Config, error) { return nil, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist} })
		l.end(ErrReload)
		l.wantSaid("EE: ReloadError: open x: file does not exist")
	})
}

// TestReloadWithoutAFile is an error, and the monitor goes on.
func TestReloadWithoutAFile(t *testing.T) {
	inFakeTime(t, hosts("1ms"), "10.0.0.1 json=1\n", func(l *lab) {
		l.reloadBy(func() (*config.Config, error) { return nil, errors.New("not to be called") })
		l.pass(time.Second)
		l.wantSaid("EE: ReloadError: the configuration came from standard input")
		if len(l.records("")) == 0 {
			t.Error("no record")
		}
	}, func(o *Options) { o.Load = nil })
}

// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/trace"
)

// frequent is a plan for thousands of traces.
func frequent() trace.Plan {
	p := plan()
	p.Pause = 10 * time.Millisecond
	return p
}

// TestLossIsNoChange: with 20 % of all answers lost, of the routers and of the
// destination alike, thousands of traces show the one route. What is lost at
// the destination's TTL must not make the path longer.
func TestLossIsNoChange(t *testing.T) {
	s := ""
	for i := 1; i <= 6; i++ {
		s += fmt.Sprintf("router r%d 10.1.0.%d loss 0.2\nrouter s%d 2001:db8:1::%d loss 0.2\n", i, i, i, i)
	}
	both(t, s+"host H9 rtt 20ms loss 0.2\npath H9 R1@1ms R2@2ms R3@3ms R4@5ms R5@9ms", func(b *lab, h string) {
		first := 0
		for i := range 300 { // without a memory, too
			if r, _ := b.once(h+"9", plan()); len(r.path.Hops) != 6 {
				first++
				b.T.Errorf("first trace %d: %s", i, text(r.path))
			}
		}
		b.add(1, h+"9", frequent())
		time.Sleep(8 * time.Minute)
		rs := b.of(1)
		if len(rs) < 2500 || changes(rs) != 1 {
			b.T.Errorf("%d traces, %d changes, want the first alone", len(rs), changes(rs))
		}
		for _, r := range rs {
			if len(r.path.Hops) != 6 {
				b.T.Errorf("%s after %v", text(r.path), r.at)
			}
		}
	})
}

// TestDefect16SilenceIsNoChange, and what a later trace adds is merged: a hop
// that answers late is remembered, and another one in its place is a change.
func TestDefect16SilenceIsNoChange(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms silent R3@3ms R4@4ms", func(b *lab, h string) {
		r := map[string]string{"10.0.0.": "r", "2001:db8::": "s"}[h]
		b.add(1, h+"9", plan())
		for _, p := range []string{"%s1@1ms %s2@2ms silent %s4@4ms", "%s1@1ms silent %s3@3ms %s4@4ms", "silent %s2@2ms %s3@3ms silent"} {
			time.Sleep(5 * time.Second)
			b.path(h, fmt.Sprintf(p, r, r, r))
		}
		time.Sleep(5 * time.Second)
		if n := changes(b.of(1)); n != 1 {
			b.T.Errorf("%d changes, want the first trace alone", n)
		}
		b.path(h, fmt.Sprintf("%[1]s1@1ms %[1]s7@2ms silent silent", r))
		time.Sleep(5 * time.Second)
		if n := changes(b.of(1)); n != 2 {
			b.T.Errorf("%d changes: hop 2 answered by another router was merged before", n)
		}
	})
}

// path changes the one route of a test.
func (b *lab) path(h, hops string) {
	b.T.Helper()
	b.Apply("path " + h + "9 " + trim(hops))
}

// trim cuts what Sprintf says of operands that were not used.
func trim(s string) string {
	for i := range s {
		if s[i] == '%' {
			return s[:i]
		}
	}
	return s
}

// TestRouteChange: each is told once, there and back, whenever in a trace it
// comes, and no path that is told is a mixture of the two.
func TestRouteChange(t *testing.T) {
	const (
		first  = "1 2 3 4 9 ."
		second = "1 12 13 14 15 9 ."
	)
	both(t, "host H9 rtt 30ms\npath H9 R1@5ms R2@10ms R3@15ms R4@20ms", func(b *lab, h string) {
		r := map[string]string{"10.0.0.": "r", "2001:db8::": "s"}[h]
		there := fmt.Sprintf("%[1]s1@5ms %[1]s12@10ms %[1]s13@15ms %[1]s14@20ms %[1]s15@22ms", r)
		back := fmt.Sprintf("%[1]s1@5ms %[1]s2@10ms %[1]s3@15ms %[1]s4@20ms", r)
		p := plan()
		p.Pause = 40 * time.Millisecond
		b.add(1, h+"9", p)
		time.Sleep(time.Second)
		for i := range 100 {
			time.Sleep(time.Second + time.Duration(i)*1300*time.Microsecond)
			b.path(h, there)
			time.Sleep(time.Second + time.Duration(i)*1700*time.Microsecond)
			b.path(h, back)
		}
		time.Sleep(time.Second)
		rs := b.of(1)
		want := first
		for _, rec := range rs {
			got := text(rec.path)
			if rec.changed {
				if got != want {
					b.T.Fatalf("told %s, want %s, at %v", got, want, rec.at)
				}
				want = map[string]string{first: second, second: first}[want]
			}
			if got != first && got != second {
				b.T.Errorf("a mixed path: %s at %v", got, rec.at)
			}
		}
		if n := changes(rs); n != 201 {
			b.T.Errorf("%d changes, want 201", n)
		}
	})
}

// TestChangeAmidATrace moves the route while a silent hop is being waited for,
// at every 3 ms of a trace.
func TestChangeAmidATrace(t *testing.T) {
	for ms := 0; ms < 130; ms += 3 {
		s := routers(20) + "host 10.0.0.9 rtt 30ms\npath 10.0.0.9 r1@5ms silent r3@15ms r4@20ms\n" +
			fmt.Sprintf("at %dms path 10.0.0.9 r1@5ms silent r13@15ms r14@20ms\n", 5000+ms)
		inLab(t, prober.Options{}, s, func(b *lab) {
			b.add(1, "10.0.0.9", plan())
			time.Sleep(10 * time.Second)
			var told []string
			for _, r := range b.of(1) {
				if r.changed {
					told = append(told, text(r.path))
				}
			}
			if fmt.Sprint(told) != "[1 * 3 4 9 . 1 * 13 14 9 .]" {
				t.Errorf("at %d ms: told %q", ms, told)
			}
		})
	}
}

// TestPain13LoadBalancing: ten thousand traces through three diamonds show one
// route each, for a flow takes one branch.
func TestPain13LoadBalancing(t *testing.T) {
	s := "path H9 R1@1ms R2|R3@2ms R4|R5|R6|R7@3ms R8@4ms R9|R10@5ms"
	both(t, "host H9 rtt 8ms\n"+s, func(b *lab, h string) {
		b.add(1, h+"9", frequent())
		time.Sleep(5 * time.Minute)
		rs := b.of(1)
		if len(rs) < 10_000 || changes(rs) != 1 {
			b.T.Errorf("%d traces, %d changes", len(rs), changes(rs))
		}
	})
}

// TestReachability needs two traces in a row to agree on it.
func TestReachability(t *testing.T) {
	both(t, "host H9 rtt 20ms\npath H9 R1@1ms R2@2ms", func(b *lab, h string) {
		p := plan()
		p.Once, p.Hops = true, 8
		id := b.add(1, h+"9", p)
		round := func(host string, want bool) {
			b.T.Helper()
			b.Apply("host " + h + "9 rtt 20ms " + host)
			n := len(b.of(1))
			b.Do(func() { b.trace.Start(id, b.Loop.Now()) })
			time.Sleep(5 * time.Second)
			rs := b.of(1)
			if len(rs) != n+1 || rs[n].changed != want {
				b.T.Errorf("trace %d (%q): %d records, changed %v, want %v", n, host, len(rs)-n, rs[len(rs)-1].changed, want)
			}
		}
		time.Sleep(time.Second)
		round("", false)
		round("dead", false) // once is no answer
		round("", false)
		round("dead", false)
		round("dead", true)
		round("dead", false)
		round("", false)
		round("dead", false)
		round("", false)
		round("", true)
		round("", false)
	})
}

// TestPause is counted from the end of a trace, and traces of a target never
// overlap.
func TestPause(t *testing.T) {
	both(t, "host H9 dead", func(b *lab, h string) {
		b.add(1, h+"9", plan())
		time.Sleep(time.Minute)
		rs := b.of(1)
		for i := 1; i < len(rs); i++ {
			if d := rs[i].at - rs[i-1].at; d < 1500*time.Millisecond || d > 2510*time.Millisecond {
				b.T.Errorf("trace %d ended %v after the one before", i, d)
			}
		}
		if n := changes(rs); n != 1 || len(rs) < 24 {
			b.T.Errorf("%d traces, %d changes", len(rs), n)
		}
	})
}

// TestStopAndRemove: what is under way is finished and handed over.
func TestStopAndRemove(t *testing.T) {
	both(t, "host H9 dead\nhost H8 rtt 20ms\npath H8 R1@1ms silent R3@2ms", func(b *lab, h string) {
		one := b.add(1, h+"9", plan())
		b.add(2, h+"8", plan())
		time.Sleep(50 * time.Millisecond)
		b.Do(func() { b.trace.Remove(one) })
		two := b.add(3, h+"8", plan())
		if one == two {
			b.T.Error("a target was used again while its trace was under way")
		}
		time.Sleep(30 * time.Millisecond)
		b.Stop()
		for key := range uint32(3) {
			if n := len(b.of(key + 1)); n != 1 {
				b.T.Errorf("target %d: %d records, want 1", key+1, n)
			}
		}
	})
}

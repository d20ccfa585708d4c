// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/vitals"
)

const (
	calmScenario = "router r1 10.1.0.1\nrouter r2 10.1.0.2\nrouter r3 10.1.0.3\nrouter r4 10.1.0.4 loss 0.5\nhost 10.0.0.9 rtt 20ms\n" +
		"path 10.0.0.9 r1@1ms r2@2ms r3@3ms r4@4ms\n"
	// What a link loses, all hops behind it show; r4 limits its answers besides.
	lossyScenario  = "router r3 10.1.0.3 loss 0.3\nrouter r4 10.1.0.4 loss 0.7\nhost 10.0.0.9 rtt 20ms loss 0.3\n"
	slowerScenario = "host 10.0.0.9 rtt 50ms\npath 10.0.0.9 r1@1ms r2@32ms r3@33ms r4@34ms\n"
)

// TestOnset: of a target with details each trace says where faults begin, that one
// has begun, and has ended, is news once, and a router that limits its answers is
// marked and never blamed. Of others nothing is kept.
func TestOnset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, s := simulated(t, calmScenario)
		var watches []*Watch
		for key, details := range []bool{true, false} {
			w, err := p.Add(uint32(key), &vitals.Target{Settings: &vitals.Settings{
				Trace: true, TracePause: 10 * time.Second, Hops: 30, Timeout: time.Second, Details: details,
			}}, netip.MustParseAddr("10.0.0.9"), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			watches = append(watches, w)
		}
		pass := func(scenario string, d time.Duration) (last *vitals.Path, changes []vitals.OnsetChange) {
			if err := n.Apply(scenario); err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			synctest.Wait()
			for i, r := range of(s.results(), 0) {
				if news := i == 0 || len(r.Path.OnsetChanges) > 0; r.Changed != news {
					t.Errorf("trace %d: changed %v, %+v", i, r.Changed, r.Path.OnsetChanges)
				}
				last, changes = r.Path, append(changes, r.Path.OnsetChanges...)
			}
			return last, changes
		}
		last, changes := pass("", 10*time.Minute)
		if len(changes) > 0 || last.Onset.Loss != nil || !last.Hops[3].Limited || last.Hops[2].Limited {
			t.Errorf("while all is well: %+v, %+v", changes, last)
		}
		last, changes = pass(lossyScenario, 10*time.Minute)
		if f := last.Onset.Loss; len(changes) != 1 || f == nil || f.Before.TTL != 2 || f.At.TTL < 3 || f.Before.Addr != netip.MustParseAddr("10.1.0.2") {
			t.Errorf("with loss from hop 3 on: %+v, %+v", changes, f)
		}
		last, changes = pass(calmScenario, 15*time.Minute)
		if len(changes) != 2 || last.Onset.Loss != nil || changes[1].Before == nil || changes[1].After != nil {
			t.Errorf("after the loss: %+v, %+v", changes, last.Onset)
		}
		last, changes = pass(slowerScenario, 5*time.Minute)
		if f := last.Onset.Shift; len(changes) != 3 || f == nil || f.Before.TTL != 1 || f.At.TTL != 2 || (f.Is-f.Was).Round(time.Millisecond) != 30*time.Millisecond {
			t.Errorf("with a longer link behind hop 1: %+v, %+v", changes, f)
		}
		for _, r := range of(s.results(), 1) {
			if r.Path.Onset != nil {
				t.Fatal("something is said of a target without details")
			}
		}
		watches[0].Remove()
		left := make(chan int)
		p.families[0].loop.Do(func() { left <- len(p.families[0].onsets.watches) })
		if n := <-left; n != 0 {
			t.Errorf("%d targets are kept after the last was removed", n)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/vitals"
)

// TestPathMTU: traces tell the path MTU from the second on, a change of it is
// news, and a target that does not ask for it has none.
func TestPathMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p, s := simulated(t, "router r1 10.1.0.1\nrouter r2 10.1.0.2\nhost 10.0.0.9 rtt 20ms\n"+
			"path 10.0.0.9 r1@1ms r2@2ms\nmtu 10.0.0.9 2 1400\n")
		add := func(key uint32, mtu bool) *Watch {
			w, err := p.Add(key, &vitals.Target{Settings: &vitals.Settings{
				Trace: true, TracePause: time.Second, Hops: 30, Timeout: time.Second, MTU: mtu,
			}}, netip.MustParseAddr("10.0.0.9"), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		watched := add(1, true)
		add(2, false)
		sizes := func(key uint32) (last int, news int) {
			synctest.Wait()
			for _, r := range of(s.results(), key) {
				if last = 0; r.Path.MTU != nil {
					last = r.Path.MTU.Size
				}
				if r.Changed {
					news++
				}
			}
			return last, news
		}
		time.Sleep(20 * time.Second)
		if size, news := sizes(1); size != 1400 || news != 2 {
			t.Errorf("path MTU %d, %d times news; want 1400, and the first route and the first MTU", size, news)
		}
		if err := n.Apply("mtu 10.0.0.9 2 1300"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Second)
		if size, news := sizes(1); size != 1300 || news != 3 {
			t.Errorf("path MTU %d, %d times news; want 1300, which is news", size, news)
		}
		if size, news := sizes(2); size != 0 || news != 1 {
			t.Errorf("a target that did not ask: path MTU %d, %d times news", size, news)
		}
		watched.Remove()
		time.Sleep(10 * time.Second)
		left := make(chan int)
		p.families[0].loop.Do(func() { left <- len(p.families[0].paths) })
		if n := <-left; n != 0 {
			t.Errorf("%d path MTUs are watched after the last was removed", n)
		}
	})
}

// TestPathMTUOnce: a trace that is made once has the path MTU with it; of a host
// that is silent it has none, and ends.
func TestPathMTUOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, s := simulated(t, "router r1 10.1.0.1\nrouter r2 10.1.0.2\nhost 10.0.0.8 dead\nhost 10.0.0.9 rtt 20ms\n"+
			"path 10.0.0.9 r1@1ms r2@2ms\nmtu 10.0.0.9 2 1400\npath 10.0.0.8 r1@1ms\n")
		want := map[string]vitals.MTU{
			"10.0.0.8": {},
			"10.0.0.9": {Size: 1400, Interface: 1500, Limit: vitals.LimitReported, Router: netip.MustParseAddr("10.1.0.2"), TTL: 2},
		}
		for key, addr := range []string{"10.0.0.8", "10.0.0.9"} {
			w, err := p.Add(uint32(key), &vitals.Target{Settings: &vitals.Settings{
				Form: vitals.Bundled, Trace: true, Hops: 10, Timeout: time.Second, MTU: true, Details: true,
			}}, netip.MustParseAddr(addr), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for round := range 2 {
				w.Start(time.Now())
				time.Sleep(30 * time.Second)
				synctest.Wait()
				all := of(s.results(), uint32(key))
				if len(all) != round+1 || all[round].Path == nil || all[round].Path.MTU == nil {
					t.Fatalf("%s, round %d: %d results", addr, round, len(all))
				}
				if got := *all[round].Path.MTU; got.Size != want[addr].Size || got.Router != want[addr].Router || got.TTL != want[addr].TTL {
					t.Errorf("%s, round %d: %+v, want %+v", addr, round, got, want[addr])
				}
			}
		}
	})
}

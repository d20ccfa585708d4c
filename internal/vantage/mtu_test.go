// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
	"connmonitor/internal/vitals"
)

// TestPathMTU: traces tell the path MTU from the second on, a change of it is
// news, and a target that does not ask for it has none.
func TestPathMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := simnet.New(1, "router r1 10.1.0.1\nrouter r2 10.1.0.2\nhost 10.0.0.9 rtt 20ms\n"+
			"path 10.0.0.9 r1@1ms r2@2ms\nmtu 10.0.0.9 2 1400\n")
		if err != nil {
			t.Fatal(err)
		}
		s := newSink()
		p := New(Options{Loop: prober.Options{Clock: n.Clock, OpenSocket: n.OpenSocket}}, s)
		p.Open()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
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
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

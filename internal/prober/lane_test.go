// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// TestLanes: a probe leaves with a header of our own unless it needs the
// kernel's, and what it elicits comes to the main socket and is measured alike.
func TestLanes(t *testing.T) {
	inLab(t, prober.Options{}, "host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 rtt 20ms narrow", func(b *lab) {
		own, kernels := 0, 0
		b.net.Watch(func(s simnet.Sent) {
			if s.Header {
				own++
			} else {
				kernels++
			}
		})
		for name, test := range map[string]struct {
			to     string
			change func(p *prober.Probe)
			own    bool
		}{
			"ordinary":  {"10.0.0.1", func(*prober.Probe) {}, true},
			"TTL":       {"10.0.0.1", func(p *prober.Probe) { p.TTL = 9 }, true},
			"flow":      {"10.0.0.1", func(p *prober.Probe) { p.Flow = 77 }, true},
			"548 bytes": {"10.0.0.1", func(p *prober.Probe) { p.Size = 548 }, true},
			"549 bytes": {"10.0.0.1", func(p *prober.Probe) { p.Size = 549 }, false},
			"class":     {"10.0.0.1", func(p *prober.Probe) { p.TOS = 184 }, false},
			"source":    {"10.0.0.1", func(p *prober.Probe) { p.From.IP[0] = 10 }, false},
			"interface": {"10.0.0.1", func(p *prober.Probe) { p.Iface = 2 }, false},
			"DF":        {"10.0.0.1", func(p *prober.Probe) { p.DF = true }, false},
			"narrow":    {"10.0.0.2", func(p *prober.Probe) { p.Size = 548 }, false},
		} {
			const n = 150 // more than two batches
			own, kernels = 0, 0
			p := probe(test.to)
			test.change(&p)
			b.want(n, p, prober.Replied, 20*time.Millisecond)
			if test.own && own != n || !test.own && kernels != n || own+kernels != n {
				t.Errorf("%s: %d with a header of our own, %d with the kernel's", name, own, kernels)
			}
		}
		if s := b.loop.Stats(); s.Unstamped != 0 || s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
)

// BenchmarkTrace is what a first trace of one more target over twelve hops costs
// beside its probes: ns and allocations.
func BenchmarkTrace(b *testing.B) {
	plan := Plan{Hops: 30, Timeout: time.Second, Once: true}
	routers := newRouters()
	var spare runs
	now := int64(time.Second)
	b.ReportAllocs()
	for n := range b.N {
		to := rawsock.Addr{IP: [16]byte{10, 9, byte(n >> 8), byte(n)}}
		f := flow{}
		f.run = spare.take()
		f.run.begin(&plan, &f.memory, routers, false, false, now)
		benchmarkAnswers(f.run, to, now)
		f.take()
		f.memory.record(f.path)
		f.run.expect()
		f.run.tell(now)
		f.run.share(f.path, now)
		spare.giveBack(f.run)
	}
}

// benchmarkAnswers lets eleven routers and the destination answer.
func benchmarkAnswers(r *run, to rawsock.Addr, now int64) {
	ask := func(uint8) int64 { return now }
	r.plan(now, true, ask)
	for ttl := uint8(1); ttl <= 12; ttl++ {
		v := prober.Result{Verdict: prober.Expired, RTT: time.Duration(ttl) * time.Millisecond, From: rawsock.Addr{IP: [16]byte{10, 1, 0, ttl}}, Type: 11, TTL: 64, Quote: &prober.Quote{TTL: 1}}
		if ttl == 12 {
			v.Verdict, v.From, v.Type, v.Quote = prober.Replied, to, 0, nil
		}
		r.take(ttl, &v, to, now)
		r.plan(now, false, ask)
	}
}

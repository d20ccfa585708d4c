// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
	"connmonitor/internal/trace"
	"connmonitor/internal/vitals"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record is one finished trace.
type record struct {
	path    *vitals.Path
	changed bool
	cause   syscall.Errno
	at      time.Duration
}

// lab is a tracer on a simulated network.
type lab struct {
	*simnet.Lab
	trace *trace.Tracer
	keys  uint32 // of once

	mu      sync.Mutex
	records map[uint32][]record
}

// inLab runs body beside a running loop in a bubble of fake time.
func inLab(t *testing.T, o prober.Options, scenario string, body func(b *lab)) {
	t.Helper()
	inPacedLab(t, o, 0, scenario, body)
}

// inPacedLab is inLab with so many probes a second at the most; 0: no cap.
func inPacedLab(t *testing.T, o prober.Options, pps float64, scenario string, body func(b *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if pps > 0 {
			o.Pace = prober.NewPace(pps) // counts from when it is made, by the bubble's clock
		}
		b := &lab{Lab: simnet.NewLab(t, o, scenario), records: map[uint32][]record{}}
		b.trace = trace.New(b.Loop, func(key uint32, p *vitals.Path, changed bool, cause syscall.Errno) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.records[key] = append(b.records[key], record{p, changed, cause, time.Since(b.Start)})
		})
		b.Run(b.trace)
		body(b)
		b.Stop()
	})
}

// add adds a target that is traced from now on.
func (b *lab) add(key uint32, to string, plan trace.Plan) (id uint32) {
	b.Do(func() { id = b.trace.Add(key, simnet.Addr(to), plan, b.Loop.Now()) })
	return id
}

// of are the records of a key. It is called between two events of the bubble.
func (b *lab) of(key uint32) []record {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.records[key]
}

// once traces a target one time and returns what came of it and how long it
// took.
func (b *lab) once(to string, plan trace.Plan) (r record, took time.Duration) {
	b.T.Helper()
	plan.Once = true
	b.keys++
	key := 1e6 + b.keys
	before := time.Since(b.Start)
	id := b.add(key, to, plan)
	for range 10_000 {
		if rs := b.of(key); len(rs) > 0 {
			b.Do(func() { b.trace.Remove(id) })
			return rs[0], rs[0].at - before
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.T.Fatalf("the trace to %s does not end", to)
	return record{}, 0
}

// changes counts the records to be printed, and those between.
func changes(rs []record) (n int) {
	for _, r := range rs {
		if r.changed {
			n++
		}
	}
	return n
}

func plan() trace.Plan {
	return trace.Plan{Pause: 500 * time.Millisecond, Timeout: time.Second, Hops: 30, Port: 33434}
}

// text is a path in short: the last number of each address, a star for
// silence, and how it ends.
func text(p *vitals.Path) string {
	if p == nil {
		return "none"
	}
	var words []string
	for _, h := range p.Hops {
		if h.Silent() {
			words = append(words, "*")
			continue
		}
		s := h.Addr.String()
		words = append(words, s[strings.LastIndexAny(s, ".:")+1:])
	}
	return strings.Join(words, " ") + map[vitals.End]string{
		vitals.EndHops: " ...", vitals.EndReached: " .", vitals.EndUnreachable: " !",
	}[p.End]
}

// routers names routers r1 to rn of both families: 10.1.0.N and
// 2001:db8:1::N as s1 to sn.
func routers(n int) string {
	var s strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&s, "router r%d 10.1.0.%d\nrouter s%d 2001:db8:1::%d\n", i, i, i, i)
	}
	return s.String()
}

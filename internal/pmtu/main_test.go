// SPDX-License-Identifier: Apache-2.0

package pmtu_test

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/netlab"
	"connmonitor/internal/pmtu"
	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
	"connmonitor/internal/vitals"
)

func TestMain(m *testing.M) {
	netlab.Enter()
	goleak.VerifyTestMain(m)
}

// round is one finished round.
type round struct {
	mtu     vitals.MTU
	changed bool
	cause   syscall.Errno
	sent    int // probes that left meanwhile
}

// lab is a finder on a simulated network.
type lab struct {
	*simnet.Lab
	finder *pmtu.Finder
	id     uint32

	mu     sync.Mutex
	sent   int
	rounds []round
}

// family is an address family and its names in scenarios.
type family struct {
	v6     bool
	host   string
	router string // of number %d
}

var families = []family{
	{false, "10.9.0.1", "10.1.0.%d"},
	{true, "2001:db8:9::1", "2001:db8:1::%d"},
}

func (f family) String() string {
	if f.v6 {
		return "IPv6"
	}
	return "IPv4"
}

// scenario is a chain of six routers r1 to r6 before the host.
func (f family) scenario() string {
	var s strings.Builder
	path := "path " + f.host
	for i := 1; i <= 6; i++ {
		fmt.Fprintf(&s, "router r%d "+f.router+"\n", i, i)
		path += fmt.Sprintf(" r%d@%dms", i, i)
	}
	return s.String() + "host " + f.host + " rtt 10ms\n" + path + "\nmtu " + f.host + " 0 1500\n"
}

// with is the scenario and statements in which HOST stands for the host.
func (f family) statements(s string) string { return strings.ReplaceAll(s, "HOST", f.host) }

// inLab runs body beside a running loop in a bubble of fake time.
func inLab(t *testing.T, f family, statements string, body func(b *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &lab{Lab: simnet.NewLab(t, prober.Options{IPv6: f.v6}, f.scenario()+f.statements(statements))}
		b.finder = pmtu.New(b.Loop, func(_ uint32, m vitals.MTU, changed bool, cause syscall.Errno) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.rounds = append(b.rounds, round{m, changed, cause, b.sent})
			b.sent = 0
		})
		b.Net.Watch(func(p simnet.Sent) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sent++
			if !p.DF {
				b.T.Errorf("a probe without Don't Fragment to %s", p.To)
			}
		})
		b.Run(b.finder)
		b.Do(func() {
			b.id = b.finder.Add(7, simnet.Addr(f.host), pmtu.Plan{Once: true, Timeout: time.Second, Hops: 30}, -1)
		})
		body(b)
		b.Stop()
	})
}

// round makes one round and returns its end.
func (b *lab) round() round {
	b.T.Helper()
	b.mu.Lock()
	n := len(b.rounds)
	b.sent = 0
	b.mu.Unlock()
	b.Do(func() { b.finder.Start(b.id, b.Loop.Now()) })
	for range 10_000 {
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		b.mu.Lock()
		rs := b.rounds
		b.mu.Unlock()
		if len(rs) > n {
			return rs[n]
		}
	}
	b.T.Fatal("the round does not end")
	return round{}
}

// text is a result in short: size, limit, hop.
func text(m vitals.MTU) string {
	s := fmt.Sprintf("%d/%d", m.Size, m.Interface)
	switch m.Limit {
	case vitals.LimitReported:
		s += " reported"
	case vitals.LimitBlackHole:
		s += " black hole"
	}
	if m.Router.IsValid() {
		a := m.Router.String()
		s += fmt.Sprintf(" by %s at %d", a[strings.LastIndexAny(a, ".:")+1:], m.TTL)
	}
	return s
}

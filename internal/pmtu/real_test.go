// SPDX-License-Identifier: Apache-2.0

package pmtu_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/pmtu"
	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// hang is how long a test waits for what must come; it only catches hangs.
const hang = 60 * time.Second

// real is a finder on real sockets in a node.
type real struct {
	t      *testing.T
	loop   *prober.Loop
	finder *pmtu.Finder
	id     uint32
	rounds chan round
}

// startReal runs a finder for one target in a node, by sockets of a kind.
func startReal(t *testing.T, node *netlab.Node, kind rawsock.Kind, to netip.Addr) *real {
	t.Helper()
	r := &real{t: t, rounds: make(chan round, 1)}
	r.loop = prober.New(prober.Options{IPv6: to.Is6(), OpenSocket: func(o rawsock.Options) (prober.Socket, error) {
		if o.Kind < kind {
			return nil, syscall.EPERM
		}
		var s *rawsock.Socket
		var err error
		node.Do(func() { s, err = rawsock.Open(o) })
		if err != nil {
			return nil, err
		}
		return s, nil
	}})
	r.finder = pmtu.New(r.loop, func(_ uint32, m vitals.MTU, changed bool, cause syscall.Errno) {
		r.rounds <- round{mtu: m, changed: changed, cause: cause}
	})
	if err := r.loop.Open(); err != nil {
		t.Fatal(err)
	}
	if got := r.loop.Info().Kind; got != kind {
		t.Fatalf("the socket is %s, want %s", got, kind)
	}
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- r.loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
	addr, err := rawsock.AddrFrom(to)
	if err != nil {
		t.Fatal(err)
	}
	added := make(chan struct{})
	r.loop.Do(func() {
		r.id = r.finder.Add(1, addr, pmtu.Plan{Once: true, Timeout: 100 * time.Millisecond, Hops: 30}, -1)
		close(added)
	})
	<-added
	return r
}

// round makes one round.
func (r *real) round() round {
	r.t.Helper()
	r.loop.Do(func() { r.finder.Start(r.id, r.loop.Now()) })
	select {
	case got := <-r.rounds:
		if got.cause != 0 {
			r.t.Fatalf("our own side spoiled the round: %v", got.cause)
		}
		return got
	case <-time.After(hang):
		r.t.Fatal("the round does not end")
		return round{}
	}
}

// until makes rounds until the result is as wanted: how many that takes
// depends on how the change falls.
func (r *real) until(want vitals.MTU) {
	r.t.Helper()
	var got round
	for range 8 {
		if got = r.round(); got.mtu == want {
			return
		}
	}
	r.t.Fatalf("found %+v, want %+v", got.mtu, want)
}

// TestReal watches a chain of real routers of which one link narrows, then
// hides it, and widens again.
func TestReal(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, kind := range []rawsock.Kind{rawsock.Raw, rawsock.Datagram} {
			t.Run(fmt.Sprintf("%s by %s", rawsock.FamilyName(v6), kind), func(t *testing.T) {
				t.Parallel()
				watchChain(t, v6, kind)
			})
		}
	}
}

func watchChain(t *testing.T, v6 bool, kind rawsock.Kind) {
	top := netlab.Chain(t, 4)
	if kind == rawsock.Datagram {
		top.Client.AllowPings()
	}
	router, to := top.Links[1].B, top.Host4(7)
	at := router.Addr4
	if v6 {
		at, to = router.Addr6, top.Host6(7)
	}
	r := startReal(t, top.Client, kind, to)
	wide := vitals.MTU{Size: 1500, Interface: 1500}
	if got := r.round(); got.mtu != wide || !got.changed {
		t.Fatalf("found %+v, changed %v", got.mtu, got.changed)
	}
	narrow := vitals.MTU{Size: 1400, Interface: 1500, Limit: vitals.LimitReported, Router: at, TTL: 2}
	top.Links[2].Narrow(1400)
	r.until(narrow)
	compareTracepath(t, top.Client, to, narrow.Size)
	for range 3 { // what the kernel has cached by now does not refuse our probes
		if got := r.round(); got.mtu != narrow || got.changed {
			t.Fatalf("found %+v, changed %v", got.mtu, got.changed)
		}
	}
	router.Node.SilentTooBig()
	narrow.Limit = vitals.LimitBlackHole
	r.until(narrow)
	top.Links[2].Narrow(1500)
	r.until(wide)
}

// compareTracepath holds a result against what tracepath(8) finds, where that is
// installed.
func compareTracepath(t *testing.T, node *netlab.Node, to netip.Addr, want int) {
	t.Helper()
	if _, err := exec.LookPath("tracepath"); err != nil {
		t.Logf("not compared: %v", err)
		return
	}
	out, err := node.Command(t.Context(), "tracepath", "-n", to.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("tracepath: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), fmt.Sprintf("Resume: pmtu %d ", want)) {
		t.Errorf("tracepath finds another path MTU than %d:\n%s", want, out)
	}
}

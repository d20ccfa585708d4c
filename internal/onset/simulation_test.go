// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// network is a random path: what the links lose and what the routers lose of
// their own answers, and how RTTs move.
type network struct {
	loss    []float64 // of the path up to each hop
	limit   []float64 // of the answers of each hop
	silent  []bool
	onset   int // TTL from which on the path loses; 0: it does not
	rtt     []float64
	shift   float64 // ms
	shifted int     // TTL from which on the RTT moves; 0: it does not
	noise   float64 // ms
	outages bool    // what the path loses, it loses for whole traces
	slow    int     // TTL whose RTT moves alone; 0: none
}

// build makes a network of 3 to 20 hops, of which one in six is silent and one
// in four loses 40 to 99 % of its answers.
func build(r *rand.Rand) network {
	n := 3 + r.IntN(18)
	w := network{
		loss: make([]float64, n), limit: make([]float64, n), silent: make([]bool, n),
		rtt: make([]float64, n), noise: 0.02 + r.Float64(),
	}
	at := 0.0
	for k := range n {
		at += r.ExpFloat64() * 4
		w.rtt[k] = 0.2 + at
		if k == n-1 {
			break // the destination answers what it is asked
		}
		w.silent[k] = r.IntN(6) == 0
		if r.IntN(4) == 0 {
			w.limit[k] = 0.4 + 0.59*r.Float64()
		}
	}
	return w
}

func (w *network) lose(r *rand.Rand) {
	w.onset = 1 + r.IntN(len(w.loss))
	share := 0.02 + 0.28*r.Float64()
	for k := w.onset - 1; k < len(w.loss); k++ {
		w.loss[k] = share
	}
}

func (w *network) move(r *rand.Rand) {
	w.shifted = 1 + r.IntN(len(w.rtt))
	w.shift = 2 + 50*r.Float64()
}

// trace plays one trace. A silent destination is asked up to three times.
func (w *network) trace(r *rand.Rand, recent bool) vitals.Path {
	p := vitals.Path{Hops: make([]vitals.Hop, len(w.loss)), End: vitals.EndReached}
	out := w.outages && r.Float64() < w.loss[len(w.loss)-1]
	for k := range p.Hops {
		h := &p.Hops[k]
		lost := w.loss[k]
		if w.outages && lost > 0 {
			lost = 0
			if out {
				lost = 1
			}
		}
		tries := 1
		if k == len(p.Hops)-1 {
			tries = 3
		}
		for range tries {
			h.Sent++
			if !w.silent[k] && r.Float64() >= lost && r.Float64() >= w.limit[k] {
				h.Received++
				break
			}
		}
		if h.Received == 0 {
			continue
		}
		h.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(k + 1)})
		h.RTT = w.time(r, k, recent)
	}
	if p.Hops[len(p.Hops)-1].Silent() {
		p.End = vitals.EndHops
	}
	return p
}

// time is an RTT: a fixed part, a queue, and now and then a spike.
func (w *network) time(r *rand.Rand, k int, recent bool) time.Duration {
	v := w.rtt[k] + r.ExpFloat64()*w.noise
	if r.IntN(20) == 0 {
		v += 30 * r.Float64()
	}
	if recent && w.shifted > 0 && k+1 >= w.shifted {
		v += w.shift
	}
	if recent && k+1 == w.slow {
		v += 40
	}
	return time.Duration(v * 1e6)
}

func (w *network) play(r *rand.Rand, n int) []vitals.Path {
	traces := make([]vitals.Path, n)
	for i := range traces {
		traces[i] = w.trace(r, i >= n-n/4)
	}
	return traces
}

// tally counts how findings compare with the truth.
type tally struct {
	networks, missed, exact, within, wrong, early int
}

// judge compares a place with the true onset; 0 is none. Exact is the true
// link, or as near as silent and rate-limited hops allow; within a wider place
// that holds it.
func (a *tally) judge(p Place, truth int, blind func(ttl int) bool) {
	a.networks++
	switch {
	case !p.Found && truth != 0:
		a.missed++
	case !p.Found:
		a.exact++
	case truth <= p.Before || truth > p.At:
		a.wrong++
		if truth > p.At {
			a.early++
		}
	default:
		seen := 0
		for ttl := p.Before + 1; ttl <= p.At; ttl++ {
			if !blind(ttl) {
				seen++
			}
		}
		if seen <= 1 {
			a.exact++
		} else {
			a.within++
		}
	}
}

func (a *tally) share(n int) float64 { return 100 * float64(n) / float64(a.networks) }

func (a *tally) log(t *testing.T, what string) {
	t.Helper()
	t.Logf("%s: %d networks: exact %.2f %%, within a wider place %.2f %%, not found %.2f %%, wrong %.3f %% (%d early)",
		what, a.networks, a.share(a.exact), a.share(a.within), a.share(a.missed), a.share(a.wrong), a.early)
}

// networks is how many random networks of each kind are played.
const networks = 2000

// simulate plays networks and judges loss and shift.
func simulate(n int, seed uint64, change func(*network, *rand.Rand)) (loss, shift tally) {
	r := rand.New(rand.NewPCG(seed, 1812))
	for range networks {
		w := build(r)
		change(&w, r)
		f := Find(w.play(r, n))
		blind := func(ttl int) bool { return w.silent[ttl-1] || w.limit[ttl-1] > 0 }
		loss.judge(f.Loss, w.onset, blind)
		shift.judge(f.Shift, w.shifted, func(ttl int) bool { return w.silent[ttl-1] })
	}
	return loss, shift
}

// TestFalseBlame measures over random networks how often the right place is
// named, and that hardly ever a wrong one is.
func TestFalseBlame(t *testing.T) {
	tests := []struct {
		name         string
		traces       int
		change       func(*network, *rand.Rand)
		found, exact float64 // least percent of loss that is found, and exactly
	}{
		{"healthy", 100, func(*network, *rand.Rand) {}, 100, 100},
		{"hardly any loss", 100, func(w *network, _ *rand.Rand) {
			for k := range w.loss {
				w.loss[k] = 0.0001 * float64(k)
			}
		}, 100, 99.9},
		{"slow hop", 60, func(w *network, r *rand.Rand) { w.slow = 1 + r.IntN(len(w.rtt)-1) }, 100, 100},
		{"loss, 20 traces", 20, (*network).lose, 70, 0},
		{"loss, 100 traces", 100, (*network).lose, 90, 55},
		{"loss, 200 traces", 200, (*network).lose, 98, 75},
		{"outages", 100, func(w *network, r *rand.Rand) { w.lose(r); w.outages = true }, 90, 55},
		{"shift, 60 traces", 60, (*network).move, 100, 100},
		{"loss and shift", 100, func(w *network, r *rand.Rand) { w.lose(r); w.move(r) }, 90, 55},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			loss, shift := simulate(test.traces, uint64(i), test.change)
			loss.log(t, "loss")
			shift.log(t, "shift")
			for what, a := range map[string]*tally{"loss": &loss, "shift": &shift} {
				if a.share(a.wrong) >= 0.1 {
					t.Errorf("%s: wrong in %d of %d networks", what, a.wrong, a.networks)
				}
			}
			if got := 100 - loss.share(loss.missed); got < test.found {
				t.Errorf("loss found in %.2f %% of the networks, want %.2f %%", got, test.found)
			}
			if got := loss.share(loss.exact); got < test.exact {
				t.Errorf("loss placed exactly in %.2f %% of the networks, want %.2f %%", got, test.exact)
			}
		})
	}
}

// TestMimicry measures what the package comment admits: a router that loses of
// its own answers what the path behind it loses cannot be told from the path.
// Where every fourth router has a limit and any limit is as likely as another,
// this is some three networks in a hundred; and it is never more than that: what
// is named early is a hop with a limit.
func TestMimicry(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1812))
	var loss tally
	for range networks {
		w := build(r)
		for k := range w.limit {
			if w.limit[k] > 0 {
				w.limit[k] = r.Float64()
			}
		}
		w.lose(r)
		f := Find(w.play(r, 100))
		early := loss.early
		loss.judge(f.Loss, w.onset, func(ttl int) bool { return w.silent[ttl-1] || w.limit[ttl-1] > 0 })
		if loss.early > early && w.limit[f.Loss.At-1] == 0 {
			t.Errorf("hop %d is blamed without a reason, the loss begins at %d", f.Loss.At, w.onset)
		}
	}
	loss.log(t, "any limit")
	if loss.share(loss.wrong) > 5 {
		t.Errorf("wrong in %d of %d networks", loss.wrong, loss.networks)
	}
}

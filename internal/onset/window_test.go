// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"connmonitor/internal/vitals"
)

// TestWindowKeepsWhatIsAsked: the finding from what is kept is that from the last
// traces themselves.
func TestWindowKeepsWhatIsAsked(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var into []vitals.Path
	near := 0 // shifts that are just one, or just none
	for range 8 {
		var w Window
		n := build(r)
		n.lose(r)
		n.move(r)
		var all []vitals.Path
		for i := range 2 * Most {
			p := n.trace(r, i > Most+Most/2)
			all = append(all, p)
			w.Add(&p, time.Unix(int64(i), 0))
			last := all[max(0, len(all)-Most):]
			into = w.Traces(into)
			got, want := Find(into), Find(last)
			if got.Verdict != want.Verdict || got.Loss != want.Loss || got.Traces != want.Traces {
				t.Errorf("from what is kept\n%v\nfrom the traces\n%v", got, want)
			}
			if got.Shift.Found != want.Shift.Found {
				near++
			}
			if at := w.At(w.Len() - 1).Unix(); at != int64(i) {
				t.Errorf("trace %d is of %d", i, at)
			}
		}
		w.Forget(Most - 7)
		if into = w.Traces(into); len(into) != 7 || w.At(0).Unix() != 2*Most-7 {
			t.Errorf("%d traces from %v on", len(into), w.At(0))
		}
	}
	if near > 8*2*Most/100 {
		t.Errorf("%d shifts are found in one only", near)
	}
}

// TestWindowOfManyAddresses: a path on which addresses never come again is kept
// in bounded memory, and right.
func TestWindowOfManyAddresses(t *testing.T) {
	var w Window
	for i := range 1000 {
		var p vitals.Path
		for k := range 4 {
			p.Hops = append(p.Hops, vitals.Hop{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(k)}), RTT: time.Millisecond, Sent: 1, Received: 1})
		}
		p.End = vitals.EndReached
		w.Add(&p, time.Unix(int64(i), 0))
		all := w.Traces(nil)
		for k, h := range all[len(all)-1].Hops {
			if h.Addr != p.Hops[k].Addr {
				t.Fatalf("trace %d, hop %d is %v", i, k+1, h.Addr)
			}
		}
	}
	if len(w.addrs) > math.MaxUint8 {
		t.Errorf("%d addresses", len(w.addrs))
	}
}

// TestWindowIsSmall: what a hundred thousand of cost.
func TestWindowIsSmall(t *testing.T) {
	n := network{loss: make([]float64, 12), limit: make([]float64, 12), silent: make([]bool, 12), rtt: make([]float64, 12)}
	r := rand.New(rand.NewPCG(2, 2))
	var w Window
	for range 3 * Most {
		p := n.trace(r, false)
		w.Add(&p, time.Unix(1, 0))
	}
	bytes := cap(w.rows)*int(unsafe.Sizeof(row{})) + cap(w.answers)*int(unsafe.Sizeof(answer{})) + cap(w.addrs)*int(unsafe.Sizeof(netip.Addr{}))
	t.Logf("%d bytes", bytes)
	if bytes > 3200 {
		t.Errorf("%d bytes for 12 hops", bytes)
	}
}

func TestPackRTT(t *testing.T) {
	for _, d := range []time.Duration{256, 1000, 52429, 1e6, 12345678, 1e9, 255e9, 1 << 46} {
		got := unpackRTT(packRTT(d))
		if off := math.Abs(float64(got-d)) / float64(d); off > 0.0005 && (got-d).Abs() > 1<<rttUnit {
			t.Errorf("%v became %v", d, got)
		}
	}
	for _, d := range []time.Duration{-1, 0, math.MaxInt64, math.MinInt64} {
		if got := unpackRTT(packRTT(d)); got <= 0 {
			t.Errorf("%v became %v", d, got)
		}
	}
}

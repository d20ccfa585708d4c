// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// FuzzFind feeds traces that no network makes: counts that contradict each
// other, answers without a probe, ends that do not fit.
func FuzzFind(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 3, 1, 9, 0, 1, 5, 2, 1, 1, 0, 1, 6})
	f.Add([]byte(strings.Repeat("\x01\x03\x01\x01\x00\x01\x05\x01\x01\x00\x02\x06\x01\x00\x00\x03\x07", 30)))
	f.Fuzz(func(t *testing.T, data []byte) {
		traces := decode(data)
		got := Find(traces)
		sane(t, &got)
		if again := Find(traces); !reflect.DeepEqual(got, again) || got.String() != again.String() {
			t.Errorf("two findings from the same traces:\n%v\n%v", got, again)
		}
		var w Watch
		var scratch Scratch
		for i := range traces[:min(len(traces), Most+4)] {
			w.Take(&traces[i], time.Unix(int64(i), 0), &scratch)
			if traces[i].Onset == nil {
				t.Error("nothing is said")
			}
		}
	})
}

// decode makes traces of any bytes: each an end, a length, and five bytes a hop.
func decode(data []byte) []vitals.Path {
	var traces []vitals.Path
	for len(data) >= 2 {
		p := vitals.Path{End: vitals.End(data[0] % 4), Hops: make([]vitals.Hop, int(data[1])+int(data[0]>>2))}
		data = data[2:]
		for k := range p.Hops {
			if len(data) < 5 {
				break
			}
			h := &p.Hops[k]
			h.Sent, h.Received, h.Unknown = data[0], data[1], data[2]
			h.Shared = data[3]&128 > 0
			if data[3]&3 > 0 {
				h.Addr = netip.AddrFrom4([4]byte{192, 0, 2, data[3] & 15})
			}
			h.RTT = time.Duration(int8(data[4])) << (data[3] & 63)
			data = data[5:]
		}
		traces = append(traces, p)
	}
	return traces
}

// sane holds a finding to what every finding promises.
func sane(t *testing.T, f *Finding) {
	t.Helper()
	if f.Traces > f.Given || len(f.Hops) > MaxTTL || f.Last > len(f.Hops) || f.Destination > len(f.Hops) {
		t.Errorf("counts beyond what was given: %+v", f)
	}
	for k := range f.Hops {
		if h := &f.Hops[k]; h.Lost < 0 || h.Lost > h.Known {
			t.Errorf("hop %d lost %d of %d", k+1, h.Lost, h.Known)
		}
	}
	for _, p := range []Place{f.Loss, f.Shift} {
		if p.Found && (p.Before < 0 || p.Before >= p.At || p.At > f.Destination) {
			t.Errorf("a place that is none: %+v", p)
		}
	}
	if f.Loss.Found && f.Hops[f.Destination-1].Lost == 0 {
		t.Error("loss is blamed though the destination lost nothing")
	}
	if s := f.String(); s == "" || len(s) > 2000 || strings.ContainsAny(s, "\n%!") && strings.Contains(s, "%!") {
		t.Errorf("sentence %q", s)
	}
}

// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"connmonitor/internal/vitals"
)

// Most is how many traces a Window keeps.
const Most = 48

// Window keeps what the hops of one flow to one target have answered in its last
// traces, as far as Find asks for it: 4 bytes a hop and 8 a trace, so that a
// hundred thousand of them find room. RTTs are kept to 0.05 %, times to a second.
// Its zero value is empty.
type Window struct {
	rows    []row    // the oldest at first, once there are Most
	answers []answer // stride for each row
	addrs   []netip.Addr
	first   int
	stride  int
}

// row is one trace.
type row struct {
	at     uint32 // seconds of Unix time
	length uint8
	end    vitals.End
}

// answer is what one hop has answered in one trace.
type answer struct {
	rtt    uint16 // packed
	who    uint8  // 1 + index in addrs; 0: nobody, or one too many
	counts uint8  // probes known << 4 | answers
}

// Len is how many traces are kept.
func (w *Window) Len() int { return len(w.rows) }

// Add takes a trace that was complete at a time. Once there are Most the oldest
// is forgotten.
func (w *Window) Add(p *vitals.Path, at time.Time) {
	length := w.worth(p)
	w.widen(length)
	i := w.next()
	w.rows[i] = row{at: uint32(at.Unix()), length: uint8(length), end: p.End}
	hops := w.answers[i*w.stride:][:w.stride]
	clear(hops)
	for k := range length {
		hops[k] = w.pack(&p.Hops[k])
	}
}

// next is the index of the row for a new trace.
func (w *Window) next() int {
	if len(w.rows) == Most {
		i := w.first
		w.first = (w.first + 1) % Most
		return i
	}
	if len(w.rows) == cap(w.rows) {
		// Not more than is needed: many targets are traced seldom.
		w.grow(min(max(4, 2*len(w.rows)), Most), w.stride)
	}
	w.rows = append(w.rows, row{})
	w.answers = w.answers[:len(w.rows)*w.stride]
	return len(w.rows) - 1
}

// grow makes room for so many rows of so many hops.
func (w *Window) grow(rows, stride int) {
	grown := make([]row, len(w.rows), rows)
	answers := make([]answer, len(w.rows)*stride, rows*stride)
	for i := range w.rows {
		grown[i] = *w.row(i)
		copy(answers[i*stride:][:stride], w.hops(i))
	}
	w.rows, w.answers, w.first, w.stride = grown, answers, 0, stride
}

func (w *Window) widen(length int) {
	if length > w.stride {
		w.grow(cap(w.rows), length)
	}
}

// index is that of the i-th trace, the oldest being 0.
func (w *Window) index(i int) int { return (w.first + i) % len(w.rows) }

func (w *Window) row(i int) *row { return &w.rows[w.index(i)] }

func (w *Window) hops(i int) []answer { return w.answers[w.index(i)*w.stride:][:w.stride] }

// At is when the i-th trace was complete, the oldest being 0.
func (w *Window) At(i int) time.Time { return time.Unix(int64(w.row(i).at), 0) }

// beyond is how many silent hops are kept behind the last that answers.
const beyond = fewestBeyond

// worth is how many hops of a trace are kept: the many silent ones behind a
// target that was not reached say no more than the first of them, but where the
// destination was before.
func (w *Window) worth(p *vitals.Path) int {
	n := min(len(p.Hops), MaxTTL)
	if p.End != vitals.EndHops {
		return n
	}
	least := 0
	for k := range n {
		if !p.Hops[k].Silent() {
			least = k + 1
		}
	}
	least += beyond
	for i := range w.rows {
		if r := w.rows[i]; r.end == vitals.EndReached {
			least = max(least, int(r.length))
		}
	}
	return min(n, least)
}

// pack packs a hop. A shared one is no evidence (count), and like one that was
// not asked.
func (w *Window) pack(h *vitals.Hop) answer {
	known, _, answers := count(h, math.MaxUint8)
	if known == 0 {
		return answer{}
	}
	const most = 15
	a := answer{counts: uint8(min(known, most)<<4 | min(answers, most))}
	if answers > 0 {
		a.rtt, a.who = packRTT(h.RTT), w.who(h.Addr)
	}
	return a
}

// who is the number of an address.
func (w *Window) who(addr netip.Addr) uint8 {
	if !addr.IsValid() {
		return 0
	}
	i := slices.Index(w.addrs, addr)
	if i < 0 && len(w.addrs) == math.MaxUint8 {
		w.forget()
	}
	if i < 0 && len(w.addrs) < math.MaxUint8 {
		i, w.addrs = len(w.addrs), append(w.addrs, addr)
	}
	return uint8(i + 1)
}

// forget forgets the addresses of traces that were forgotten.
func (w *Window) forget() {
	var numbers [math.MaxUint8 + 1]uint8
	var kept []netip.Addr
	for i := range w.answers {
		a := &w.answers[i]
		if a.who == 0 {
			continue
		}
		if numbers[a.who] == 0 {
			kept = append(kept, w.addrs[a.who-1])
			numbers[a.who] = uint8(len(kept))
		}
		a.who = numbers[a.who]
	}
	w.addrs = kept
}

// Forget forgets the n oldest traces.
func (w *Window) Forget(n int) {
	if n = min(n, len(w.rows)); n <= 0 {
		return
	}
	kept := Window{addrs: w.addrs}
	kept.grow(len(w.rows)-n, w.stride)
	for i := n; i < len(w.rows); i++ {
		kept.rows = append(kept.rows, *w.row(i))
		kept.answers = append(kept.answers, w.hops(i)...)
	}
	*w = kept
}

// Traces unpacks all traces, the oldest at first, into what an earlier call has
// returned: it costs no memory again.
func (w *Window) Traces(into []vitals.Path) []vitals.Path {
	into = slices.Grow(into[:0], len(w.rows))[:len(w.rows)]
	for i := range into {
		r, answers := w.row(i), w.hops(i)
		hops := slices.Grow(into[i].Hops[:0], int(r.length))[:r.length]
		for k := range hops {
			hops[k] = w.unpack(answers[k])
		}
		into[i] = vitals.Path{Hops: hops, End: r.end}
	}
	return into
}

func (w *Window) unpack(a answer) vitals.Hop {
	h := vitals.Hop{Sent: a.counts >> 4, Received: a.counts & 15}
	if h.Received > 0 {
		h.RTT = unpackRTT(a.rtt)
	}
	if a.who > 0 {
		h.Addr = w.addrs[a.who-1]
	}
	return h
}

// RTTs are packed as numbers of 11 significant bits, in units of 256 ns:
//
//	exponent (5) | mantissa (11), its leading 1 left out unless the exponent is 0
const (
	rttUnit  = 8 // bits
	mantissa = 11
)

func packRTT(d time.Duration) uint16 {
	u := uint64(max(d, 1<<rttUnit)) >> rttUnit
	shift := max(bits.Len64(u)-mantissa-1, 0)
	if u < 1<<mantissa {
		return uint16(u)
	}
	if shift > 30 {
		return math.MaxUint16
	}
	return uint16(uint64(shift+1)<<mantissa | u>>shift&(1<<mantissa-1))
}

func unpackRTT(v uint16) time.Duration {
	exponent, u := v>>mantissa, uint64(v&(1<<mantissa-1))
	if exponent > 0 {
		u = (u | 1<<mantissa) << (exponent - 1)
	}
	return time.Duration(u << rttUnit)
}

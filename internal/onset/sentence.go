// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// String is the finding as a plain English sentence, without a full stop. It is
// the same for the same traces. Nothing in it is escaped.
func (f Finding) String() string {
	parts := []string{f.verdict()}
	if f.Verdict == Faulty {
		parts = f.faults()
	}
	parts = append(parts, f.own()...)
	if f.Traces > 0 && f.Traces < f.Given {
		parts = append(parts, fmt.Sprintf("%d of %d traces took the present route, only these count", f.Traces, f.Given))
	}
	return strings.Join(parts, "; ")
}

func (f Finding) verdict() string {
	switch {
	case f.Verdict == Clean && f.Hops[f.Destination-1].Lost > 0:
		end := &f.Hops[f.Destination-1]
		return fmt.Sprintf("%d of %d probes to the destination lost, too few to say where", end.Lost, end.Known)
	case f.Verdict == Clean:
		return "no loss to the destination"
	case f.Verdict == Silent:
		return "no hop answers, and the destination does not either"
	case f.Verdict == Ends && f.Unreachable:
		return "nothing beyond " + f.name(f.Last) + " answers; the destination is reported unreachable"
	case f.Verdict == Ends:
		return "nothing beyond " + f.name(f.Last) + " answers"
	case f.Given == 0:
		return "no traces"
	}
	return "the traces do not tell"
}

func (f Finding) faults() []string {
	var parts []string
	end := f.Destination
	if p := f.Loss; p.Found && p.Before == 0 && p.At == end && end > 1 {
		h := &f.Hops[end-1]
		parts = append(parts, fmt.Sprintf("loss of %s to the destination (%d of %d probes), which may begin at any hop", percent(h), h.Lost, h.Known))
	} else if p.Found {
		s := "loss of " + percent(&f.Hops[p.At-1]) + " begins " + f.between(p)
		if p.At < end {
			s += " and persists to the destination (" + percent(&f.Hops[end-1]) + ")"
		}
		parts = append(parts, s)
	}
	if p := f.Shift; p.Found {
		at := &f.Hops[p.At-1]
		way, by := "rises", at.Recent-at.Base
		if by < 0 {
			way, by = "falls", -by
		}
		s := fmt.Sprintf("RTT %s by %s (%s to %s) %s", way, ms(by), ms(at.Base), ms(at.Recent), f.between(p))
		if p.At < end {
			s += " and stays so to the destination (" + ms(f.Hops[end-1].Base) + " to " + ms(f.Hops[end-1].Recent) + ")"
		}
		parts = append(parts, s)
	}
	return parts
}

// mostNamed is how many hops a sentence names for what is their own.
const mostNamed = 3

// own says what is the routers' own.
func (f Finding) own() []string {
	var parts []string
	if hops, n := f.list(func(h *Hop) bool { return h.Limited }, percent); n == 1 {
		parts = append(parts, fmt.Sprintf("%s's own loss of %s is its rate limit, not loss of the path", hops[0][0], hops[0][1]))
	} else if n > 1 {
		parts = append(parts, "the own losses of "+several(hops, n)+" are their rate limits, not loss of the path")
	}
	moved := func(h *Hop) string { return ms(h.Base) + " to " + ms(h.Recent) }
	if hops, n := f.list(func(h *Hop) bool { return h.Slow }, moved); n == 1 {
		parts = append(parts, fmt.Sprintf("%s's own RTT moved (%s), not that of the path", hops[0][0], hops[0][1]))
	} else if n > 1 {
		parts = append(parts, "the own RTTs of "+several(hops, n)+" moved, not that of the path")
	}
	return parts
}

// list returns the first hops of a kind, each with its name and figure, and how
// many there are.
func (f Finding) list(is func(*Hop) bool, figure func(*Hop) string) (hops [][2]string, n int) {
	for k := range f.Hops {
		if h := &f.Hops[k]; is(h) {
			if n++; n <= mostNamed {
				hops = append(hops, [2]string{"hop " + strconv.Itoa(k+1), figure(h)})
			}
		}
	}
	return hops, n
}

func several(hops [][2]string, n int) string {
	words := make([]string, 0, mostNamed+1)
	for _, h := range hops {
		words = append(words, h[0]+" ("+h[1]+")")
	}
	if n > len(hops) {
		words = append(words, strconv.Itoa(n-len(hops))+" more")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func (f Finding) between(p Place) string {
	return "between " + f.name(p.Before) + " and " + f.name(p.At)
}

func (f Finding) name(ttl int) string {
	var s string
	switch ttl {
	case 0:
		return "here"
	case f.Destination:
		s = "the destination"
	default:
		s = "hop " + strconv.Itoa(ttl)
	}
	if a := f.Hops[ttl-1].Addr; a.IsValid() {
		s += " " + a.String()
	}
	return s
}

// percent rounds as one speaks: whole numbers from ten on, else one decimal,
// and neither 0 nor 100 unless it is just that.
func percent(h *Hop) string {
	p := 100 * h.Loss()
	switch {
	case p >= 99.5 && h.Lost < h.Known:
		return "over 99 %"
	case p > 0 && p < 0.1:
		return "under 0.1 %"
	}
	return figure(p) + " %"
}

func ms(d time.Duration) string { return figure(float64(d)/1e6) + " ms" }

func figure(v float64) string {
	if math.Abs(v) >= 9.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

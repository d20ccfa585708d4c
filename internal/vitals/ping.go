// SPDX-License-Identifier: Apache-2.0

package vitals

import (
	"math"
	"time"
)

// Ping is the statistic of one burst of echo requests.
type Ping struct {
	Sent        int // every probe of the burst, also those of which Unknown speaks
	Received    int // valid replies within their time-out
	Unknown     int // spoiled by our own side: not sent, or unanswered while our socket dropped
	Unreachable int // of the lost ones: an ICMP error said why
	Late        int // of the lost ones: a reply came after its time-out
	Duplicate   int // further replies to a probe that already had one

	// Min, Mean, Max and Std (sample standard deviation, n-1) are in
	// milliseconds; each is -1 when nothing was received, and Std is 0 for one
	// reply.
	Min, Mean, Max, Std float64

	// Ended is when the fate of the last probe was known, by the wall clock.
	Ended time.Time
}

// Known is the number of probes whose fate says something about the network.
func (p *Ping) Known() int { return p.Sent - p.Unknown }

// Lost is the number of probes that had no valid reply within their time-out
// and were not spoiled by our own side.
func (p *Ping) Lost() int { return p.Known() - p.Received }

// Loss is Lost as a percentage of Known, 0..100; 0 when nothing is known.
func (p *Ping) Loss() float64 {
	if p.Known() <= 0 {
		return 0
	}
	return 100 * float64(p.Lost()) / float64(p.Known())
}

// Sample accumulates round-trip times without keeping them (Welford's
// method, which does not cancel catastrophically as sums of squares do). The
// zero value is empty.
type Sample struct {
	N            int
	Min, Max     float64 // ms
	mean, square float64
}

// Add puts one RTT into the sample.
func (s *Sample) Add(rtt time.Duration) {
	ms := Milliseconds(rtt)
	if s.N == 0 || ms < s.Min {
		s.Min = ms
	}
	if s.N == 0 || ms > s.Max {
		s.Max = ms
	}
	s.N++
	d := ms - s.mean
	s.mean += d / float64(s.N)
	s.square += d * (ms - s.mean)
}

// Mean is the arithmetic mean in ms; -1 when the sample is empty.
func (s *Sample) Mean() float64 {
	if s.N == 0 {
		return -1
	}
	return s.mean
}

// Std is the sample standard deviation (n-1) in ms: -1 when the sample is
// empty, 0 for a single RTT.
func (s *Sample) Std() float64 {
	switch s.N {
	case 0:
		return -1
	case 1:
		return 0
	}
	return math.Sqrt(s.square / float64(s.N-1))
}

// Fill writes the five figures of the sample into p.
func (s *Sample) Fill(p *Ping) {
	p.Received, p.Mean, p.Std = s.N, s.Mean(), s.Std()
	p.Min, p.Max = s.Min, s.Max
	if s.N == 0 {
		p.Min, p.Max = -1, -1
	}
}

// Milliseconds is d in ms with its full precision.
func Milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

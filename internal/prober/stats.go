// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"sync/atomic"
	"time"
)

// Stats is the loop's account of itself since it was made.
type Stats struct {
	Begun      uint64 // probes; each is in flight or has had one verdict
	InFlight   uint64 // of these, those that have none yet, at the moment
	Sent       uint64 // probes that the kernel took
	Refused    uint64 // probes that it, or this program, did not take (verdict Unknown)
	Received   uint64 // packets that passed the filter
	Replied    uint64 // verdicts
	Expired    uint64
	Unreached  uint64 // verdict Unreachable
	Late       uint64
	Lost       uint64
	Unknown    uint64 // of these, Refused were not sent
	Duplicates uint64 // further answers to an answered probe
	Strays     uint64 // packets that match no probe: foreign, or beyond their deadline
	Malformed  uint64 // packets that are not what they seem
	Forged     uint64 // packets that match a probe in part only
	Drops      uint64 // packets that the kernel dropped because our buffer was full
	Damaged    uint64 // packets that the kernel dropped because their checksum was wrong (ICMPv6)
	Unstamped  uint64 // RTTs that were not measured by kernel stamps alone

	ReceiveErrors uint64 // system calls that did not work
	Ticks         uint64 // wakes of the loop
	LateTicks     uint64 // of these, those that came more than a tick late
	Gaps          uint64 // times that this process did not run for a second or more
	Held          uint64 // probes that the pace or the loop's quota sent later than asked
	ClockSteps    uint64 // steps of the wall clock, modulo 2^16

	Stopped time.Duration // the sum of the gaps
}

// Unaccounted is how many probes have no verdict though they are not in flight,
// or below 0 how many verdicts are too many; always 0, once the loop has ended.
// While it runs the counters are not of one moment.
func (s *Stats) Unaccounted() int64 {
	return int64(s.Begun - s.InFlight - s.Replied - s.Expired - s.Unreached - s.Late - s.Lost - s.Unknown)
}

// counters are what Stats reads; only the loop writes them.
type counters struct {
	begun, inFlight, damaged                  atomic.Uint64
	sent, refused, received, drops, unstamped atomic.Uint64
	duplicates, strays, malformed, forged     atomic.Uint64
	receiveErrors, ticks, lateTicks           atomic.Uint64
	verdicts                                  [Duplicate + 1]atomic.Uint64
	steps, gaps, stopped, held                atomic.Uint64
}

func (c *counters) count(v Verdict) { c.verdicts[v].Add(1) }

// Stats may be called from any goroutine.
func (l *Loop) Stats() Stats {
	c := &l.stats
	return Stats{
		Begun: c.begun.Load(), InFlight: c.inFlight.Load(),
		Sent: c.sent.Load(), Refused: c.refused.Load(), Received: c.received.Load(),
		Replied: c.verdicts[Replied].Load(), Expired: c.verdicts[Expired].Load(),
		Unreached: c.verdicts[Unreachable].Load(), Late: c.verdicts[Late].Load(),
		Lost: c.verdicts[Lost].Load(), Unknown: c.verdicts[Unknown].Load(),
		Duplicates: c.duplicates.Load(), Strays: c.strays.Load(),
		Malformed: c.malformed.Load(), Forged: c.forged.Load(),
		Drops: c.drops.Load(), Damaged: c.damaged.Load(), Unstamped: c.unstamped.Load(),
		ReceiveErrors: c.receiveErrors.Load(), Ticks: c.ticks.Load(), LateTicks: c.lateTicks.Load(),
		ClockSteps: c.steps.Load(), Gaps: c.gaps.Load(), Held: c.held.Load(),
		Stopped: time.Duration(c.stopped.Load()),
	}
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"io"
	"math"
	"time"

	"connmonitor/internal/service"
	"connmonitor/internal/vitals"
)

// What a process is estimated to need, in bytes. The engine's own share of a
// target is far smaller (some 20 bytes without a histogram); the figures
// include what the Go runtime adds until its next collection.
const (
	memoryBase       = 12 << 20 // the program, its runtime and its buffers
	memoryTarget     = 1 << 10  // the target, its schedule, its IDs and its statistics
	memoryRTT        = 8        // one RTT of a burst at hand
	memoryHop        = 128      // one hop of the trace at hand and of the route remembered
	memoryProbe      = 64       // one probe in flight
	memoryConnection = 64 << 10 // one connection in flight, with TLS
	memoryService    = 1 << 10  // what is remembered of one service, with its certificate
	memoryPort       = 2        // one port of a range, remembered and in the scan at hand
)

// minRound is the shortest time that a round, a trace or a scan is taken to
// last, so that a pause of 0 means a large load, and not an infinite one.
const minRound = time.Millisecond

// Load is what a configuration asks of the machine and the network. The rates
// are upper bounds: they take every answer as instant (so that what pauses
// after its end is at its quickest), every trace as one of all its hops, and
// every route as changed. Names that resolve to nothing count, too.
type Load struct {
	// Targets is how many targets are measured, as opposed to paused ones and
	// ones with everything switched off.
	Targets int
	// Probes is the number of pings and trace probes a second; those that watch
	// the path MTU are not in it.
	Probes float64
	// Pings and TraceProbes are its two parts.
	Pings, TraceProbes float64
	// Records is the number of records written a second.
	Records float64
	// Connections is the number of connections a second that scans open. The
	// ports of a range are paced.
	Connections float64
	// ScanLeast is how long the pace of its ranges makes the largest scan last;
	// ScanMost how long it takes until all targets have been scanned once, when
	// nothing answers and all have begun together.
	ScanLeast, ScanMost time.Duration
	// ScanParallel is how many sockets all scans together may use.
	ScanParallel int

	sockets float64 // that scans would use at once
	waits   float64 // for how many seconds in all, when nothing answers
	// Memory estimates the resident memory of the process in bytes, when
	// nothing answers: 12 MiB for the process, 1 KiB for each target, 8 bytes
	// for each RTT of a burst, 128 bytes for each hop of a trace, 64 bytes for
	// each probe and 64 KiB for each connection in flight, 1 KiB for each service
	// and 2 bytes for each port of a range. It is without history, web and what
	// the kernel keeps for sockets.
	Memory int64
}

// Load estimates what the configuration asks of the machine and the network.
func (c *Config) Load() Load {
	l := Load{ScanParallel: c.ScanParallel}
	if l.ScanParallel <= 0 {
		l.ScanParallel = service.DefaultParallel
	}
	memory := float64(memoryBase) + float64(len(c.Targets))*memoryTarget
	// In the order of the file, as the sum of floats depends on it.
	var order []*vitals.Settings
	count := make(map[*vitals.Settings]int)
	for i := range c.Targets {
		s := c.Targets[i].Settings
		if !s.Measures() {
			continue
		}
		if count[s] == 0 {
			order = append(order, s)
		}
		count[s]++
		l.Targets++
	}
	for _, s := range order {
		memory += l.add(s, float64(count[s]))
	}
	l.Probes = l.Pings + l.TraceProbes
	l.ScanMost = min(max(l.ScanMost, seconds(l.waits/float64(l.ScanParallel))), maxDuration)
	memory += min(l.sockets, float64(l.ScanParallel)) * memoryConnection
	l.Memory = int64(min(memory, 1<<62))
	return l
}

// add adds n targets of settings s, and returns the bytes that they need.
func (l *Load) add(s *vitals.Settings, n float64) float64 {
	timeout := s.Timeout.Seconds()
	var memory float64
	if s.Form == vitals.Bundled {
		l.Records += n / roundTime(s)
	}
	if s.Ping {
		rate := float64(s.NumPings) / pingTime(s)
		l.Pings += n * rate
		memory += float64(s.NumPings)*memoryRTT + math.Ceil(rate*timeout)*memoryProbe
		l.addRecord(s, n/pingTime(s))
	}
	if s.Trace {
		probes, period := float64(s.Hops*s.Flows), pauseTime(s, s.TracePause)
		l.TraceProbes += n * probes / period
		// A trace does not overlap the one before, and so never has more in
		// flight than its own probes.
		memory += probes * (memoryHop + memoryProbe)
		l.addRecord(s, n/period)
	}
	if s.Scan {
		cost := costOf(s.Ports, s.Timeout)
		ports, period := float64(cost.Ports), scanTime(s, &cost)
		l.Connections += n * ports / period
		l.sockets += n * min(float64(cost.Sockets), math.Ceil(ports*timeout/period))
		l.waits += n * ports * timeout
		l.ScanLeast, l.ScanMost = max(l.ScanLeast, cost.Least), max(l.ScanMost, cost.Most)
		memory += float64(cost.Ports-cost.Ranged)*memoryService + float64(cost.Ranged)*memoryPort
		l.addRecord(s, n/period)
	}
	return n * memory
}

// addRecord counts the records of one measurement, unless a round bundles
// them.
func (l *Load) addRecord(s *vitals.Settings, rate float64) {
	if s.Form == vitals.Separate {
		l.Records += rate
	}
}

// roundTime is the shortest time in seconds from one round to the next in the
// Bundled form.
func roundTime(s *vitals.Settings) float64 {
	round := s.Sleep
	if s.Ping {
		round += time.Duration(s.NumPings-1) * s.Interval
	}
	return max(round, minRound).Seconds()
}

// pingTime is the time in seconds from one burst to the next. In the Separate
// form it is exact.
func pingTime(s *vitals.Settings) float64 {
	if s.Form == vitals.Bundled {
		return roundTime(s)
	}
	return s.BurstPeriod().Seconds()
}

// scanTime is the shortest time in seconds from one scan to the next.
func scanTime(s *vitals.Settings, c *service.Cost) float64 {
	if s.Form == vitals.Bundled {
		return roundTime(s)
	}
	return max(s.ScanPause+c.Least, minRound).Seconds()
}

// seconds is a duration that may be longer than a Duration can be.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, maxDuration.Seconds()) * float64(time.Second))
}

// pauseTime is the shortest time in seconds from one trace or scan to the next.
func pauseTime(s *vitals.Settings, pause time.Duration) float64 {
	if s.Form == vitals.Bundled {
		return roundTime(s)
	}
	return max(pause, minRound).Seconds()
}

// write prints the load for people.
func (l *Load) write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, `
load of %d measured targets, at most:
  probes a second       %s (pings %s, traces %s)
  records a second      %s
  connections a second  %s
  memory                about %s MiB
`, l.Targets, rate(l.Probes), rate(l.Pings), rate(l.TraceProbes), rate(l.Records), rate(l.Connections),
		rate(float64(l.Memory)/(1<<20))); err != nil {
		return err
	}
	if l.ScanMost < longScan {
		return nil
	}
	if _, err := fmt.Fprintf(w, "  all scanned once in   %s\n", l.scanTimes()); err != nil {
		return err
	}
	for _, warning := range l.Warnings() {
		if _, err := fmt.Fprintf(w, "warning: %s\n", warning); err != nil {
			return err
		}
	}
	return nil
}

func (l *Load) scanTimes() string {
	most := l.ScanMost.Round(time.Second)
	if l.ScanLeast == 0 {
		return fmt.Sprintf("%v when nothing answers", most)
	}
	return fmt.Sprintf("%v at least, %v when nothing answers", l.ScanLeast.Round(time.Millisecond), most)
}

const (
	// longScan is from when on the load tells how long scans take.
	longScan = 10 * time.Second
	// hugeScan is from when on nobody means what was written.
	hugeScan = time.Hour
)

// Warnings are what of the load is hardly meant, or cannot be, a sentence each.
func (l *Load) Warnings() []string {
	if l.ScanMost < hugeScan {
		return nil
	}
	return []string{fmt.Sprintf(
		"until every port of every host was asked once it takes %s, with at most %d sockets at once (--scan-parallel)",
		l.scanTimes(), l.ScanParallel)}
}

// rate shows a number with three significant digits, or all before the point.
func rate(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

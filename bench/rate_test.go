// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The search for the largest rate goes from slowest to fastest. Each is tried
// twice before it counts as too fast, for one disturbance of the machine is no
// property of a program.
const (
	slowest   = 20_000
	fastest   = 160_000
	rateTries = 2

	// floorStep is how fine the floor's rate is found; ours is by 10,000, for
	// connmonitor starts 10,000 hosts a second, and only a multiple of that
	// fills every second evenly.
	floorStep = 4_000
	ourStep   = 10_000
)

// punctual is how late requests may leave and still be within their tick: the
// longest tick of the engine.
const punctual = 20 * time.Millisecond

// largestRate finds the most hosts, once a second, at which try says that all
// went well. Packets are handled where they arrive, so the prober's CPU also
// forwards, answers and delivers: all there is on one core. The first run
// halves; those after it begin at what was found before.
func largestRate(stride int, try func(h *harness, n *network, hosts int) error) func(*harness) (figures, error) {
	previous := -1
	return func(h *harness) (figures, error) {
		n := h.farm()
		if err := n.steer(0); err != nil {
			return nil, err
		}
		var last error
		good := func(step int) bool {
			for range rateTries {
				err := try(h, n, slowest+step*stride)
				if err == nil {
					return true
				}
				last = err
				fmt.Printf("  too fast: %v\n", err)
			}
			return false
		}
		step := largestStep(good, (fastest-slowest)/stride+1, previous)
		if step < 0 {
			return nil, fmt.Errorf("not even %d hosts: %w", slowest, last)
		}
		previous = step
		return figures{rateMetric: float64(slowest + step*stride)}, nil
	}
}

// largestStep is the last good one of so many, or -1: by halving, or by going on
// from a previous finding.
func largestStep(good func(int) bool, steps, previous int) int {
	if previous < 0 {
		low, high := 0, steps
		for low < high {
			if step := (low + high) / 2; good(step) {
				low = step + 1
			} else {
				high = step
			}
		}
		return low - 1
	}
	step := previous
	if good(step) {
		for step+1 < steps && good(step+1) {
			step++
		}
		return step
	}
	for step--; step >= 0 && !good(step); step-- {
	}
	return step
}

func tryFloor(h *harness, n *network, hosts int) error {
	seconds := h.o.window.Seconds() + 1
	before, err := n.counts()
	if err != nil {
		return err
	}
	p, err := h.startFloor(command{net: n, cpu: proberCPU, nice: h.o.nice}, large, hosts, hosts, payload, seconds)
	if err != nil {
		return err
	}
	defer p.stop()
	return h.flawless(p, n, before, hosts, 500*time.Millisecond)
}

func tryOurs(h *harness, n *network, hosts int) error {
	before, err := n.counts()
	if err != nil {
		return err
	}
	p, err := h.startOurs(command{net: n, cpu: proberCPU, nice: h.o.nice}, thousand.options(), large, hosts, "--quiet")
	if err != nil {
		return err
	}
	defer p.stop()
	// The first probes are spread: 10,000 a second.
	spread := time.Duration(hosts) * time.Second / 10_000
	return h.flawless(p, n, before, hosts, spread+settle)
}

// flawless watches a prober and says what went wrong from its start to its end:
// requests that left late, that stayed unanswered, or whose replies its socket
// had no room for.
func (h *harness) flawless(p *process, n *network, before counts, rate int, settle time.Duration) error {
	if err := p.after(settle); err != nil {
		return err
	}
	late, err := n.lateness(rate, h.o.window)
	if err != nil {
		return err
	}
	if late > punctual {
		return fmt.Errorf("%d requests a second: one left %v late", rate, late)
	}
	during, err := n.counts() // drops are gone when the socket is
	if err != nil {
		return err
	}
	p.stop()
	after, err := n.counts()
	if err != nil {
		return err
	}
	sent, echoed := after.sent-before.sent, after.echoed-before.echoed
	if sent != echoed || during.dropped > 0 {
		return fmt.Errorf("%d requests a second: %d of %d unanswered, %d dropped", rate, sent-echoed, sent, during.dropped)
	}
	if text := strings.TrimSpace(p.stderr.String()); text != "" {
		return fmt.Errorf("%d requests a second: %s", rate, firstLine(text))
	}
	return nil
}

// lateness watches the requests of a steady rate leave and returns by how much
// they fell behind it at the worst moment.
func (n *network) lateness(rate int, window time.Duration) (late time.Duration, err error) {
	var readings []reading
	begin := time.Now()
	n.client.Do(func() {
		for time.Since(begin) < window && err == nil {
			var c counts
			from := time.Since(begin)
			c, err = readCounts("/proc/thread-self/net/")
			readings = append(readings, reading{from, time.Since(begin), c.sent})
			pause := unix.NsecToTimespec(int64(2 * time.Millisecond))
			_ = unix.Nanosleep(&pause, nil)
		}
	})
	return behind(readings, float64(rate)), err
}

// reading is a count, read at some moment between two.
type reading struct {
	from, to time.Duration
	sent     uint64
}

// behind is the longest that a count lagged a steady rate for certain, as time:
// the largest fall, from any reading to a later one, of how far it was ahead.
// That this process was held up while it read is no lag of what it reads.
func behind(readings []reading, rate float64) time.Duration {
	worst, ahead := 0.0, math.Inf(-1)
	for _, r := range readings {
		sent := float64(r.sent) - float64(readings[0].sent)
		ahead = max(ahead, sent-rate*r.to.Seconds())
		worst = max(worst, ahead-(sent-rate*r.from.Seconds()))
	}
	return time.Duration(worst / rate * 1e9)
}

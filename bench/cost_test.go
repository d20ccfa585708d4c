// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"time"
)

// settle is how long connmonitor takes to a steady rate at 10,000 targets and
// fewer: it reads its configuration and spreads the first probes over a second.
const settle = 2500 * time.Millisecond

// ourCost is connmonitor's CPU for each echo. No output file: /dev/null.
func ourCost(options string, hosts int, flags ...string) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		n := h.farm()
		if err := n.steer(h.others); err != nil {
			return nil, err
		}
		p, err := h.startOurs(command{net: n, cpu: proberCPU}, options, near, hosts, flags...)
		if err != nil {
			return nil, err
		}
		defer p.stop()
		return watch(p, n, settle, h.o.window)
	}
}

// floorCost is the floor's, at the same rate.
func floorCost(hosts, rate, payload int) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		n := h.farm()
		if err := n.steer(h.others); err != nil {
			return nil, err
		}
		const settle = time.Second
		p, err := h.startFloor(command{net: n, cpu: proberCPU}, near, hosts, rate, payload, (settle+h.o.window).Seconds()+2)
		if err != nil {
			return nil, err
		}
		defer p.stop()
		return watch(p, n, settle, h.o.window)
	}
}

// fpingLimit is where fping gives up: it has 65,535 sequence numbers.
const fpingLimit = 65_535

// peerCost is a peer's.
func peerCost(p peer, l load) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		n := h.farm()
		if err := n.steer(h.others); err != nil {
			return nil, err
		}
		window := h.o.window
		seconds := int((p.settle + window).Seconds()) + 2
		for p.name == "fping" && seconds*l.hosts > fpingLimit && window > time.Second {
			window -= time.Second
			seconds--
		}
		proc, err := p.start(h, n, near, l, seconds, false)
		if err != nil {
			return nil, err
		}
		defer proc.stop()
		return watch(proc, n, p.settle, window)
	}
}

// idleCost watches some connmonitors at once that have nothing to do for an
// hour.
func idleCost(h *harness) ([]figures, error) {
	const first = "127.0.0.1" // a burst at the start, and then nothing
	n := h.farm()
	var all []*process
	for range h.o.runs {
		p, err := h.startOurs(command{net: n, cpu: proberCPU}, "* ping=1h", first, 1, "--quiet")
		if err != nil {
			return nil, err
		}
		defer p.stop()
		// It has read the file, which the next will write.
		if err := p.after(2 * time.Second); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	time.Sleep(3 * time.Second)
	before := make([]uint64, len(all))
	spent := make([]time.Duration, len(all))
	for i, p := range all {
		var err error
		if before[i], err = p.wakes(); err != nil {
			return nil, err
		}
		if spent[i], err = p.cpu(); err != nil {
			return nil, err
		}
	}
	time.Sleep(h.o.idle)
	var found []figures
	for i, p := range all {
		after, err := p.wakes()
		if err != nil {
			return nil, err
		}
		now, err := p.cpu()
		if err != nil {
			return nil, err
		}
		if after < before[i] {
			return nil, fmt.Errorf("a thread ended, and its wakes are no longer counted")
		}
		found = append(found, figures{
			wakesMetric: float64(after-before[i]) / h.o.idle.Seconds(),
			cpuShare:    100 * (now - spent[i]).Seconds() / h.o.idle.Seconds(),
		})
	}
	return found, nil
}

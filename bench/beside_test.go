// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"time"
)

// besideFloor runs the floor and connmonitor at the same time on one CPU and
// compares what an echo costs each. What the machine does to one it does to the
// other, which runs one after the other cannot say; but each finds the caches as
// the other left them.
func besideFloor(hosts, rate, payload int, options string, flags ...string) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		n := h.farm()
		if err := n.steer(h.others); err != nil {
			return nil, err
		}
		on := command{net: n, cpu: proberCPU}
		floor, err := h.startFloor(on, near, hosts, rate, payload, (settle+h.o.window).Seconds()+3)
		if err != nil {
			return nil, err
		}
		defer floor.stop()
		ours, err := h.startOurs(on, options, near, hosts, flags...)
		if err != nil {
			return nil, err
		}
		defer ours.stop()
		if err := ours.after(settle); err != nil {
			return nil, err
		}
		return watchBoth(floor, ours, n, rate, h.o.window)
	}
}

// watchBoth watches both for a window. The floor sends at its rate, so the rest of
// the echoes is ours.
func watchBoth(floor, ours *process, n *network, rate int, window time.Duration) (figures, error) {
	var at [2][2]state
	for i := range at {
		for j, p := range []*process{floor, ours} {
			var err error
			if at[i][j], err = read(p, n); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			if err := ours.after(window); err != nil {
				return nil, err
			}
		}
	}
	theirs := float64(rate) * window.Seconds()
	rest := float64(at[1][1].counts.echoed-at[0][1].counts.echoed) - theirs
	if rest < theirs/2 {
		return nil, fmt.Errorf("%.0f echo replies of connmonitor beside %.0f of the floor", rest, theirs)
	}
	floorCost := (at[1][0].cpu - at[0][0].cpu).Seconds() / theirs
	return figures{besideMetric: (at[1][1].cpu - at[0][1].cpu).Seconds() / rest / floorCost}, nil
}

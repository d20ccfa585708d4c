// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"net/netip"
	"time"
)

// start of many targets: once in ten seconds each, 10,000 requests a second.
const (
	startHosts    = 100_000
	startInterval = 10 * time.Second
	startWindow   = 10 * time.Millisecond
)

// ourStart captures the first requests of connmonitor.
func ourStart(h *harness) (figures, error) {
	n := h.farm()
	if err := n.steer(h.others); err != nil {
		return nil, err
	}
	c, err := h.startCapture(n, "icmp[icmptype] == icmp-echo")
	if err != nil {
		return nil, err
	}
	l := load{startHosts, startInterval}
	options := l.options()
	if _, err := h.configuration(options, large, startHosts); err != nil { // not a part of its start
		return nil, err
	}
	begun := time.Now()
	p, err := h.startOurs(command{net: n, cpu: proberCPU}, options, large, startHosts, "--quiet")
	if err != nil {
		return nil, errors.Join(err, c.process.finish(0))
	}
	ended := p.after(startInterval + 2*time.Second)
	p.stop()
	time.Sleep(1200 * time.Millisecond) // tcpdump looks at what it has every second
	file, err := c.stop()
	if err := errors.Join(ended, err); err != nil {
		return nil, err
	}
	var requests []echo
	for e := range echoes(file) {
		requests = append(requests, e)
	}
	return spreadOf(requests, begun), nil
}

// spreadOf tells when the first request left, how many of the hosts had one
// within the first interval, and how many the fullest window holds of what an
// even spread would put there.
func spreadOf(requests []echo, begun time.Time) figures {
	if len(requests) == 0 {
		return nil
	}
	first := requests[0].time
	seen := make(map[netip.Addr]bool)
	most, oldest, fullest := 0, 0, int64(0)
	for i, e := range requests {
		if e.time-first < int64(startInterval) {
			seen[e.host] = true
		}
		for e.time-requests[oldest].time >= int64(startWindow) {
			oldest++
		}
		if count := i - oldest + 1; count > most {
			most, fullest = count, requests[oldest].time
		}
	}
	share := float64(startHosts) * startWindow.Seconds() / startInterval.Seconds()
	return figures{
		firstProbe:  float64(first-begun.UnixNano()) / 1e9,
		probedShare: 100 * float64(len(seen)) / startHosts,
		peakShare:   float64(most) / share,
		peakTime:    float64(fullest-first) / 1e9,
	}
}

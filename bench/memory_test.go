// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// memoryLoads are what memory is measured at: 10,000 requests a second both.
var memoryLoads = []load{{100_000, 10 * time.Second}, {1_000_000, 100 * time.Second}}

func residentOf(l load) string { return "RSS MB, " + number(float64(l.hosts), 0) }
func peakOf(l load) string     { return "peak RSS MB, " + number(float64(l.hosts), 0) }
func growthOf(l load) string   { return "growth %, " + number(float64(l.hosts), 0) }
func rateOf(l load) string     { return "requests/s, " + number(float64(l.hosts), 0) }

// ourMemory watches all loads side by side, each in a network of its own: CPU
// is not the question.
func ourMemory(h *harness) ([]figures, error) {
	all := figures{}
	type result struct {
		f   figures
		err error
	}
	results := make(chan result)
	for _, l := range memoryLoads {
		n := newFarm(h.t)
		p, err := h.startOurs(command{net: n, cpu: proberCPU}, l.options(), large, l.hosts, "--quiet")
		if err != nil {
			return nil, err
		}
		defer p.stop()
		// Every host has been probed; and the file, which has one name, read.
		if err := p.after(10 * time.Second); err != nil {
			return nil, err
		}
		go func() {
			f, err := watchMemory(p, n, l, h.o.growth)
			results <- result{f, err}
		}()
	}
	var failed error
	for range memoryLoads {
		r := <-results
		failed = errors.Join(failed, r.err)
		maps.Copy(all, r.f)
	}
	return []figures{all}, failed
}

// watchMemory waits until every host has been probed twice, then samples the
// resident memory.
func watchMemory(p *process, n *network, l load, d time.Duration) (figures, error) {
	if err := p.after(time.Duration(l.hosts)*time.Second/10_000 + l.interval + 10*time.Second); err != nil {
		return nil, err
	}
	before, err := n.counts()
	if err != nil {
		return nil, err
	}
	var samples []float64
	var peak uint64
	begin := time.Now()
	for time.Since(begin) < d {
		if err := p.after(min(time.Second, d/20)); err != nil {
			return nil, err
		}
		var current uint64
		if current, peak, err = p.rss(); err != nil {
			return nil, err
		}
		samples = append(samples, float64(current)/1e6)
	}
	after, err := n.counts()
	if err != nil {
		return nil, err
	}
	if after.echoed == before.echoed {
		return nil, fmt.Errorf("%d hosts: no echo reply", l.hosts)
	}
	return figures{
		residentOf(l): maxOf(samples),
		peakOf(l):     float64(peak) / 1e6,
		growthOf(l):   growth(samples),
		rateOf(l):     float64(after.sent-before.sent) / time.Since(begin).Seconds(),
	}, nil
}

// growth is by how many per cent the last fifth of the samples is above the
// first, by their medians: what a garbage collector takes and gives in between
// is no growth.
func growth(samples []float64) float64 {
	fifth := max(len(samples)/5, 1)
	if len(samples) < 2 {
		return 0
	}
	first, last := median(samples[:fifth]), median(samples[len(samples)-fifth:])
	return 100 * (last/first - 1)
}

func maxOf(samples []float64) float64 {
	var most float64
	for _, s := range samples {
		most = max(most, s)
	}
	return most
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// accuracySeconds is how long times are collected: enough for a 99th
// percentile at 1,000 a second.
func (h *harness) accuracySeconds() int { return max(int(h.o.window.Seconds()), 3) }

// trouble is what happens beside a measurement of errors.
type trouble uint8

const (
	peace   trouble = iota
	busy            // all CPUs of the machine are kept occupied
	garbage         // the configuration is read again each half second, and its garbage collected
)

// ourAccuracy compares connmonitor's JSON records with the wire.
func ourAccuracy(l load, beside trouble) func(*harness) (figures, error) {
	return func(h *harness) (f figures, err error) {
		path := filepath.Join(h.dir, "records.json")
		out, err := os.Create(path)
		if err != nil {
			return nil, err
		}
		defer out.Close() //nolint:errcheck // read again by its name
		if beside == busy {
			idle, err := h.keepBusy()
			defer idle()
			if err != nil {
				return nil, err
			}
		}
		run := func(n *network) (reported, error) {
			options := l.options() + " json=1 timestamp=0"
			p, err := h.startOurs(command{net: n, cpu: proberCPU, stdout: out}, options, far, l.hosts)
			if err != nil {
				return reported{}, err
			}
			reload := time.Duration(0)
			if beside == garbage {
				reload = 500 * time.Millisecond
			}
			err = p.reloading(settle+time.Duration(h.accuracySeconds())*time.Second, reload)
			p.stop()
			if err != nil {
				return reported{}, err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return reported{}, err
			}
			return parseRecords(text)
		}
		return h.accuracy(run)
	}
}

// peerAccuracy does the same with a peer.
func peerAccuracy(p peer, l load) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		return h.accuracy(func(n *network) (reported, error) {
			seconds := h.accuracySeconds()
			proc, err := p.start(h, n, far, l, seconds, true)
			if err != nil {
				return reported{}, err
			}
			defer proc.stop()
			if p.collect != nil && (p.name == "fping" || p.name == "scamper") {
				err := proc.finish(time.Duration(seconds)*time.Second + 20*time.Second)
				// Both end with another status than 0 when a reply is missing.
				r, unread := p.collect(h, proc.stderr.String())
				if len(r.times) == 0 {
					return r, errors.Join(err, unread, errors.New(firstLine(proc.stderr.String())))
				}
				return r, unread
			}
			if err := proc.after(p.settle + time.Duration(seconds)*time.Second); err != nil {
				return reported{}, err
			}
			var text string
			if p.scrape != nil {
				if text, err = p.scrape(h, n); err != nil {
					return reported{}, err
				}
			}
			proc.stop()
			return p.collect(h, text)
		})
	}
}

// accuracy captures what run does on the path of 10 ms and compares.
func (h *harness) accuracy(run func(*network) (reported, error)) (figures, error) {
	n := h.delayed()
	if err := n.steer(h.others); err != nil {
		return nil, err
	}
	c, err := h.startCapture(n, "icmp")
	if err != nil {
		return nil, err
	}
	r, err := run(n)
	// Replies are on their way, and tcpdump looks at what it has every second.
	time.Sleep(1200 * time.Millisecond)
	file, captured := c.stop()
	if err := errors.Join(err, captured); err != nil {
		return nil, err
	}
	return compare(r, wireTimes(echoes(file)))
}

// keepBusy runs a loop on each CPU until the function that it returns is
// called.
func (h *harness) keepBusy() (idle func(), err error) {
	var loops []*process
	idle = func() {
		for _, p := range loops {
			p.kill()
		}
	}
	for cpu := range 64 {
		if cpu != proberCPU && h.others&(1<<cpu) == 0 {
			continue
		}
		p, err := start(command{net: h.farm(), cpu: cpu, name: "sh", args: []string{"-c", "while :; do :; done"}})
		if err != nil {
			return idle, fmt.Errorf("keep CPU %d busy: %w", cpu, err)
		}
		loops = append(loops, p)
	}
	return idle, nil
}

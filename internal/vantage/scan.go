// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"strings"
	"time"

	"connmonitor/internal/service"
	"connmonitor/internal/vitals"
)

// scanAt plans the next scan. A scan has a goroutine while it runs and only a
// timer between.
func (w *Watch) scanAt(start time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.removed {
		return
	}
	w.cancelScan()
	w.scan = time.AfterFunc(time.Until(start), w.runScan)
}

// cancelScan takes back a scan that has not begun. The caller holds mu.
func (w *Watch) cancelScan() {
	if w.scan != nil {
		w.scan.Stop()
	}
}

func (w *Watch) runScan() {
	if !w.point.beginScan() {
		return
	}
	defer w.point.scans.Done()
	scan, err := w.ask(service.Request{
		Name: w.target.Name, Addr: w.addr, Source: w.target.Source, Timeout: w.target.Timeout,
		Services: services(w.target.Ports),
	})
	w.point.sink.Scanned(w.key, scan, err)
	if w.target.Form == vitals.Separate {
		w.scanAt(time.Now().Add(w.target.ScanPause))
	}
}

// ask asks, and compares the answers with those of the scan before. It turns a panic on the way into the error of this scan: one host's service
// must not end the monitor.
func (w *Watch) ask(r service.Request) (scan *vitals.Scan, err error) {
	defer func() {
		if v := recover(); v != nil {
			scan, err = nil, fmt.Errorf("scan of %s: panic: %v", r.Name, v)
		}
	}()
	s, err := w.point.scanner.Scan(w.point.scanning, r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory.Record(&s)
	return &s, nil
}

// services are the items of a ports option; none are the default ones.
func services(ports string) []string {
	if ports == "" {
		return nil
	}
	return strings.Split(ports, ",")
}

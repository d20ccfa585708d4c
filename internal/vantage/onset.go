// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"time"

	"connmonitor/internal/onset"
	"connmonitor/internal/vitals"
)

// onsets are what the last traces of a family's targets say of where faults begin.
type onsets struct {
	watches map[uint32]*onset.Watch // by key, of the targets that have details
	scratch onset.Scratch
}

// watch has the traces of a target kept.
func (o *onsets) watch(key uint32) {
	if o.watches == nil {
		o.watches = map[uint32]*onset.Watch{}
	}
	o.watches[key] = new(onset.Watch)
}

// take puts into a trace where faults begin, and reports whether that is news.
func (o *onsets) take(key uint32, path *vitals.Path) (changed bool) {
	w := o.watches[key]
	if w == nil || path == nil {
		return false
	}
	w.Take(path, time.Now(), &o.scratch)
	return len(path.OnsetChanges) > 0
}

func (o *onsets) forget(key uint32) { delete(o.watches, key) }

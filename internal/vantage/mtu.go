// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"syscall"

	"connmonitor/internal/pmtu"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/trace"
	"connmonitor/internal/vitals"
)

// pathMTU is what is known of the path MTU of a target.
type pathMTU struct {
	id      uint32 // the finder's
	known   vitals.MTU
	changed bool // and no trace has told so yet
}

// watchMTU has the path MTU of a target watched: a round with each of its traces,
// by probes of the trace's first flow.
func (f *family) watchMTU(key uint32, to rawsock.Addr, p trace.Plan) {
	plan := pmtu.Plan{
		Once: true, Timeout: p.Timeout, Hops: p.Hops, From: p.From, Iface: p.Iface, TOS: p.TOS, Checksum: trace.Checksum(to, 0),
	}
	f.paths[key] = &pathMTU{id: f.finder.Add(key, to, plan, -1)}
}

// forgetMTU ends that.
func (f *family) forgetMTU(key uint32) {
	if p := f.paths[key]; p != nil {
		f.finder.Remove(p.id)
		delete(f.paths, key)
	}
}

// withMTU puts the path MTU into a trace, has it looked for again, and reports
// whether it is news.
func (f *family) withMTU(key uint32, path *vitals.Path) (changed bool) {
	p := f.paths[key]
	if p == nil {
		return false
	}
	f.finder.Start(p.id, f.loop.Now())
	if path == nil || p.known.Size == 0 {
		return false
	}
	known := p.known
	path.MTU = &known
	changed, p.changed = p.changed, false
	return changed
}

// foundMTU is pmtu.Done. What our own side has spoiled changes nothing, and is
// told by the pings and traces that it spoils too.
func (f *family) foundMTU(key uint32, mtu vitals.MTU, changed bool, _ syscall.Errno) {
	if p := f.paths[key]; p != nil && mtu.Size > 0 {
		p.known, p.changed = mtu, p.changed || changed
	}
}

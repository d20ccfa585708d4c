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
	// once tells that a round has one trace and one search, which begin together and
	// are handed over together: held is the trace that waits, found that the search
	// has ended.
	once, found bool
	held        *ended
}

// ended is a trace as it is handed over.
type ended struct {
	path    *vitals.Path
	changed bool
	cause   syscall.Errno
}

// watchMTU has the path MTU of a target watched: a round behind each of its
// traces, or where these are made one by one together with each, by probes of the
// trace's first flow.
func (f *family) watchMTU(key uint32, to rawsock.Addr, p trace.Plan) {
	plan := pmtu.Plan{
		Once: true, Timeout: p.Timeout, Hops: p.Hops, From: p.From, Iface: p.Iface, TOS: p.TOS, Checksum: trace.Checksum(to, 0),
	}
	f.paths[key] = &pathMTU{id: f.finder.Add(key, to, plan, -1), once: p.Once}
}

// startMTU begins the search that belongs to the next trace of a target, where it
// is made together with that.
func (f *family) startMTU(key uint32, at int64) {
	if p := f.paths[key]; p != nil && p.once {
		p.found, p.held = false, nil
		f.finder.Start(p.id, at)
	}
}

// traced takes a trace, and hands it over with all that belongs to it.
func (f *family) traced(key uint32, t ended) {
	t.changed = f.onsets.take(key, t.path) || t.changed
	if p := f.paths[key]; p != nil && p.once {
		p.held = &t
		f.release(key, p)
		return
	}
	t.changed = f.withMTU(key, t.path) || t.changed
	f.sink.Traced(key, t.path, t.changed, t.cause)
}

// release hands a trace over that has waited for the path MTU, when that is known.
func (f *family) release(key uint32, p *pathMTU) {
	t := p.held
	if t == nil || !p.found {
		return
	}
	p.held = nil
	if t.path != nil {
		known := p.known // its Size is 0 where nothing was found
		t.path.MTU = &known
	}
	f.sink.Traced(key, t.path, t.changed, t.cause)
}

// forgetMTU ends that. A trace that waits is handed over as it is.
func (f *family) forgetMTU(key uint32) {
	if p := f.paths[key]; p != nil {
		p.found = true
		f.release(key, p)
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
	p := f.paths[key]
	if p == nil {
		return
	}
	if mtu.Size > 0 {
		p.known, p.changed = mtu, p.changed || changed
	}
	if p.once {
		p.found = true
		f.release(key, p)
	}
}

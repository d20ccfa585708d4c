// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"connmonitor/internal/ping"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/service"
	"connmonitor/internal/trace"
	"connmonitor/internal/vitals"
)

// Watch is one target that the Point measures at one address. Its methods may
// be called from any goroutine; what they ask of a loop is done in the order
// of asking.
type Watch struct {
	point  *Point
	family *family
	target *vitals.Target
	addr   netip.Addr
	key    uint32

	zone           uint32 // index of the interface in the address, 0 without one
	iface          int32  // and of that which is the source
	pinged, traced bool
	ping, trace    uint32 // the loop's own

	mu      sync.Mutex     // guards what follows
	scan    *time.Timer    // the next scan; nil: none is planned
	memory  service.Memory // of the services
	removed bool
}

// Add measures t at addr from start on, by the schedules of its settings: in
// the Separate form each statistic has its own, in the Bundled form each waits
// for Start. A statistic that Can does not allow is left out. An error says
// that the settings do not fit this machine (a source that it does not have).
func (p *Point) Add(key uint32, t *vitals.Target, addr netip.Addr, start time.Time) (*Watch, error) {
	w := &Watch{point: p, family: p.family(IsIPv6(addr)), target: t, key: key, addr: addr}
	to, err := rawsock.AddrFrom(addr)
	if err != nil {
		return nil, err
	}
	from, iface, err := source(t.Source, IsIPv6(addr))
	if err != nil {
		return nil, err
	}
	w.zone, w.iface = to.Zone, iface
	can := p.Can(IsIPv6(addr))
	w.pinged, w.traced = t.Ping && can.Ping, t.Trace && can.Traces(t.Settings)
	if kind := can.Info.Kind; kind == rawsock.Datagram && IsIPv6(addr) && !from.IsZero() && (w.pinged || w.traced) {
		// Linux 6.18 takes the message's source address from no control message
		// there, and says nothing.
		return nil, fmt.Errorf("source %s: unprivileged IPv6 pings leave by an interface, not by an address; name the interface, or %s",
			t.Source, remedyRaw)
	}
	bundled := t.Form == vitals.Bundled
	if w.pinged || w.traced {
		loop := w.family.loop
		loop.Do(func() {
			at := max(0, loop.At(start))
			if bundled {
				at = -1
			}
			if w.pinged {
				w.ping = w.family.pinger.Add(key, to, pingPlan(t.Settings, from, iface), at)
			}
			if w.traced {
				plan := tracePlan(t.Settings, from, iface)
				w.trace = w.family.tracer.Add(key, to, plan, at)
				if t.Details && !bundled {
					w.family.onsets.watch(key)
				}
				if t.MTU && can.Ping {
					w.family.watchMTU(key, to, plan)
				}
			}
		})
	}
	if t.Scan && !bundled {
		w.scanAt(start)
	}
	return w, nil
}

// Stale reports whether an interface that the target names, as its source or in
// its address, is another by now: it was made anew. The target is to be removed
// and added again then.
func (w *Watch) Stale() bool {
	to, err := rawsock.AddrFrom(w.addr)
	if err != nil {
		return false // there is none at the moment
	}
	_, iface, err := source(w.target.Source, IsIPv6(w.addr))
	return err == nil && (to.Zone != w.zone || iface != w.iface)
}

// Measures tells how many statistics a round of the target has: those that are
// asked for and possible.
func (w *Watch) Measures() (pings, traces, scans bool) {
	return w.pinged, w.traced, w.target.Scan
}

// Start begins a round of a Bundled target at start: a burst, a trace and a
// scan, of which each has one result.
func (w *Watch) Start(start time.Time) {
	if w.pinged || w.traced {
		loop := w.family.loop
		loop.Do(func() {
			at := loop.At(start)
			if w.pinged {
				w.family.pinger.Start(w.ping, at)
			}
			if w.traced {
				w.family.tracer.Start(w.trace, at)
				w.family.startMTU(w.key, at)
			}
		})
	}
	if w.target.Scan {
		w.scanAt(start)
	}
}

// Remove takes the target away. What is in flight is finished and handed over.
func (w *Watch) Remove() {
	w.mu.Lock()
	w.removed = true
	w.cancelScan()
	w.mu.Unlock()
	w.family.loop.Do(func() {
		if w.pinged {
			w.family.pinger.Remove(w.ping)
		}
		if w.traced {
			w.family.tracer.Remove(w.trace)
			w.family.forgetMTU(w.key)
			w.family.onsets.forget(w.key)
		}
	})
}

func pingPlan(s *vitals.Settings, from rawsock.Addr, iface int32) ping.Plan {
	p := ping.Plan{
		Interval: s.Interval, Timeout: s.Timeout, Count: s.NumPings, Size: s.Payload,
		From: from, Iface: iface, TOS: s.DSCP << 2, DF: s.DF,
	}
	if s.Form == vitals.Separate {
		p.Period = s.BurstPeriod()
	}
	return p
}

func tracePlan(s *vitals.Settings, from rawsock.Addr, iface int32) trace.Plan {
	return trace.Plan{
		Pause: s.TracePause, Once: s.Form == vitals.Bundled, Timeout: s.Timeout, Hops: s.Hops,
		Method: s.Method, Port: s.TracePort(), Flows: s.Flows, From: from, Iface: iface, TOS: s.DSCP << 2,
	}
}

// source finds the address or the interface that probes are to leave by.
func source(text string, v6 bool) (from rawsock.Addr, iface int32, err error) {
	if text == "" {
		return from, 0, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		if IsIPv6(a) != v6 {
			return from, 0, fmt.Errorf("source %s is not of the address family of the target", text)
		}
		from, err = rawsock.AddrFrom(a)
		return from, int32(from.Zone), err
	}
	i, err := net.InterfaceByName(text)
	if err != nil {
		return from, 0, fmt.Errorf("source %q: %w", text, err)
	}
	return from, int32(i.Index), nil
}

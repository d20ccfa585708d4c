// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"container/heap"
	"context"
	"net/netip"
	"sync"
	"time"

	"connmonitor/internal/vitals"
)

// Update is what a watch learns about its name. It always carries the whole
// present state, so of several updates only the last matters.
type Update struct {
	// Addr is the address to use; the zero Addr when none is known yet. It
	// stays as it was while look-ups fail.
	Addr netip.Addr
	// Previous is the Addr of this watch's update before; the zero Addr in the
	// first one.
	Previous netip.Addr
	// Changed tells that Addr replaces another address. It is false for the
	// first address.
	Changed bool
	// Err is the last look-up's error, nil when it worked. Its text names the
	// host; it wraps what the Lookup returned.
	Err error
}

// Watch is somebody's interest in the addresses of a name.
type Watch struct {
	resolver *Resolver
	entry    *entry
	notify   func(Update)

	// telling is held while notify runs. It is locked before the resolver's
	// mutex, which guards the rest.
	telling sync.Mutex
	index   int // in the entry's watches; -1 when closed
	addr    netip.Addr
	kind    kind
}

// Watch follows a name until the returned Watch is closed. Watches of the same
// name and family share their look-ups. The name is looked up as it stands, so
// the system's search list applies unless it ends in a dot.
//
// notify is called when the first address is known, when the address really
// changes, and when the look-ups begin to fail, fail for another reason or work
// again; also soon after Watch when another watch has learnt this already. All
// calls, of all watches, come from the goroutine of Run, one after another and
// none before Run: notify must return soon. The first may come before Watch has
// returned. It may use the Resolver, but not close its own watch.
func (r *Resolver) Watch(name string, family vitals.Family, notify func(Update)) *Watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key{name, family}
	e, known := r.entries[k]
	if !known {
		e = &entry{key: k}
		r.entries[k] = e
		r.push(e, r.now())
	}
	w := &Watch{resolver: r, entry: e, notify: notify, index: len(e.watches)}
	e.watches = append(e.watches, w)
	if known {
		r.news = append(r.news, w)
	}
	r.rouse()
	return w
}

// Refresh says that the target went silent: its address may be an old one. The
// name is looked up again within 2 s, but not until 30 s after its last look-up;
// while it fails, its back-off remains. It is cheap to call again and again.
func (w *Watch) Refresh() {
	w.resolver.mu.Lock()
	defer w.resolver.mu.Unlock()
	if w.index >= 0 {
		w.resolver.hasten(w.entry)
	}
}

// Took is how long the last look-up of the name took, be it that it failed; 0
// before the first has ended. It is cheap.
func (w *Watch) Took() time.Duration {
	w.resolver.mu.Lock()
	defer w.resolver.mu.Unlock()
	return w.entry.took
}

// Close ends the watch. When it returns, notify is not running and will not be
// called again; for that it waits for a call in progress, so it must not be
// called from the watch's own notify, nor with a lock held that notify takes.
// Closing again does nothing.
func (w *Watch) Close() {
	w.telling.Lock()
	defer w.telling.Unlock()
	r := w.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.index < 0 {
		return
	}
	e := w.entry
	e.remove(w)
	if len(e.watches) == 0 && e.index >= 0 {
		heap.Remove(&r.queue, e.index)
		r.forget(e)
	}
}

// remove takes w out of the entry's watches, whose order means nothing.
func (e *entry) remove(w *Watch) {
	last := len(e.watches) - 1
	e.watches[w.index] = e.watches[last]
	e.watches[w.index].index = w.index
	e.watches[last] = nil
	e.watches = e.watches[:last]
	w.index = -1
}

// deliver tells the watches what is new to them.
func (r *Resolver) deliver(ctx context.Context) {
	r.mu.Lock()
	news := r.news
	r.news = nil
	r.mu.Unlock()
	for _, w := range news {
		if ctx.Err() != nil {
			return
		}
		w.tell()
	}
}

// tell calls notify when the state of the name is not the one it was last called
// with.
func (w *Watch) tell() {
	w.telling.Lock()
	defer w.telling.Unlock()
	if u, news := w.update(); news {
		w.notify(u)
	}
}

func (w *Watch) update() (u Update, news bool) {
	w.resolver.mu.Lock()
	defer w.resolver.mu.Unlock()
	e := w.entry
	if w.index < 0 || w.addr == e.addr && w.kind == e.fault.kindOf() {
		return Update{}, false
	}
	u = Update{Addr: e.addr, Previous: w.addr}
	u.Changed = w.addr.IsValid() && w.addr != e.addr
	if e.fault != nil {
		u.Err = e.fault
	}
	w.addr, w.kind = e.addr, e.fault.kindOf()
	return u, true
}

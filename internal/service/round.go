// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connmonitor/internal/vitals"
)

// pace is the time between two connections to ports of a range. Five hundred a
// second look like a scan, and not like a flood.
const pace = 2 * time.Millisecond

// maxShown is the most open ports of one range of which it is told what they
// are: a host that takes every connection would fill the memory with them.
const maxShown = 1024

// round is one scan of one host.
type round struct {
	scanner *Scanner
	request *Request
	items   []Item
	share   *share

	mu     sync.Mutex
	found  [][]vitals.Service      // what each item has found
	states [][]vitals.ServiceState // of all ports of each item that is a range
	fault  error                   // the first one of our own side
}

func newRound(s *Scanner, t *Request, items []Item) *round {
	r := &round{
		scanner: s, request: t, items: items, share: s.limits.join(t.Addr),
		found: make([][]vitals.Service, len(items)), states: make([][]vitals.ServiceState, len(items)),
	}
	for i := range items {
		if items[i].Ranged {
			r.states[i] = make([]vitals.ServiceState, items[i].Count())
		}
	}
	return r
}

// run asks everything: what was named side by side, and ranges at their pace.
func (r *round) run(ctx context.Context) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for _, ranges := range []bool{false, true} {
		for i := range r.items {
			if r.items[i].Ranged == ranges && !r.start(ctx, i, &asked) {
				return
			}
		}
	}
}

// start begins to ask all ports of an item; false when the scan is at its end.
func (r *round) start(ctx context.Context, i int, asked *sync.WaitGroup) bool {
	item := &r.items[i]
	for port := int(item.First); port <= int(item.Last); port++ {
		if port > int(item.First) && !sleep(ctx, pace) {
			r.failed(fmt.Errorf("scan of %s: %w", r.request.Name, ctx.Err()))
			return false
		}
		// The socket is waited for here, not in the goroutine, so that a scan
		// that waits costs one goroutine and not one a service.
		if err := r.scanner.limits.acquire(ctx, r.share); err != nil {
			r.failed(fmt.Errorf("scan of %s: %w", r.request.Name, err))
			return false
		}
		asked.Go(func() {
			defer r.scanner.limits.release(r.share)
			r.ask(ctx, i, uint16(port))
		})
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *round) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == nil {
		r.fault = err
	}
}

// ask asks one service at one port.
func (r *round) ask(ctx context.Context, i int, port uint16) {
	item := &r.items[i]
	got, err := r.scanner.ask(ctx, r.request, item, port)
	if err != nil {
		r.failed(err)
		return
	}
	got.Name, got.Ranged = item.Label, item.Ranged
	if got.Ranged {
		got.Name = portName(port)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if got.Ranged {
		r.states[i][port-item.First] = got.State
		if !got.Open() || len(r.found[i]) == maxShown {
			return
		}
	}
	r.found[i] = append(r.found[i], got)
}

// result is what was found, in the order of the request, or the fault.
func (r *round) result() (vitals.Scan, error) {
	if r.fault != nil {
		return vitals.Scan{}, r.fault
	}
	scan := vitals.Scan{Services: make([]vitals.Service, 0, len(r.items))}
	for i, found := range r.found {
		sortByPort(found)
		scan.Services = append(scan.Services, found...)
		if item := &r.items[i]; item.Ranged {
			rest := vitals.PortRange{Name: item.Label, First: item.First, States: r.states[i]}
			scan.Services = appendRest(scan.Services, &rest, len(found))
			scan.Ranges = append(scan.Ranges, rest)
		}
	}
	return scan, nil
}

// ask asks one service. What it returns as an error is local; everything that
// the network or the server did is a result.
func (s *Scanner) ask(ctx context.Context, t *Request, item *Item, port uint16) (result vitals.Service, err error) {
	defer func() {
		// One protocol's mistake must not end the measurement of all others.
		if v := recover(); v != nil {
			err = fmt.Errorf("service: panic while asking %s of %s: %v: this is a bug, please report it", item.Label, t.Name, v)
		}
	}()
	p, err := findProtocol(s.protocols, item.Service)
	if err != nil {
		return vitals.Service{}, err
	}
	var got vitals.Service
	if p.name == auto {
		got, err = s.recognise(ctx, t, port)
	} else {
		got, err = s.converse(ctx, p, t, port)
	}
	switch {
	case err == nil:
		got.State = vitals.ServiceOpen
		return got, nil
	case ctx.Err() != nil:
		return got, fmt.Errorf("scan of %s: %w", t.Name, ctx.Err())
	case isLocal(err):
		return got, fmt.Errorf("%s of %s: %w%s", item.Label, t.Name, err, advice(err))
	}
	return failure(got, err), nil
}

// failure is the result for a conversation that ended with an error. Nothing of
// what was said until then is kept but the times and what TLS told.
func failure(got vitals.Service, err error) vitals.Service {
	state := vitals.ServiceError
	if _, dialling := errors.AsType[*dialError](err); dialling {
		state = stateOf(err)
	}
	return vitals.Service{
		State: state, Reason: reasonOf(err), Protocol: got.Protocol, TLS: got.TLS,
		Connect: got.Connect, Handshake: got.Handshake, FirstByte: got.FirstByte,
	}
}

// talk has one conversation over a connection of its own, which may take so long
// from the time when it began. No descriptor for it is waited for; that time is
// not the server's.
func (s *Scanner) talk(ctx context.Context, p *protocol, t *Request, port uint16, timeout time.Duration) (got vitals.Service, begun time.Time, err error) {
	for w := (wait{}); ; {
		begun = time.Now()
		got, err = s.talkOnce(ctx, p, t, port, timeout)
		if !isStarved(err) || !w.pause(ctx, s.patience) {
			return got, begun, err
		}
		s.starved.Add(1)
	}
}

func (s *Scanner) talkOnce(ctx context.Context, p *protocol, t *Request, port uint16, timeout time.Duration) (got vitals.Service, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	conn, err := s.connect(ctx, t, p.network, port)
	if err != nil {
		return vitals.Service{Protocol: p.name}, &dialError{err}
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Close() // wakes the conversation, whose error tells of it
		close(closed)
	})
	c := newConversation(conn, p.limit, t.Name, s.verify)
	c.alpn, c.got.Protocol, c.got.Connect = p.alpn, p.name, c.ready.Sub(start)
	c.deadline, _ = ctx.Deadline()
	farewell := ""
	defer func() {
		c.close(farewell)
		if !stop() {
			<-closed
		}
	}()
	if err = c.follow(p); err == nil {
		farewell = p.farewell
	}
	c.stamp()
	if err != nil && p.network == udp && c.stamped.at.IsZero() {
		err = &dialError{err} // there is no connection that could have told before
	}
	c.got.RTT = max(time.Since(start)-c.idle, c.got.Connect)
	return c.got, err
}

// follow has the conversation that the protocol describes.
func (c *conversation) follow(p *protocol) error {
	if p.secure {
		if err := c.secure(); err != nil {
			return err
		}
	}
	return p.talk(c)
}

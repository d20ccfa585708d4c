// SPDX-License-Identifier: Apache-2.0

// Package service finds out what answers on the well-known ports of a host. A
// scan connects anew to each service that it was asked for, says the least that
// the protocol needs for an answer, takes the time to it and the name of the
// software, and hangs up.
//
// One file holds one protocol: http.go (RFC 9110, RFC 9112; the answer's parser
// is head.go), https.go (the same over TLS 1.0 to 1.3: RFC 2246 to RFC 8446, SNI
// of RFC 6066) and mysql.go (the initial handshake packet of the MySQL
// client/server protocol). A new service is one such file and its line in the
// table of protocol.go.
//
// Everything that a server sends is hostile: the time, the bytes read and the
// text kept are bounded, and text is returned as it came, to be escaped by who
// prints it. A server that does not answer is a result; an error is a fault of
// our own side. The room leaves to others when to scan, resolving names, and
// what a change of the answer means.
package service

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"connmonitor/internal/vitals"
)

// DefaultTimeout is how long a service may take when the request does not say.
const DefaultTimeout = time.Second

// DefaultParallel is the most sockets at once when the options do not say.
const DefaultParallel = 512

// Options are the settings of a Scanner; the zero value is ready for use.
type Options struct {
	// Parallel is the most sockets that are open at once, over all scans; 0 is
	// DefaultParallel. Keep it well under the limit of open files.
	Parallel int
	// Port returns the port (1..65535) of the service of that name; nil means
	// the well-known ports.
	Port func(service string) uint16
}

// Scanner asks services. One is meant to serve a whole process: it bounds the
// sockets that all scans together hold open. It has no goroutine of its own,
// and its methods may be called at the same time.
type Scanner struct {
	port      func(service string) uint16
	slots     chan struct{}
	protocols []protocol
	bind      func(fd int, device string) error
}

// Request tells what to ask of which host.
type Request struct {
	// Name is the host as it was typed, for the Host header and SNI; the
	// address when empty.
	Name string
	// Addr is the address to connect to, with its zone when it needs one.
	Addr netip.Addr
	// Source is the address, or the name of the interface, that connections
	// leave by; "" lets the kernel choose.
	Source string
	// Timeout is how long each service may take from the moment that its socket
	// may be opened; 0 is DefaultTimeout.
	Timeout time.Duration
	// Services are names as Names lists them; none means all that are asked by
	// default: http, https, mysql.
	Services []string
}

// New returns a Scanner.
func New(o Options) *Scanner {
	s := &Scanner{port: o.Port, protocols: table(), bind: bindToDevice}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	s.slots = make(chan struct{}, o.Parallel)
	return s
}

// Names lists the services that a scan can ask, in the order in which records
// show them.
func Names() []string {
	var names []string
	for _, p := range table() {
		names = append(names, p.name)
	}
	return names
}

// Scan asks the services of one host side by side and returns their answers in
// the order of the request, each at most Timeout after its socket could be
// opened. A service that does not answer, or not in its protocol, is a result
// (Open is false). The error tells of a fault on our own side, which says
// nothing about the host, so that there is no result then: an address, name or
// service that cannot be asked, no free descriptor, port or buffer, no
// permission, a source that is not ours, a cancelled ctx (errors.Is with
// context.Canceled or context.DeadlineExceeded), or a panic. Nothing of a scan
// is left when it returns.
//
// When more scans want sockets than may be open, sockets are handed out in the
// order of asking, and the wait for one is not part of the service's time.
func (s *Scanner) Scan(ctx context.Context, t Request) (vitals.Scan, error) {
	if err := t.complete(); err != nil {
		return vitals.Scan{}, err
	}
	protocols, err := s.choose(t.Services)
	if err != nil {
		return vitals.Scan{}, err
	}
	services := make([]vitals.Service, len(protocols))
	faults := make([]error, len(protocols))
	var asked sync.WaitGroup
	for i := range protocols {
		// The slot is taken here, not in the goroutine, so that a scan that
		// waits costs one goroutine and not one a service.
		if err := s.acquire(ctx); err != nil {
			faults[i] = fmt.Errorf("scan of %s: %w", t.Name, err)
			break
		}
		asked.Go(func() {
			defer s.release()
			services[i], faults[i] = s.ask(ctx, &protocols[i], &t)
		})
	}
	asked.Wait()
	for _, fault := range faults {
		if fault != nil {
			return vitals.Scan{}, fault
		}
	}
	return vitals.Scan{Services: services}, nil
}

// complete fills in the defaults of a request and refuses what cannot be asked.
func (t *Request) complete() error {
	if !t.Addr.IsValid() {
		return fmt.Errorf("scan of %q: no address to connect to", t.Name)
	}
	t.Addr = t.Addr.Unmap()
	if t.Name == "" {
		t.Name = t.Addr.String()
	}
	if strings.ContainsFunc(t.Name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("scan of %q: a name with blanks or control characters cannot be sent in a Host header", t.Name)
	}
	if t.Timeout <= 0 {
		t.Timeout = DefaultTimeout
	}
	return nil
}

// choose returns the protocols of these names, in their order.
func (s *Scanner) choose(names []string) ([]protocol, error) {
	if len(names) == 0 {
		return s.protocols[:min(len(s.protocols), defaultServices)], nil
	}
	chosen := make([]protocol, 0, len(names))
	for _, name := range names {
		p, ok := s.find(name)
		if !ok {
			return nil, fmt.Errorf("service %q: not known; known are %s", name, strings.Join(Names(), ", "))
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func (s *Scanner) find(name string) (protocol, bool) {
	for _, p := range s.protocols {
		if p.name == name {
			return p, true
		}
	}
	return protocol{}, false
}

// acquire waits for one of the sockets that may be open. A channel serves its
// senders in the order in which they came, which makes the queue fair.
func (s *Scanner) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Scanner) release() { <-s.slots }

// ask asks one service. What it returns as an error is local; everything that
// the network or the server did is a service that is not open.
func (s *Scanner) ask(ctx context.Context, p *protocol, t *Request) (result vitals.Service, err error) {
	closed := vitals.Service{Name: p.name}
	defer func() {
		// One protocol's mistake must not end the measurement of all others.
		if v := recover(); v != nil {
			result, err = closed, fmt.Errorf("service: panic while asking %s of %s: %v: this is a bug, please report it", p.name, t.Name, v)
		}
	}()
	limited, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	a, err := s.talk(limited, p, t)
	switch {
	case err == nil:
		return vitals.Service{Name: p.name, Open: true, RTT: a.rtt, Code: a.code, Software: a.software}, nil
	case ctx.Err() != nil:
		return closed, fmt.Errorf("scan of %s: %w", t.Name, ctx.Err())
	case isLocal(err):
		return closed, fmt.Errorf("%s of %s: %w%s", p.name, t.Name, err, advice(err))
	}
	return closed, nil
}

// talk has one conversation over a connection of its own.
func (s *Scanner) talk(ctx context.Context, p *protocol, t *Request) (answer, error) {
	start := time.Now()
	conn, err := s.dial(ctx, t, s.portOf(p))
	if err != nil {
		return answer{}, err
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Close() // wakes the conversation, whose error tells of it
		close(closed)
	})
	defer func() {
		if !stop() {
			<-closed
		}
		_ = conn.Close() // all that mattered has been read
	}()
	a, err := p.talk(&boundedConn{Conn: conn, left: p.limit}, t.Name)
	a.rtt = time.Since(start)
	return a, err
}

func (s *Scanner) portOf(p *protocol) uint16 {
	if s.port == nil {
		return p.port
	}
	return s.port(p.name)
}

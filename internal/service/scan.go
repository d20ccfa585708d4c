// SPDX-License-Identifier: Apache-2.0

// Package service finds out what answers on the ports of a host. A scan connects
// anew to each service that it was asked for, says the least that the protocol
// needs for an answer, takes the times to it and what the server says of
// itself, and hangs up.
//
// One file holds one protocol, with the standard that it follows; a new service
// is one such file and its line in the table of protocol.go. ports.go is the
// grammar of a request, limits.go who may open a socket when, round.go one scan
// of one host, conversation.go one connection: the only place where bytes are
// read. tls.go and certificate.go say what TLS is offered and what became of it
// (RFC 2246 to RFC 8446, SNI of RFC 6066, ALPN of RFC 7301, RFC 5280), auto.go recognises a
// service, outcome.go puts the end of a conversation into words.
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
	"sync/atomic"
	"time"

	"connmonitor/internal/vitals"
)

// DefaultTimeout is how long a service may take when the request does not say.
const DefaultTimeout = time.Second

// Options are the settings of a Scanner; the zero value is ready for use.
type Options struct {
	// Parallel is the most sockets that are open at once, over all scans; 0 is
	// DefaultParallel. The limit of open files (RLIMIT_NOFILE) bounds it, too.
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
	limits    *limits
	protocols []protocol
	verify    *verifier
	bind      func(fd int, device string) error
	patience  time.Duration // for a descriptor

	connections, starved atomic.Uint64
}

// Parallel is the most sockets that can be open at once: what the options say, or
// what the limit of open files leaves.
func (s *Scanner) Parallel() int { return cap(s.limits.all) }

// Stats are the figures of a Scanner since it was made.
type Stats struct {
	Connections uint64 // that were tried
	// Starved is how often a socket had to wait because the process, or the
	// machine, had no descriptor for it.
	Starved uint64
}

// Stats returns the present figures.
func (s *Scanner) Stats() Stats {
	return Stats{Connections: s.connections.Load(), Starved: s.starved.Load()}
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
	// Services are what to ask, each NAME, PORT, PORT/NAME or FROM-TO, with the
	// names that Names lists; none means what is asked by default: http, https,
	// mysql.
	Services []string
}

// New returns a Scanner.
func New(o Options) *Scanner {
	return &Scanner{
		port: o.Port, protocols: table(), bind: bindToDevice, verify: newVerifier(),
		limits: newLimits(parallelOf(o.Parallel)), patience: patience,
	}
}

// Scan asks the services of one host side by side and returns their answers in
// the order of the request, each at most Timeout after its socket could be
// opened. A service that does not answer, or not in its protocol, is a result.
// Of a range of ports those are returned that are open, at most 1024, and, where
// there is none or more of them, a line for the range. The error tells of a
// fault on our own side, which says nothing about the host, so that there is no
// result then: an address, name or service that cannot be asked, no free
// descriptor, port or buffer, no permission, a source that is not ours, a
// cancelled ctx (errors.Is with context.Canceled or context.DeadlineExceeded),
// or a panic. Nothing of a scan is left when it returns.
//
// When more scans want sockets than may be open, sockets are handed out in the
// order of asking, and the wait for one is not part of the service's time. Neither
// is that for a descriptor, which is waited for up to 10 s.
func (s *Scanner) Scan(ctx context.Context, t Request) (vitals.Scan, error) {
	if err := t.complete(); err != nil {
		return vitals.Scan{}, err
	}
	items, err := s.parse(t.Services)
	if err != nil {
		return vitals.Scan{}, err
	}
	r := newRound(s, &t, items)
	defer s.limits.leave(t.Addr)
	r.run(ctx)
	return r.result()
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

// parse reads what a request asks for. Only the usual ports are redirected.
func (s *Scanner) parse(texts []string) ([]Item, error) {
	if len(texts) == 0 {
		texts = usual()
	}
	items := make([]Item, 0, len(texts))
	for _, text := range texts {
		item, err := parseItem(s.protocols, text)
		if err != nil {
			return nil, fmt.Errorf("service %q: %w; known are %s", text, err, strings.Join(Names(), ", "))
		}
		if s.port != nil && item.Label == item.Service {
			item.First = s.port(item.Service)
			item.Last = item.First
		}
		items = append(items, item)
	}
	return items, nil
}

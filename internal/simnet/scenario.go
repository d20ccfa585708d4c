// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"connmonitor/internal/wire"
)

// Apply reads statements, one a line; what follows # is a comment. A statement
// takes the place of an earlier one about the same router, host or path; an
// error names the line, and what stood before it holds. Durations are as
// time.ParseDuration reads them, parts are 0 to 1, a CODE is a number or net,
// host, port, prohibited.
//
//	router NAME ADDRESS [silent] [delay D] [loss PART] [limit PER-SECOND]
//	       [quote BYTES] [unreachable CODE] [drop] [uncounted] [zero]
//	       [labels LABEL[/CLASS[/TTL]],...] [unmeasured]
//	                          uncounted: it does not count the TTL down; zero: it
//	                          forwards what has none left; labels: what a probe
//	                          comes with, told by RFC 4950, unmeasured without the
//	                          length of RFC 4884
//	host ADDRESS [rtt D] [jitter D] [loss PART] [dead] [duplicate PART] [open]
//	       [refuse ERRNO] [unreachable CODE] [local D]
//	                          open: TCP is accepted, UDP not answered
//	path ADDRESS HOP... [loop N]
//	                          a HOP is silent, or NAME[|NAME...]@RTT: of several
//	                          routers a flow takes one, by its ICMP checksum or its
//	                          ports; or NAME[&NAME...]@RTT, of which each packet
//	                          takes any; loop: the last N come again and again
//	path ADDRESS HOP... or|and HOP...
//	                          a flow takes one of two ways, or each packet does
//	tunnel ADDRESS FIRST LAST uniform|pipe
//	                          these routers of the path switch labels: the TTL of
//	                          the label alone counts, or nothing does
//	nat ADDRESS HOP [to ADDRESS] [from ADDRESS] [port N] [off N] [hides]
//	                          from router HOP of the path on errors quote the probe
//	                          as it was translated, with a checksum that is off by
//	                          N; or seem the destination's own
//	mtu ADDRESS HOP SIZE [blackhole] [lies SIZE]
//	                          no larger packet leaves router HOP of the path (0:
//	                          our machine); it says so, or drops it without a word
//	forge ADDRESS KIND PART   a false packet a microsecond before each answer
//	at D STATEMENT            later, counted from now
//	seed N                    chance is drawn anew from here on, by this number
//
// and about our own machine:
//
//	step D                    the wall clock steps, back when D is negative
//	stall CALL D              the next clock, reports, receive, send or sent
//	                          (after sending) takes so long
//	busy D                    every call takes up to D, and so does a wake
//	deny KIND...              raw, datagram, udp: such a socket cannot be opened
//	buffer N                  packets that a receive buffer holds
//	drops N                   adds to every socket's drop count
//	damaged N                 packets with a wrong checksum have come so far
//	cut N                     a receive hands over N packets at most, as when an
//	                          ICMP error for anybody here arrives meanwhile
//	full D                    the send buffer is full for D
//	fail ERRNO N              the next N packets are refused
//	surface ERRNO             the next send returns what is nobody's of it
//	unstamped tx|rx           the kernel stamps no transmission, no reception
func (n *Net) Apply(statements string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance()
	number := 0
	for line := range strings.Lines(statements) {
		number++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		act, err := parse(words)
		if err != nil {
			return fmt.Errorf("scenario line %d: %w", number, err)
		}
		if err := act(n); err != nil {
			return fmt.Errorf("scenario line %d: %w", number, err)
		}
	}
	return nil
}

// action is what a statement does.
type action func(*Net) error

// parse reads one statement.
func parse(words []string) (action, error) {
	a := &args{words: words[1:]}
	var act action
	switch words[0] {
	case "router":
		act = a.router()
	case "host":
		act = a.host()
	case "path":
		act = a.path()
	case "mtu":
		act = a.mtu()
	case "nat":
		act = a.nat()
	case "tunnel":
		act = a.tunnel()
	case "forge":
		act = a.forge()
	case "at":
		return a.at()
	default:
		act = a.machine(words[0])
	}
	if a.err == nil && len(a.words) > 0 {
		a.fail("%q is too much", a.words[0])
	}
	return act, a.err
}

// code reads the code of a destination unreachable, a number or a name.
func (a *args) code() code {
	w := a.word()
	for i, c := range codes {
		if c.name == w {
			return code(-1 - i)
		}
	}
	n, err := strconv.ParseUint(w, 10, 8)
	if err != nil {
		a.fail("%q is no code", w)
	}
	return code(n)
}

// labels reads a label stack, the top first: LABEL[/CLASS[/TTL]],...
func (a *args) labels() (stack []wire.MPLSEntry) {
	words := strings.Split(a.word(), ",")
	for i, w := range words {
		label := [...]uint64{0, 0, 1} // where a probe ends its label has a TTL of 1
		for k, part := range strings.SplitN(w, "/", len(label)) {
			v, err := strconv.ParseUint(part, 10, [...]int{20, 3, 8}[k])
			if err != nil {
				a.fail("%q is no label", w)
			}
			label[k] = v
		}
		stack = append(stack, wire.NewMPLSEntry(uint32(label[0]), uint8(label[1]), i == len(words)-1, uint8(label[2])))
	}
	return stack
}

func (a *args) router() action {
	name := a.word()
	r := router{addr: a.address()}
	for a.more() {
		switch w := a.word(); w {
		case "silent":
			r.silent = true
		case "drop":
			r.drop = true
		case "delay":
			r.delay = a.positive()
		case "loss":
			r.loss = a.part()
		case "limit":
			r.limit = float64(a.number(1_000_000))
			r.tokens = r.limit
		case "quote":
			r.quote = max(8, a.number(maxQuote))
		case "unreachable":
			r.refuses, r.code = true, a.code()
		case "uncounted":
			r.uncounted = true
		case "zero":
			r.zero = true
		case "labels":
			r.labels = a.labels()
		case "unmeasured":
			r.unmeasured = true
		default:
			a.fail("a router has no %q", w)
		}
	}
	return func(n *Net) error {
		if old := n.routers[name]; old != nil {
			*old = r // the paths keep it
		} else {
			n.routers[name] = &r
		}
		return nil
	}
}

func (a *args) host() action {
	h := host{addr: a.address()}
	h.as = router{addr: h.addr}
	for a.more() {
		switch w := a.word(); w {
		case "rtt":
			h.rtt = a.positive()
		case "jitter":
			h.jitter = a.positive()
		case "loss":
			h.loss = a.part()
		case "dead":
			h.dead = true
		case "duplicate":
			h.duplicate = a.part()
		case "refuse":
			h.refuse = a.errno()
		case "unreachable":
			h.refuses, h.code = true, a.code()
		case "open":
			h.open = true
		case "local":
			h.local = a.positive()
		default:
			a.fail("a host has no %q", w)
		}
	}
	return func(n *Net) error {
		old := n.hosts[h.addr]
		if old == nil {
			n.hosts[h.addr] = &h
			return nil
		}
		h.network = old.network
		*old = h
		return nil
	}
}

func (a *args) forge() action {
	to, kind, part := a.address(), a.word(), a.part()
	if a.err == nil && !slices.Contains(kinds(), kind) {
		a.fail("%q cannot be forged; there are %v", kind, kinds())
	}
	return func(n *Net) error {
		h := n.hosts[to]
		if h == nil {
			return fmt.Errorf("there is no host %s", to)
		}
		h.forgeries = append(h.forgeries, forgery{kind, part})
		return nil
	}
}

func (a *args) at() (action, error) {
	d := a.positive()
	if a.err == nil && !a.more() {
		a.fail("something is missing")
	}
	if a.err == nil && a.words[0] == "at" {
		a.fail("at cannot stand behind at")
	}
	if a.err != nil {
		return nil, a.err
	}
	act, err := parse(a.words)
	if err != nil {
		return nil, err
	}
	return func(n *Net) error {
		n.queue.push(event{at: n.reading() + d, statement: func(n *Net) {
			if err := act(n); err != nil {
				n.failure("%v", err)
			}
		}})
		return nil
	}, nil
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"connmonitor/internal/rawsock"
)

// Apply reads statements, one a line; what follows # is a comment. A statement
// takes the place of an earlier one about the same router, host or path; an
// error names the line, and what stood before it holds. Durations are as
// time.ParseDuration reads them, parts are 0 to 1.
//
//	router NAME ADDRESS [silent] [delay D] [loss PART] [limit PER-SECOND]
//	       [quote BYTES] [unreachable CODE] [drop]
//	host ADDRESS [rtt D] [jitter D] [loss PART] [dead] [duplicate PART]
//	       [refuse ERRNO] [unreachable CODE] [local D]
//	path ADDRESS HOP...       a HOP is silent, or NAME[|NAME...]@RTT: of several
//	                          routers a flow takes one by its ICMP checksum; or
//	                          NAME[&NAME...]@RTT, of which each packet takes any
//	mtu ADDRESS HOP SIZE [blackhole] [lies SIZE]
//	                          no larger packet leaves router HOP of the path (0:
//	                          our machine); it says so, or drops it without a word
//	forge ADDRESS KIND PART   a false packet a microsecond before each answer
//	at D STATEMENT            later, counted from now
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

// args takes a statement's words one after the other and keeps the first
// error.
type args struct {
	words []string
	err   error
}

func (a *args) fail(format string, v ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, v...)
	}
	a.words = nil
}

func (a *args) more() bool { return len(a.words) > 0 }

func (a *args) word() string {
	if len(a.words) == 0 {
		a.fail("something is missing")
		return ""
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

func (a *args) address() netip.Addr {
	w := a.word()
	addr, err := netip.ParseAddr(w)
	if err != nil || addr.Is4In6() || addr.Zone() != "" {
		a.fail("%q is no address", w)
	}
	return addr
}

func (a *args) duration() int64 {
	w := a.word()
	d, err := time.ParseDuration(w)
	if err != nil {
		a.fail("%q is no duration", w)
	}
	return int64(d)
}

func (a *args) positive() int64 {
	d := a.duration()
	if d < 0 {
		a.fail("a duration is negative")
	}
	return d
}

func (a *args) part() float64 {
	w := a.word()
	f, err := strconv.ParseFloat(w, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		a.fail("%q is no part, 0 to 1", w)
	}
	return f
}

func (a *args) number(most int) int {
	w := a.word()
	n, err := strconv.Atoi(w)
	if err != nil || n < 0 || n > most {
		a.fail("%q is no number, 0 to %d", w, most)
		return 0
	}
	return n
}

var errnos = map[string]syscall.Errno{
	"EPERM": syscall.EPERM, "EACCES": syscall.EACCES, "ENETUNREACH": syscall.ENETUNREACH,
	"EHOSTUNREACH": syscall.EHOSTUNREACH, "ENOBUFS": syscall.ENOBUFS, "EAGAIN": syscall.EAGAIN,
	"EMSGSIZE": syscall.EMSGSIZE, "EINVAL": syscall.EINVAL, "ECONNREFUSED": syscall.ECONNREFUSED,
}

func (a *args) errno() syscall.Errno {
	w := a.word()
	e, ok := errnos[w]
	if !ok {
		a.fail("%q is no error; there are %v", w, slices.Sorted(maps.Keys(errnos)))
	}
	return e
}

func (a *args) router() action {
	name := a.word()
	r := router{addr: a.address(), unreachable: -1}
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
			r.unreachable = a.number(255)
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
	h := host{addr: a.address(), unreachable: -1}
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
			h.unreachable = a.number(255)
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
		path, forgeries, narrows := old.path, old.forgeries, old.narrows
		*old = h
		old.path, old.forgeries, old.narrows = path, forgeries, narrows
		return nil
	}
}

// namedHop is a hop before its routers are looked up.
type namedHop struct {
	names  []string
	spread bool
	rtt    int64
}

func (a *args) path() action {
	to := a.address()
	var hops []namedHop
	for a.more() {
		w := a.word()
		if w == "silent" {
			hops = append(hops, namedHop{})
			continue
		}
		names, rtt, ok := strings.Cut(w, "@")
		d, err := time.ParseDuration(rtt)
		if !ok || err != nil || d < 0 {
			a.fail("%q is no hop: silent or NAME[|NAME...]@RTT or NAME[&NAME...]@RTT", w)
		}
		separator, spread := "|", strings.Contains(names, "&")
		if spread {
			separator = "&"
		}
		hops = append(hops, namedHop{strings.Split(names, separator), spread, int64(d)})
	}
	if len(hops) > 254 {
		a.fail("a path has at most 254 routers")
	}
	return func(n *Net) error { return n.setPath(to, hops) }
}

func (n *Net) setPath(to netip.Addr, hops []namedHop) error {
	path := make([]hop, len(hops))
	for i, h := range hops {
		path[i].rtt, path[i].spread = h.rtt, h.spread
		for _, name := range h.names {
			r := n.routers[name]
			if r == nil {
				return fmt.Errorf("there is no router %q", name)
			}
			if r.addr.Is4() != to.Is4() {
				return fmt.Errorf("router %q is of another family than %s", name, to)
			}
			path[i].routers = append(path[i].routers, r)
		}
	}
	h := n.hosts[to]
	if h == nil {
		return fmt.Errorf("there is no host %s", to)
	}
	h.path = path
	return nil
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

// machine reads what is said about our own machine.
func (a *args) machine(word string) action {
	var set func(n *Net, k *kernel)
	switch word {
	case "step":
		d := a.duration()
		set = func(n *Net, _ *kernel) { n.offset += d }
	case "stall":
		set = a.stall()
	case "busy":
		d := a.positive()
		set = func(_ *Net, k *kernel) { k.busy = time.Duration(d) }
	case "deny":
		set = a.deny()
	case "buffer":
		v := a.number(1 << 30)
		set = func(_ *Net, k *kernel) { k.buffer = v }
	case "cut":
		v := a.number(rawsock.Batch)
		set = func(_ *Net, k *kernel) { k.cut = v }
	case "damaged":
		v := a.number(1<<32 - 1)
		set = func(_ *Net, k *kernel) { k.damaged = uint32(v) }
	case "drops":
		v := a.number(1<<32 - 1)
		set = func(n *Net, k *kernel) { n.addDrops(k, uint32(v)) }
	case "full":
		d := a.positive()
		set = func(n *Net, k *kernel) { k.fullTill = n.reading() + d }
	case "fail":
		e, v := a.errno(), a.number(1<<30)
		set = func(_ *Net, k *kernel) { k.fail, k.failures = e, v }
	case "surface":
		e := a.errno()
		set = func(_ *Net, k *kernel) { k.surface = e }
	case "unstamped":
		set = a.unstamped()
	default:
		a.fail("%q is no statement", word)
	}
	return func(n *Net) error {
		if set == nil {
			return errors.New("nothing to do")
		}
		set(n, &n.kernel)
		return nil
	}
}

func (n *Net) reading() int64 {
	if n.manual {
		return n.mono
	}
	return int64(time.Since(n.start))
}

func (n *Net) addDrops(k *kernel, v uint32) {
	k.drops += v
	for _, s := range n.sockets {
		s.drops += v
	}
}

func (a *args) stall() func(*Net, *kernel) {
	w, d := a.word(), a.positive()
	c := slices.Index(callNames[:], w)
	if a.err == nil && c < 0 {
		a.fail("%q cannot be stalled; there are %v", w, callNames)
	}
	return func(_ *Net, k *kernel) { k.stalls[c] = time.Duration(d) }
}

func (a *args) deny() func(*Net, *kernel) {
	names := []string{rawsock.Raw: "raw", rawsock.Datagram: "datagram", rawsock.UDP: "udp"}
	var denied [rawsock.UDP + 1]bool
	for a.more() {
		w := a.word()
		kind := slices.Index(names, w)
		if kind < 0 {
			a.fail("%q is no kind of socket; there are %v", w, names)
			break
		}
		denied[kind] = true
	}
	return func(_ *Net, k *kernel) { k.denied = denied }
}

func (a *args) unstamped() func(*Net, *kernel) {
	switch w := a.word(); w {
	case "tx":
		return func(_ *Net, k *kernel) { k.noTX = true }
	case "rx":
		return func(_ *Net, k *kernel) { k.noRX = true }
	default:
		a.fail("%q is neither tx nor rx", w)
		return nil
	}
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"
)

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

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"strings"

	"connmonitor/internal/vitals"
)

// hostLine reads one line of the per-host form: a host, or * for defaults, and
// its options.
func (f *file) hostLine(words []word) {
	before := f.faults.count()
	w := words[0]
	f.current.reset(&f.defaults)
	if w.text == "*" {
		f.readOptions(words[1:])
		f.setDefaults()
		return
	}
	h, err := parseHost(w.text)
	if err != nil {
		f.faultHost(w, err)
	}
	f.readOptions(words[1:])
	if f.faults.count() == before {
		f.addHost(w, h)
	}
}

// faultHost records what is wrong with a host.
func (f *file) faultHost(w word, err error) {
	f.fault(w.column, "", fmt.Sprintf("host %s %v", quote(w.text), err))
}

// setDefaults makes the options of a * line, added to the defaults before it,
// the defaults of the lines after it.
func (f *file) setDefaults() {
	l := &f.current
	if l.id != "" {
		f.fault(l.column("id"), "id", "a line of defaults stands for many targets, and an id names one")
	}
	f.defaults = l.draft
}

// addHost adds the targets that the line at hand stands for: one, one for each
// address of a range, or two for a name in both families.
func (f *file) addHost(w word, h host) {
	l := &f.current
	if c := l.settle(h); c != nil {
		f.faultClash(w, c)
		return
	}
	if l.id != "" {
		if c := f.idClash(h); c != nil {
			f.faultClash(w, c)
			return
		}
	}
	switch {
	case h.span.count > 0:
		f.addSpan(w, h.span)
	case l.both:
		f.addBoth(w)
	default:
		f.add(l.target(strings.Clone(w.text), h.addr, f.share(&l.Settings)), w.column)
	}
}

// faultClash records a clash at the option's value when the line has it, else
// (it is a default) at the host.
func (f *file) faultClash(w word, c *clash) {
	column := f.current.column(c.option)
	if column == 0 {
		column = w.column
	}
	f.fault(column, c.option, c.text)
}

// idClash tells why the ID that the line gives cannot name its target; nil
// when it can.
func (f *file) idClash(h host) *clash {
	l := &f.current
	if h.span.count > 1 || l.both {
		return &clash{"id", "the line stands for several targets, and an id names one; leave it out"}
	}
	if u := f.ids[l.id]; u.count > 0 {
		return &clash{"id", fmt.Sprintf("%s is already the id of a target of line %d", quote(l.id), u.line)}
	}
	return nil
}

// addBoth adds a name twice, once for each family.
func (f *file) addBoth(w word) {
	l := &f.current
	name := strings.Clone(w.text)
	for _, family := range []vitals.Family{vitals.Family4, vitals.Family6} {
		l.Family = family
		if !f.add(l.target(name, netip.Addr{}, f.share(&l.Settings)), w.column) {
			return
		}
	}
}

// addSpan adds the addresses of a range, each with its text as name.
func (f *file) addSpan(w word, s span) {
	l := &f.current
	settings := f.share(&l.Settings)
	a := s.first
	for range s.count {
		if err := checkAddr(a); err != nil {
			f.faultHost(w, fmt.Errorf("%v %w", a, err))
			return
		}
		if !f.add(l.target(a.String(), a, settings), w.column) {
			return
		}
		a = a.Next()
	}
}

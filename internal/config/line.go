// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"connmonitor/internal/vitals"
)

// draft is a set of settings while it may still change.
type draft struct {
	vitals.Settings
	intervalSet bool // Interval was asked for; else it follows from NumPings
	both        bool // family=both
	// labels are sorted by name. A draft that was copied shares them, so they
	// are copied before they change.
	labels []label
}

// label is one label.NAME=VALUE.
type label struct{ name, value string }

// newDraft holds the defaults of the per-host form (contract: the tables of
// options).
func newDraft() draft {
	return draft{Settings: vitals.Settings{
		Form:         vitals.Separate,
		Timestamp:    true,
		Ping:         true,
		PingPause:    500 * time.Millisecond,
		NumPings:     10,
		Payload:      41,
		Hops:         30,
		Flows:        1,
		Timeout:      time.Second,
		DegradedLoss: 1,
	}}
}

// line is what the options of one line say, over the defaults.
type line struct {
	draft
	id         string
	columns    [numOptions]int // of the values that stand on the line; else 0
	labelNames []string        // of the labels that stand on the line
}

// clash is an option that contradicts the rest of its line.
type clash struct{ option, text string }

// reset makes l a line without options.
func (l *line) reset(defaults *draft) {
	l.draft = *defaults
	l.id = ""
	clear(l.columns[:])
	l.labelNames = l.labelNames[:0]
}

// column is where the value of an option stands on the line; 0 when it does
// not.
func (l *line) column(option string) int {
	i := findOption(option)
	if i < 0 {
		return 0
	}
	return l.columns[i]
}

// target is the line's target of the given name; the ID is the one of the
// line, or the name.
func (l *line) target(name string, addr netip.Addr, s *vitals.Settings) vitals.Target {
	t := vitals.Target{ID: l.id, Name: name, Addr: addr, Settings: s}
	if t.ID == "" {
		t.ID = name
	}
	return t
}

// setLabel sets a label that may stand among the defaults already, and reports
// whether there was room for it.
func (l *line) setLabel(name, value string) bool {
	i, found := slices.BinarySearchFunc(l.labels, name, func(a label, name string) int {
		return strings.Compare(a.name, name)
	})
	l.labels = slices.Clone(l.labels)
	if found {
		l.labels[i].value = strings.Clone(value)
		return true
	}
	if len(l.labels) == maxLabels {
		return false
	}
	l.labels = slices.Insert(l.labels, i, label{strings.Clone(name), strings.Clone(value)})
	return true
}

// joinLabels writes the labels into the settings.
func (l *line) joinLabels() {
	var b strings.Builder
	for i, a := range l.labels {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(a.name + "=" + a.value)
	}
	l.Labels = b.String()
}

// settle completes the settings of the line for its host, and tells which
// option contradicts the host or another option.
func (l *line) settle(h host) *clash {
	if c := l.settleFamily(h.family()); c != nil {
		return c
	}
	if c := l.settleSource(h.family()); c != nil {
		return c
	}
	return l.settleInterval()
}

// settleFamily holds the family against that of the host's address
// (FamilyAny for a name). A family among the defaults speaks of names alone,
// so that a file may hold names and addresses of both families.
func (l *line) settleFamily(literal vitals.Family) *clash {
	if literal == vitals.FamilyAny || (!l.both && (l.Family == vitals.FamilyAny || l.Family == literal)) {
		return nil
	}
	if l.column("family") > 0 {
		return &clash{"family", fmt.Sprintf("the host is an IPv%d address; leave the option out", literal)}
	}
	l.both, l.Family = false, vitals.FamilyAny
	return nil
}

// settleSource holds a source address against the family of the target. A name
// of any family then means the family of the source, because no other could be
// sent to.
func (l *line) settleSource(literal vitals.Family) *clash {
	source, err := netip.ParseAddr(l.Source)
	if err != nil {
		return nil // none, or an interface
	}
	family := familyOf(source)
	switch {
	case literal != vitals.FamilyAny && literal != family:
		return &clash{"source", fmt.Sprintf("%s is an IPv%d address, and the host an IPv%d one", quote(l.Source), family, literal)}
	case literal != vitals.FamilyAny:
		return nil
	case l.both:
		return &clash{"source", fmt.Sprintf("%s is an IPv%d address, and the family is both; name the interface instead", quote(l.Source), family)}
	case l.Family != vitals.FamilyAny && l.Family != family:
		return &clash{"source", fmt.Sprintf("%s is an IPv%d address, and the family is %d", quote(l.Source), family, l.Family)}
	}
	l.Family = family
	return nil
}

// settleInterval derives the interval when it was not asked for, and bounds
// the period of a burst.
func (l *line) settleInterval() *clash {
	if !l.intervalSet {
		l.Interval = vitals.DefaultInterval(l.NumPings)
	}
	gaps := time.Duration(l.NumPings - 1)
	if gaps > 0 && l.Interval > (maxDuration-l.PingPause)/gaps {
		return &clash{"interval", fmt.Sprintf("%d pings with a pause of %v between them take more than 100 years", l.NumPings, l.Interval)}
	}
	return nil
}

func familyOf(a netip.Addr) vitals.Family {
	if a.Unmap().Is4() {
		return vitals.Family4
	}
	return vitals.Family6
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// contest is a section of the document: whole runs of connvitals, and of other
// programs at the same work.
type contest struct {
	section string
	columns []column
	matches []match
}

// column shows a metric.
type column struct {
	metric, head string
	digits       int
}

// match is one such work.
type match struct {
	name   string   // for BENCH_ONLY
	work   string   // for the document
	ours   string   // contender
	others []string // contenders
	bounds []bound
	duels  []duel
}

// bound is what connvitals must reach: by itself, or beside another contender.
type bound struct {
	what         string
	metric, unit string
	digits       int
	against      string // "" is a bound by itself
	limit        limit
	always       bool // holds for every run, not for the median
}

// duel is a figure in which connvitals is to have less than each of the others.
type duel struct{ metric, name string }

func contests() []contest { return []contest{traceContest(), scanContest()} }

// within bounds the time that connvitals takes, from its start to its end.
func within(ms float64) bound {
	return bound{"from start to end", wallTime, "ms", 0, "", atMost(ms), false}
}

// complete are the bounds that make a measurement of connvitals one of the
// whole work.
func complete(what string) []bound {
	return []bound{
		{what + ", each time", foundShare, "%", 1, "", atLeast(100), true},
		{"status 0 and no word of an error, each time", cleanShare, "%", 1, "", atLeast(100), true},
	}
}

// faster is the duel over time.
func faster() duel { return duel{wallTime, "time"} }

// contenders are the names of all that take part.
func (c contest) contenders() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, m := range c.matches {
			for _, name := range m.contenders() {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// contenders are ours first, then the others, then those that are but a mark for
// bounds.
func (m match) contenders() []string {
	names := append([]string{m.ours}, m.others...)
	for _, b := range m.bounds {
		if b.against != "" && !slices.Contains(names, b.against) {
			names = append(names, b.against)
		}
	}
	return names
}

// programOf is the program of a contender.
func programOf(contender string) string {
	program, _, _ := strings.Cut(contender, ",")
	return program
}

// judge makes the row of a bound.
func (m match) judge(b bound, found series) line {
	row := bar{work: m.work + ": " + b.what, ours: m.ours, against: b.against, metric: b.metric, unit: b.unit, digits: b.digits, limit: b.limit}.judge(found)
	if b.against != "" {
		row.bar = b.limit.String() + " x " + programOf(b.against)
	}
	if values := found[m.ours][b.metric]; b.always && len(values) > 0 {
		row.verdict = b.limit.judge(b.worst(values))
	}
	return row
}

// worst is the value that is farthest from what the bound wants.
func (b bound) worst(values []float64) float64 {
	if b.limit.least {
		return slices.Min(values)
	}
	return slices.Max(values)
}

// standing compares connvitals with another contender.
func (m match) standing(other string, found series) (s standing) {
	for _, d := range m.duels {
		s.note(d.name, median(found[m.ours][d.metric]), median(found[other][d.metric]))
	}
	return s
}

// missed names the bounds that were not met, and those who are ahead.
func (m match) missed(found series) []string {
	var names []string
	for _, b := range m.bounds {
		if v := m.judge(b, found).verdict; v != met {
			names = append(names, fmt.Sprintf("%s: %s (%s)", m.name, b.what, v))
		}
	}
	for _, other := range m.others {
		if s := m.standing(other, found); len(s.behind) > 0 {
			names = append(names, fmt.Sprintf("%s: ahead of %s in %s", m.name, programOf(other), strings.Join(s.behind, ", ")))
		}
	}
	return names
}

// contestSection has the bounds, what each program did, and the commands.
func (d document) contestSection(c contest) section {
	head := []string{"work", "program"}
	for _, column := range c.columns {
		head = append(head, column.head)
	}
	head = append(head, "connvitals is ahead in")
	var bounds, rows [][]string
	taking := make(map[string]bool)
	for _, m := range c.matches {
		for _, b := range m.bounds {
			l := m.judge(b, d.found)
			bounds = append(bounds, []string{l.work, l.bar, l.ours, l.against, l.ratio, string(l.verdict)})
		}
		for _, name := range m.contenders() {
			taking[name] = true
			rows = append(rows, d.contestRow(c, m, name))
		}
	}
	text := fmt.Sprintf("%s. Medians of %d runs; in brackets the least and the most.\n\n", machine(), d.options.runs)
	text += markdown([]string{"work", "bar", "connvitals", "beside", "ratio", "verdict"}, bounds) + "\n" + markdown(head, rows)
	return section{c.section, text + d.notes(func(c contender) bool { return taking[c.name] })}
}

func (d document) contestRow(c contest, m match, name string) []string {
	row := []string{m.work, programOf(name)}
	for _, column := range c.columns {
		row = append(row, spread(d.found[name][column.metric], column.digits))
	}
	if !slices.Contains(m.others, name) {
		return append(row, "")
	}
	return append(row, m.standing(name, d.found).String())
}

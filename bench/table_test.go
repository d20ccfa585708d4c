// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// figures are what one measurement found, by the name of the metric.
type figures map[string]float64

// series holds what all runs found: of a contender, of a metric, in order.
type series map[string]map[string][]float64

func (s series) add(contender string, f figures) {
	if s[contender] == nil {
		s[contender] = make(map[string][]float64)
	}
	for metric, value := range f {
		s[contender][metric] = append(s[contender][metric], value)
	}
}

// median of values; NaN when there are none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile of sorted values, 0 <= q <= 1, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// spread is "median [least..most]", or the only value.
func spread(values []float64, digits int) string {
	switch len(values) {
	case 0:
		return "-"
	case 1:
		return number(values[0], digits)
	}
	return fmt.Sprintf("%s [%s..%s]", number(median(values), digits), number(slices.Min(values), digits), number(slices.Max(values), digits))
}

// number groups thousands, for values are read and compared by people.
func number(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	text := fmt.Sprintf("%.*f", digits, math.Abs(v))
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if v < 0 && strings.Trim(text, "0.") != "" {
		whole = "-" + whole
	}
	return whole
}

// verdict is what a row comes to.
type verdict string

const (
	met      verdict = "met"
	missed   verdict = "MISSED"
	none     verdict = "not measured"
	unsteady verdict = "unsteady" // the machine was not quiet: no verdict
)

// steady is by how much the floor's most may exceed its least.
const steady = 1.5

// limit is a bar: a bound for a figure, or for its ratio to another's.
type limit struct {
	value float64
	least bool // the figure must reach it; else it must not exceed it
}

func atMost(v float64) limit  { return limit{value: v} }
func atLeast(v float64) limit { return limit{value: v, least: true} }

func (l limit) judge(v float64) verdict {
	switch {
	case math.IsNaN(v):
		return none
	case l.least && v >= l.value, !l.least && v <= l.value:
		return met
	}
	return missed
}

func (l limit) String() string {
	sign := "<="
	if l.least {
		sign = ">="
	}
	return sign + " " + strings.TrimSuffix(strings.TrimRight(number(l.value, 2), "0"), ".")
}

// line is a finished row of the table of bars.
type line struct {
	work, bar, ours, against, ratio string
	verdict                         verdict
}

// judge makes the row of a bar from what was found.
func (b bar) judge(found series) line {
	ours := found[b.ours][b.metric]
	row := line{work: b.work, bar: b.limit.String() + " " + b.unit, ours: spread(ours, b.digits), against: "-", ratio: "-"}
	if b.against == "" {
		row.verdict = b.limit.judge(median(ours))
		return row
	}
	other := found[b.against][b.metric]
	ratio := median(ours) / median(other)
	row.bar = b.limit.String() + " x the floor"
	row.against, row.ratio = spread(other, b.digits), number(ratio, 2)
	row.verdict = b.limit.judge(ratio)
	if len(other) > 0 && slices.Max(other) > steady*slices.Min(other) {
		row.verdict = unsteady
	}
	row.work += ", " + b.unit
	return row
}

// markdown is a table whose columns are padded, so that it reads as text too.
func markdown(head []string, rows [][]string) string {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	write := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %-*s ", widths[i], cell)
		}
		b.WriteString("|\n")
	}
	write(head)
	for _, w := range widths {
		b.WriteString("| " + strings.Repeat("-", w) + " ")
	}
	b.WriteString("|\n")
	for _, row := range rows {
		write(row)
	}
	return b.String()
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"connmonitor/internal/vitals"
)

// The columns of the table.
const (
	columnLine = iota
	columnID
	columnHost
	columnFamily
	columnPing
	columnTrace
	columnScan
	columnRecords
	columnTimeout
	columnOther
	numColumns
)

// row is one row of the table.
type row [numColumns]string

var tableHead = row{"LINE", "ID", "HOST", "FAMILY", "PING", "TRACE", "SCAN", "RECORDS", "TIMEOUT", "OTHER"}

// Table writes what the configuration was understood to mean, for people: its
// form, a row for each target, and the load. What is at its default is left
// out where that helps to see what is not; "-" is what is switched off. The
// output holds no control character from the file.
func (c *Config) Table(w io.Writer) error {
	b := bufio.NewWriter(w)
	c.writeForm(b)
	if len(c.Targets) > 0 {
		c.writeRows(b)
	}
	load := c.Load()
	if err := load.write(b); err != nil {
		return err
	}
	return b.Flush()
}

// writeForm prints the line above the table. Errors of b stay in b until it is
// flushed, here and below.
func (c *Config) writeForm(b *bufio.Writer) {
	name := "per-host form"
	if c.Form == vitals.Bundled {
		name = "global form"
	}
	fmt.Fprintf(b, "%s, targets: %d\n", name, len(c.Targets)) //nolint:errcheck // kept by b
}

// writeRows goes over the targets twice, for the widths of the columns and for
// the rows, so that a table of a million targets needs no memory for them.
func (c *Config) writeRows(b *bufio.Writer) {
	b.WriteByte('\n') //nolint:errcheck // kept by b
	cells := make(map[*vitals.Settings]row)
	var widths [numColumns]int
	widen(&widths, &tableHead)
	for i := range c.Targets {
		r := cellsOf(cells, &c.Targets[i])
		widen(&widths, &r)
	}
	writeRow(b, &widths, &tableHead)
	for i := range c.Targets {
		r := cellsOf(cells, &c.Targets[i])
		writeRow(b, &widths, &r)
	}
}

func widen(widths *[numColumns]int, r *row) {
	for i, cell := range r {
		widths[i] = max(widths[i], utf8.RuneCountInString(cell))
	}
}

func writeRow(b *bufio.Writer, widths *[numColumns]int, r *row) {
	for i, cell := range r {
		b.WriteString(cell) //nolint:errcheck // kept by b
		if i == numColumns-1 {
			break
		}
		for range widths[i] - utf8.RuneCountInString(cell) + 2 {
			b.WriteByte(' ') //nolint:errcheck // kept by b
		}
	}
	b.WriteByte('\n') //nolint:errcheck // kept by b
}

// cellsOf is the row of a target; the cells that follow from the settings are
// made once for all that share them.
func cellsOf(cells map[*vitals.Settings]row, t *vitals.Target) row {
	r, ok := cells[t.Settings]
	if !ok {
		r = settingsCells(t.Settings)
		cells[t.Settings] = r
	}
	r[columnLine] = strconv.Itoa(t.Line)
	r[columnID] = visible(t.ID)
	r[columnHost] = visible(t.Name)
	if t.Addr.IsValid() {
		r[columnFamily] = strconv.Itoa(int(familyOf(t.Addr)))
	}
	return r
}

// settingsCells fills the cells that follow from the settings.
func settingsCells(s *vitals.Settings) row {
	r := row{
		columnFamily:  "any",
		columnPing:    "-",
		columnTrace:   "-",
		columnScan:    "-",
		columnRecords: recordsCell(s),
		columnTimeout: s.Timeout.String(),
		columnOther:   otherCell(s),
	}
	if s.Family != vitals.FamilyAny {
		r[columnFamily] = strconv.Itoa(int(s.Family))
	}
	if s.Ping {
		r[columnPing] = fmt.Sprintf("%d x %d B", s.NumPings, s.Payload)
		if s.Form == vitals.Separate {
			r[columnPing] += " every " + s.BurstPeriod().String()
		}
	}
	if s.Trace {
		r[columnTrace] = traceCell(s)
	}
	if s.Scan {
		r[columnScan] = visible(portsOf(s))
		if s.Form == vitals.Separate {
			r[columnScan] += ", pause " + s.ScanPause.String()
		}
	}
	return r
}

func traceCell(s *vitals.Settings) string {
	cell := fmt.Sprintf("%d hops", s.Hops)
	switch s.Method {
	case vitals.MethodICMP:
	case vitals.MethodUDP:
		cell += fmt.Sprintf(" by udp port %d", s.TracePort())
	case vitals.MethodTCP:
		cell += fmt.Sprintf(" by tcp port %d", s.TracePort())
	}
	if s.Flows > 1 {
		cell += fmt.Sprintf(", %d flows", s.Flows)
	}
	if s.Form == vitals.Separate {
		cell += ", pause " + s.TracePause.String()
	}
	return cell
}

func portsOf(s *vitals.Settings) string {
	if s.Ports == "" {
		return defaultPorts
	}
	return s.Ports
}

func recordsCell(s *vitals.Settings) string {
	cell := "text"
	if s.JSON {
		cell = "json"
	}
	if s.Timestamp {
		cell += "+time"
	}
	if s.Details && s.JSON {
		cell += "+details"
	}
	return cell
}

// otherCell lists the settings that are not at their defaults and have no
// column, in the words of the configuration.
func otherCell(s *vitals.Settings) string {
	var parts []string
	say := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	standard := newDraft()
	say(s.Paused, "paused")
	say(s.Form == vitals.Bundled, "sleep=%v", s.Sleep)
	say(s.Interval != vitals.DefaultInterval(s.NumPings), "interval=%v", s.Interval)
	say(s.Source != "", "source=%s", visible(s.Source))
	say(s.DSCP != 0, "dscp=%d", s.DSCP)
	say(s.DF, "df")
	say(s.MTU, "mtu")
	say(s.DegradedLoss != standard.DegradedLoss, "degraded.loss=%v%%", s.DegradedLoss)
	say(s.DegradedRTT != 0, "degraded.rtt=%v", s.DegradedRTT)
	if s.Labels != "" {
		for pair := range strings.SplitSeq(s.Labels, "\n") {
			say(true, "%s%s", labelPrefix, visible(pair))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, " ")
}

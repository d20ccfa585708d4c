// SPDX-License-Identifier: Apache-2.0

// Package report writes what connmonitor and connvitals say: records as plain
// text or JSON lines, the EE and WW lines of the log, and the two streams that
// carry them.
//
// AppendRecord and AppendTable turn one vitals.Record into bytes. Output
// carries such bytes to standard output or a file, in whole records, however
// slow the reader is. Log says what went wrong, once for each fault. LogFile is
// a file that can be reopened after it was rotated.
//
// Nothing that a remote host sent leaves this room raw: JSON is RFC 8259 in
// valid UTF-8 (RFC 3629), and a banner can neither forge a line or a column nor
// drive a terminal. When to print a record, and whether a route has changed, is
// decided by the rooms above.
package report

import (
	"math"
	"net/netip"

	"connmonitor/internal/vitals"
)

// AppendRecord appends r in the form (Form, Timestamp) and the syntax (JSON)
// that the settings of its target ask for, always ending in a newline, and
// returns the extended slice. It allocates nothing but the growth of dst.
//
// A statistic that says nothing is left out: a burst that is wholly unknown, a
// path without hops, a scan without services. Nothing is appended when nothing
// is left.
//
// What is not printable in a name or a banner is escaped, in text as \x1b (a
// control character of ASCII, or a byte that is not UTF-8) or \u202e, in JSON
// as \u001b or \u202e (and a byte that is not UTF-8 as the four characters
// \xff). A backslash in text stands for itself.
func AppendRecord(dst []byte, r *vitals.Record) []byte {
	return appendRecord(dst, r, false)
}

// AppendTable is AppendRecord for whoever sits at a terminal of 100 columns: in
// text tables of all that is known of a trace and of services stand in the place
// of their lines, which they hold. It may allocate. JSON is as from AppendRecord.
func AppendTable(dst []byte, r *vitals.Record) []byte {
	return appendRecord(dst, r, true)
}

func appendRecord(dst []byte, r *vitals.Record, table bool) []byte {
	said := telling(r)
	if said.Empty() {
		return dst
	}
	if said.Target.JSON {
		return appendJSONRecord(dst, &said)
	}
	return appendTextRecord(dst, &said, table)
}

// telling is r without the statistics that say nothing.
func telling(r *vitals.Record) vitals.Record {
	said := *r
	if said.Ping != nil && said.Ping.Known() <= 0 {
		said.Ping = nil
	}
	if said.Path != nil && len(said.Path.Hops) == 0 {
		said.Path = nil
	}
	if said.Scan != nil && len(said.Scan.Services) == 0 {
		said.Scan = nil
	}
	return said
}

// timestamped reports whether the record carries its time.
func timestamped(r *vitals.Record) bool {
	return r.Target.Form == vitals.Separate && r.Target.Timestamp
}

// figures are minimum, mean, maximum, standard deviation (ms) and loss (%), in
// the order of the record. A burst without a reply has -1 for the first four,
// whatever else p holds.
func figures(p *vitals.Ping) [5]float64 {
	if p.Received <= 0 {
		return [5]float64{-1, -1, -1, -1, finite(p.Loss())}
	}
	return [5]float64{finite(p.Min), finite(p.Mean), finite(p.Max), finite(p.Std), finite(p.Loss())}
}

// finite is v, or -1 (the contract's "no figure") in place of what JSON cannot
// hold: NaN and the infinities (RFC 8259, section 6).
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return -1
	}
	return v
}

// literal reports whether name is, to the letter, how addr is written. Free
// room in scratch is used to compare without an allocation.
func literal(scratch []byte, name string, addr netip.Addr) bool {
	return string(addr.AppendTo(scratch)[len(scratch):]) == name
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strconv"
	"strings"
	"time"

	"connmonitor/internal/vitals"
)

// The columns of a scan.
const (
	columnService = iota
	columnState
	columnTotal
	columnLookup
	columnConnect
	columnHandshake
	columnFirstByte
)

func formatOfScan() format {
	return format{
		right: [columns]bool{columnTotal: true, columnLookup: true, columnConnect: true, columnHandshake: true, columnFirstByte: true},
		most:  [columns]int{}, flexible: columnService,
	}
}

// appendServiceTable appends a scan as a table, one row a service: its times in
// ms, and behind them what it is, what TLS told, and what is wrong.
func appendServiceTable(dst []byte, r *vitals.Record) []byte {
	t := table{format: formatOfScan()}
	titles := [columns]string{"service", "state", "total ms", "lookup", "connect", "TLS", "first byte"}
	head := row{cells: titles}
	for column := columnTotal; column < columns; column++ {
		head.cells[column] = ""
	}
	t.rows = append(t.rows, head)
	for i := range r.Scan.Services {
		service := serviceRow(&r.Scan.Services[i], r)
		for column, cell := range service.cells {
			if cell != "" {
				t.rows[0].cells[column] = titles[column]
			}
		}
		t.rows = append(t.rows, service)
	}
	return t.append(dst)
}

func serviceRow(s *vitals.Service, r *vitals.Record) row {
	return row{
		cells: [columns]string{
			columnService: string(appendText(nil, s.Name)), columnState: s.State.String(), columnTotal: timeCell(s.RTT),
			columnLookup: timeCell(r.Lookup), columnConnect: timeCell(s.Connect), columnHandshake: timeCell(s.Handshake),
			columnFirstByte: timeCell(s.FirstByte),
		},
		notes: serviceNotes(s, r.Time),
	}
}

// timeCell is a time in ms; "" for one that was not taken.
func timeCell(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return string(appendFixed(nil, vitals.Milliseconds(d)))
}

func serviceNotes(s *vitals.Service, now time.Time) []string {
	var all []string
	note := func(before, text string) {
		if text != "" {
			all = append(all, before+string(appendText(nil, text)))
		}
	}
	note("", s.Code)
	note("", s.Software)
	if strings.Contains(s.Name, "/auto") || isPort(s.Name) {
		note("", s.Protocol)
	}
	note("", s.HTTP)
	note("to ", s.Redirect)
	if s.TLS != nil {
		all = append(all, tlsNotes(s.TLS, now)...)
	}
	note("", s.Reason)
	return all
}

func tlsNotes(t *vitals.TLS, now time.Time) []string {
	var all []string
	note := func(before, text string) {
		if text != "" {
			all = append(all, before+string(appendText(nil, text)))
		}
	}
	note("", t.Version)
	note("", t.Cipher)
	note("ALPN ", t.ALPN)
	note("", t.Subject)
	note("for ", strings.Join(t.Names, " "))
	note("by ", t.Issuer)
	if !t.Expires.IsZero() {
		note("", expiryText(daysUntil(t.Expires, now)))
	}
	if t.Problem == "" {
		return append(all, "verified")
	}
	note("not verified: ", t.Problem)
	return all
}

func expiryText(days int64) string {
	unit := " days"
	if days == 1 || days == -1 {
		unit = " day"
	}
	if days < 0 {
		return "expired " + strconv.FormatInt(-days, 10) + unit + " ago"
	}
	return "expires in " + strconv.FormatInt(days, 10) + unit
}

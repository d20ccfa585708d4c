// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strconv"
	"time"

	"connmonitor/internal/vitals"
)

// appendTextRecord appends r as plain text: the host line, the line of the
// time, the line of the pings, a line for each hop, the line of the scan, each
// only when there is one. With table the hops, and the services, stand in tables instead.
func appendTextRecord(dst []byte, r *vitals.Record, table bool) []byte {
	dst = append(appendHost(dst, r), '\n')
	if timestamped(r) {
		dst = append(r.Time.Local().AppendFormat(dst, time.ANSIC), '\n')
	}
	if r.Ping != nil {
		dst = append(appendTextPing(dst, r.Ping), '\n')
	}
	if r.Path != nil && table {
		dst = appendTable(dst, r.Path)
	} else if r.Path != nil {
		for i := range r.Path.Hops {
			dst = append(appendTextHop(dst, &r.Path.Hops[i]), '\n')
		}
	}
	if r.Scan != nil && table {
		dst = appendServiceTable(dst, r)
	} else if r.Scan != nil {
		dst = append(appendTextScan(dst, r.Scan), '\n')
	}
	return dst
}

// appendHost appends the name as it was typed and, when the address is not
// literally that, the address: "name (address)" in the bundled form, "name
// address" in the separate one.
func appendHost(dst []byte, r *vitals.Record) []byte {
	dst = appendText(dst, r.Target.Name)
	if !r.Addr.IsValid() || literal(dst, r.Target.Name, r.Addr) {
		return dst
	}
	if r.Target.Form == vitals.Separate {
		return appendTextAddr(append(dst, ' '), r.Addr)
	}
	return append(appendTextAddr(append(dst, " ("...), r.Addr), ')')
}

func appendTextPing(dst []byte, p *vitals.Ping) []byte {
	for i, v := range figures(p) {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = appendFixed(dst, v)
	}
	return dst
}

func appendTextHop(dst []byte, h *vitals.Hop) []byte {
	if h.Silent() {
		return append(dst, '*')
	}
	dst = append(appendTextAddr(dst, h.Addr), '\t')
	return appendFixed(dst, vitals.Milliseconds(h.RTT))
}

// appendTextAddr appends addr. Its zone is a name that somebody chose, and is
// escaped as such.
func appendTextAddr(dst []byte, addr netip.Addr) []byte {
	dst = addr.WithZone("").AppendTo(dst)
	if zone := addr.Zone(); zone != "" {
		dst = appendText(append(dst, '%'), zone)
	}
	return dst
}

// appendFixed appends v as %.3f.
func appendFixed(dst []byte, v float64) []byte {
	return strconv.AppendFloat(dst, v, 'f', 3, 64)
}

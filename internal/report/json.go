// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"connmonitor/internal/vitals"
)

// appendJSONRecord appends r as one JSON object (RFC 8259) on one line, without
// blanks. The order of its members is part of the contract, so they are
// written one by one.
func appendJSONRecord(dst []byte, r *vitals.Record) []byte {
	dst = append(dst, `{"addr":"`...)
	dst = appendJSONAddr(dst, r.Addr)
	dst = append(dst, `","name":`...)
	dst = appendJSONString(dst, r.Target.Name)
	if timestamped(r) {
		dst = append(dst, `,"timestamp":`...)
		dst = appendNumber(dst, epochMilliseconds(r.Time))
	}
	if r.Ping != nil {
		dst = appendJSONPing(append(dst, `,"ping":`...), r.Ping)
	}
	if r.Path != nil {
		dst = appendJSONPath(append(dst, `,"trace":`...), r.Path)
		if r.Target.Details {
			dst = appendJSONPathDetails(append(dst, `,"path":`...), r.Path, r.Target.Settings)
		}
	}
	if r.Scan != nil {
		dst = appendJSONScan(append(dst, `,"scan":`...), r)
	}
	return append(dst, "}\n"...)
}

// epochMilliseconds is t in ms since the Unix epoch. A float64 holds it to a
// quarter of a microsecond until the year 2248.
func epochMilliseconds(t time.Time) float64 {
	return float64(t.Unix())*1e3 + float64(t.Nanosecond())/1e6
}

func appendJSONPing(dst []byte, p *vitals.Ping) []byte {
	members := [5]string{`{"min":`, `,"avg":`, `,"max":`, `,"std":`, `,"loss":`}
	for i, v := range figures(p) {
		dst = appendNumber(append(dst, members[i]...), v)
	}
	return append(dst, '}')
}

func appendJSONPath(dst []byte, p *vitals.Path) []byte {
	dst = append(dst, '[')
	for i := range p.Hops {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONHop(dst, &p.Hops[i])
	}
	return append(dst, ']')
}

func appendJSONHop(dst []byte, h *vitals.Hop) []byte {
	if h.Silent() {
		return append(dst, `["*"]`...)
	}
	dst = append(dst, `["`...)
	dst = appendJSONAddr(dst, h.Addr)
	dst = append(dst, `",`...)
	dst = appendNumber(dst, vitals.Milliseconds(h.RTT))
	return append(dst, ']')
}

// appendJSONAddr appends addr without its quotes; "" for the zero Addr.
func appendJSONAddr(dst []byte, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return dst
	}
	dst = addr.WithZone("").AppendTo(dst)
	if zone := addr.Zone(); zone != "" {
		dst = appendJSONEscaped(append(dst, '%'), zone)
	}
	return dst
}

// appendNumber appends the shortest number that reads back as v, in the form
// that encoding/json (and ECMAScript) gives it. v is finite.
func appendNumber(dst []byte, v float64) []byte {
	abs := math.Abs(v)
	if abs == 0 || (abs >= 1e-6 && abs < 1e21) {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	// strconv writes at least two digits of exponent; e-09 becomes e-9.
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strconv"

	"connmonitor/internal/vitals"
)

// fewestTraces is how many traces must have been made before it says something
// that no fault is found.
const fewestTraces = 2

// appendJSONOnset appends where faults begin, as far as the last traces tell.
func appendJSONOnset(dst []byte, o *vitals.Onset) []byte {
	if o == nil || o.Traces < fewestTraces && o.Loss == nil && o.Shift == nil {
		return dst
	}
	dst = appendJSONInteger(dst, `,"onset":{"traces":`, o.Traces)
	if f := o.Loss; f != nil {
		dst = appendJSONFault(append(dst, `,"loss":`...), f)
		dst = appendJSONInteger(dst, `,"lost":`, f.Lost)
		dst = append(appendJSONInteger(dst, `,"known":`, f.Known), '}')
	}
	if f := o.Shift; f != nil {
		dst = appendJSONFault(append(dst, `,"shift":`...), f)
		dst = appendNumber(append(dst, `,"was":`...), vitals.Milliseconds(f.Was))
		dst = append(appendNumber(append(dst, `,"is":`...), vitals.Milliseconds(f.Is)), '}')
	}
	return append(dst, '}')
}

// appendJSONFault appends the beginning of an object: what all faults tell.
func appendJSONFault(dst []byte, f *vitals.OnsetFault) []byte {
	dst = strconv.AppendInt(append(dst, `{"since":`...), f.Since.UnixMilli(), 10)
	dst = appendJSONOnsetHop(dst, `,"before":`, f.Before)
	dst = appendJSONOnsetHop(dst, `,"at":`, f.At)
	return appendJSONInteger(dst, `,"destination":`, f.Destination)
}

func appendJSONOnsetHop(dst []byte, member string, h vitals.OnsetHop) []byte {
	dst = appendJSONInteger(append(dst, member...), `{"ttl":`, h.TTL)
	return append(appendJSONAddress(dst, `,"addr":`, h.Addr), '}')
}

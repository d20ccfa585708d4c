// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"connmonitor/internal/vitals"
)

func appendJSONScan(dst []byte, r *vitals.Record) []byte {
	dst = append(dst, '{')
	for i := range r.Scan.Services {
		s := &r.Scan.Services[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONString(dst, s.Name), ':')
		if r.Target.Details {
			dst = appendJSONDetails(dst, s, r)
		} else {
			dst = appendJSONService(dst, s)
		}
	}
	return append(dst, '}')
}

// appendJSONService appends what the contract shows of a service.
func appendJSONService(dst []byte, s *vitals.Service) []byte {
	if !s.Open() {
		return append(dst, `"None"`...)
	}
	dst = appendJSONIdentity(append(dst, '{'), s)
	if isPort(s.Name) {
		dst = appendJSONText(dst, `,"service":`, s.Protocol)
	}
	return append(dst, '}')
}

// appendJSONIdentity appends the members of an open service: those of http when
// it has a status code, else those of mysql.
func appendJSONIdentity(dst []byte, s *vitals.Service) []byte {
	if isRest(s) {
		return appendJSONString(append(dst, `"version":`...), s.Software)
	}
	dst = append(dst, `"rtt":`...)
	dst = appendNumber(dst, vitals.Milliseconds(s.RTT))
	if s.Code != "" {
		dst = appendJSONString(append(dst, `,"response code":`...), s.Code)
		dst = append(dst, `,"server":`...)
	} else {
		dst = append(dst, `,"version":`...)
	}
	return appendJSONString(dst, s.Software)
}

// appendJSONDetails appends all that is known of a service. What there is
// without details stands first and as it stands there, so that a reader of the
// one reads the other; a service that is not open is an object here, too.
func appendJSONDetails(dst []byte, s *vitals.Service, r *vitals.Record) []byte {
	dst = append(dst, '{')
	if s.Open() {
		dst = append(appendJSONIdentity(dst, s), ',')
	}
	dst = appendJSONString(append(dst, `"state":`...), s.State.String())
	dst = appendJSONText(dst, `,"reason":`, s.Reason)
	dst = appendJSONText(dst, `,"service":`, s.Protocol)
	dst = appendJSONTime(dst, `,"lookup":`, r.Lookup)
	dst = appendJSONTime(dst, `,"connect":`, s.Connect)
	dst = appendJSONTime(dst, `,"handshake":`, s.Handshake)
	dst = appendJSONTime(dst, `,"first byte":`, s.FirstByte)
	dst = appendJSONText(dst, `,"protocol":`, s.HTTP)
	dst = appendJSONText(dst, `,"redirect":`, s.Redirect)
	if s.TLS != nil {
		dst = appendJSONTLS(append(dst, `,"tls":`...), s.TLS, r.Time)
	}
	return append(dst, '}')
}

func appendJSONTLS(dst []byte, t *vitals.TLS, now time.Time) []byte {
	dst = appendJSONString(append(dst, `{"version":`...), t.Version)
	dst = appendJSONText(dst, `,"cipher":`, t.Cipher)
	dst = appendJSONText(dst, `,"alpn":`, t.ALPN)
	dst = appendJSONText(dst, `,"subject":`, t.Subject)
	dst = append(dst, `,"names":[`...)
	for i, name := range t.Names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, name)
	}
	dst = appendJSONText(append(dst, ']'), `,"issuer":`, t.Issuer)
	if t.Known() {
		dst = append(hex.AppendEncode(append(dst, `,"sha256":"`...), t.Fingerprint[:]), '"')
	}
	if !t.Expires.IsZero() {
		dst = strconv.AppendInt(append(dst, `,"days":`...), daysUntil(t.Expires, now), 10)
	}
	dst = strconv.AppendBool(append(dst, `,"verified":`...), t.Problem == "")
	return append(appendJSONText(dst, `,"problem":`, t.Problem), '}')
}

// daysUntil counts whole days; what is past is negative, from the first second.
func daysUntil(t, now time.Time) int64 {
	const day = 24 * 60 * 60
	left := t.Unix() - now.Unix()
	if left < 0 {
		return (left - day + 1) / day
	}
	return left / day
}

// appendJSONText appends a member, unless it is empty.
func appendJSONText(dst []byte, member, text string) []byte {
	if text == "" {
		return dst
	}
	return appendJSONString(append(dst, member...), text)
}

// appendJSONTime appends a member in ms, unless it is zero.
func appendJSONTime(dst []byte, member string, d time.Duration) []byte {
	if d == 0 {
		return dst
	}
	return appendNumber(append(dst, member...), vitals.Milliseconds(d))
}

func appendTextScan(dst []byte, s *vitals.Scan) []byte {
	for i := range s.Services {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = appendTextService(dst, &s.Services[i])
	}
	return dst
}

// appendTextService appends "rtt, code, software", "rtt, software" for a
// service that has no code, or "None". What was asked by its port alone says
// what it is behind that, and one of a range, which port, before.
func appendTextService(dst []byte, s *vitals.Service) []byte {
	if s.Ranged {
		dst = append(appendText(dst, s.Name), ": "...)
	}
	if !s.Open() {
		return append(dst, "None"...)
	}
	if isRest(s) {
		return appendText(dst, s.Software)
	}
	dst = appendFixed(dst, vitals.Milliseconds(s.RTT))
	if s.Code != "" {
		dst = appendText(append(dst, ", "...), s.Code)
	}
	dst = appendText(append(dst, ", "...), s.Software)
	if isPort(s.Name) {
		dst = appendText(append(dst, ", "...), s.Protocol)
	}
	return dst
}

// isRest reports whether this is what there is to say of the ports of a range that
// are not told one by one. Nothing was timed for it.
func isRest(s *vitals.Service) bool { return s.Ranged && !isPort(s.Name) }

// isPort reports whether a service is called by its port.
func isPort(name string) bool { return strings.Trim(name, "0123456789") == "" }

// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// What of an answer is looked at. A TXT record holds up to 65,535 bytes
// (RFC 1035 section 3.3.14), and an answer more than one record.
const (
	maxTexts   = 16
	maxText    = 1024
	maxOrigins = 8
)

// route is one line of an origin zone: who announces a prefix.
type route struct {
	prefix  netip.Prefix
	origins []uint32 // at least one
}

// chooseRoute picks of the TXT records of an answer the longest prefix that
// covers the network asked for, the first of several. A prefix inside of the
// network serves too when nothing covers it.
func chooseRoute(texts []string, network netip.Prefix) (best route, ok bool) {
	for _, text := range texts[:min(len(texts), maxTexts)] {
		r, valid := parseRoute(text)
		if valid && r.prefix.Overlaps(network) && (!ok || better(r.prefix, best.prefix, network)) {
			best, ok = r, true
		}
	}
	return best, ok
}

// better reports whether prefix a says more about the network than b.
func better(a, b, network netip.Prefix) bool {
	coversA, coversB := a.Bits() <= network.Bits(), b.Bits() <= network.Bits()
	if coversA != coversB {
		return coversA
	}
	return a.Bits() > b.Bits()
}

// parseRoute reads "23028 64512 | 216.90.108.0/24 | US | arin | 1998-09-25":
// origins, prefix, and what is not asked for.
func parseRoute(text string) (r route, ok bool) {
	fields := strings.Split(text[:min(len(text), maxText)], "|")
	if len(fields) < 2 {
		return route{}, false
	}
	prefix, err := netip.ParsePrefix(strings.TrimSpace(fields[1]))
	if err != nil {
		return route{}, false
	}
	r.prefix = prefix.Masked()
	for number := range strings.FieldsSeq(fields[0]) {
		n, ok := parseNumber(number)
		if !ok {
			return route{}, false
		}
		if len(r.origins) < maxOrigins {
			r.origins = append(r.origins, n)
		}
	}
	return r, len(r.origins) > 0
}

// parseNumber reads an AS number in decimal digits (asplain, RFC 5396). 0 and
// the largest are no AS's (RFC 7607, RFC 7300).
func parseNumber(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n != 0 && n != math.MaxUint32
}

// chooseASName picks of the TXT records of an answer the name of an AS, "" when
// they have none: "23028 | US | arin | 2002-01-04 | TEAM-CYMRU, US".
func chooseASName(texts []string, number uint32) string {
	for _, text := range texts[:min(len(texts), maxTexts)] {
		fields := strings.SplitN(text[:min(len(text), maxText)], "|", 5)
		if n, ok := parseNumber(strings.TrimSpace(fields[0])); !ok || n != number || len(fields) < 5 {
			continue
		}
		if name := cleanName(strings.TrimSpace(fields[4])); name != "" {
			return name
		}
	}
	return ""
}

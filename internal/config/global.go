// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"connmonitor/internal/vitals"
)

// header is the first line of the global form.
type header [8]int64

// The fields of the header.
const (
	doPings = iota
	doTrace
	doPScan
	numPings
	payload
	hops
	asJSON
	sleep
)

const headerNames = "DOPINGS DOTRACE DOPSCAN NUMPINGS PAYLOAD HOPS JSON SLEEP"

// classify counts the integers among words, returns the first word that is
// none, and tells whether any word looks like an option.
func classify(words []word) (integers int, other word, options bool) {
	for _, w := range words {
		if _, ok := parseInteger(w.text); ok {
			integers++
		} else if other.text == "" {
			other = w
		}
		options = options || strings.Contains(w.text, "=")
	}
	return integers, other, options
}

// readHeader takes the settings of all hosts from the first line. Only the
// values of what is switched on are checked; those of the rest become the
// defaults, so that they make no difference between two configurations.
func (f *file) readHeader(words []word) {
	var h header
	for i, w := range words {
		h[i], _ = parseInteger(w.text)
	}
	s := &f.defaults.Settings
	s.Form, s.Timestamp, s.PingPause = vitals.Bundled, false, 0
	s.JSON = h[asJSON] != 0
	f.config.JSON = s.JSON
	// NUMPINGS 0 and HOPS 0 switch their measurement off, too.
	s.Ping = h[doPings] != 0 && h[numPings] != 0
	s.Trace = h[doTrace] != 0 && h[hops] != 0
	s.Scan = h[doPScan] != 0
	if s.Ping {
		s.NumPings = int(f.within(words[numPings], "NUMPINGS", h[numPings], 1, maxNumPings))
		s.Payload = int(f.within(words[payload], "PAYLOAD", h[payload], 1, maxPayload))
	}
	if s.Trace {
		s.Hops = int(f.within(words[hops], "HOPS", min(h[hops], maxHops), 1, maxHops))
	}
	s.Sleep = time.Millisecond * time.Duration(
		f.within(words[sleep], "SLEEP", h[sleep], 0, int64(maxDuration/time.Millisecond)))
}

// within returns n, or records a fault and returns least.
func (f *file) within(w word, name string, n, least, most int64) int64 {
	switch {
	case n < least:
		f.fault(w.column, "", fmt.Sprintf("%s: %s is less than %d", name, quote(w.text), least))
		return least
	case n > most:
		f.fault(w.column, "", fmt.Sprintf("%s: %s is more than %d", name, quote(w.text), most))
		return least
	}
	return n
}

// globalLine reads one host of the global form.
func (f *file) globalLine(words []word) {
	w := words[0]
	switch {
	case len(words) > 1:
		f.fault(words[1].column, "", quote(words[1].text)+
			" follows the host: the global form holds one host a line; options belong to the per-host form, which has no first line of eight integers")
		return
	case w.text == "*":
		f.fault(w.column, "", `host "*" sets defaults, and they belong to the per-host form, which has no first line of eight integers`)
		return
	}
	h, err := parseHost(w.text)
	if err == nil && h.span.count > 0 {
		err = errors.New("is a range, and ranges belong to the per-host form, which has no first line of eight integers")
	}
	if err != nil {
		f.faultHost(w, err)
		return
	}
	f.current.reset(&f.defaults)
	f.addHost(w, h)
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The ranges of options.
const (
	maxNumPings = 65535
	maxPayload  = 65507 // what an IPv4 datagram (RFC 791) has left for an echo request's data
	maxHops     = 255   // the field has eight bits (RFC 791 TTL, RFC 8200 hop limit)
	maxDSCP     = 63    // RFC 2474 section 3
	maxFlows    = 64
	maxPort     = 65535
	maxLabels   = 64 // of one target, those among the defaults included
)

// numOptions is the number of options but the labels.
const numOptions = 24

// labelPrefix begins the name of an option that is a label.
const labelPrefix = "label."

// option is one option of the per-host form. Its set function writes the value
// into the line; the error says what is wrong with the value.
type option struct {
	name string
	set  func(l *line, value string) error
}

// optionTable holds every option but the labels, in the order of the manual.
var optionTable = [numOptions]option{
	{"ping", func(l *line, v string) error { return setPause(&l.Ping, &l.PingPause, v) }},
	{"numpings", func(l *line, v string) error {
		return hint(setInteger(&l.NumPings, v, 1, maxNumPings), v, "; to send no pings, write ping=0")
	}},
	{"payload", func(l *line, v string) error { return setInteger(&l.Payload, v, 1, maxPayload) }},
	{"trace", func(l *line, v string) error { return setPause(&l.Trace, &l.TracePause, v) }},
	{"hops", func(l *line, v string) error {
		return hint(setHops(&l.Hops, v), v, "; to trace nothing, write trace=0")
	}},
	{"scan", func(l *line, v string) error { return setPause(&l.Scan, &l.ScanPause, v) }},
	{"json", func(l *line, v string) error { return setBool(&l.JSON, v) }},
	{"timestamp", func(l *line, v string) error { return setBool(&l.Timestamp, v) }},
	{"interval", func(l *line, v string) error {
		l.intervalSet = true
		return setDuration(&l.Interval, v)
	}},
	{"timeout", func(l *line, v string) error { return setPositive(&l.Timeout, v) }},
	{"family", setFamily},
	{"source", setSource},
	{"dscp", func(l *line, v string) error { return setSmall(&l.DSCP, v, 0, maxDSCP) }},
	{"df", func(l *line, v string) error { return setBool(&l.DF, v) }},
	{"id", setID},
	{"paused", func(l *line, v string) error { return setBool(&l.Paused, v) }},
	{"details", func(l *line, v string) error { return setBool(&l.Details, v) }},
	{"mtu", func(l *line, v string) error { return setBool(&l.MTU, v) }},
	{"degraded.loss", func(l *line, v string) error { return setPercent(&l.DegradedLoss, v) }},
	{"degraded.rtt", func(l *line, v string) error { return setDuration(&l.DegradedRTT, v) }},
	{"method", setMethod},
	{"port", func(l *line, v string) error { return setSmall(&l.Port, v, 1, maxPort) }},
	{"flows", func(l *line, v string) error { return setInteger(&l.Flows, v, 1, maxFlows) }},
	{"ports", setPorts},
}

// findOption returns the index of an option in optionTable, -1 when there is
// none of that name. Case does not matter.
func findOption(name string) int {
	return slices.IndexFunc(optionTable[:], func(o option) bool { return equalFold(o.name, name) })
}

// readOptions reads the options of a line into f.current.
func (f *file) readOptions(words []word) {
	l := &f.current
	for i := 0; i < len(words); i++ {
		w := words[i]
		name, value, found := strings.Cut(w.text, "=")
		if !found || name == "" || value == "" {
			i += f.faultShape(words[i:])
			continue
		}
		valueAt := w.column + len(name) + 1
		if hasLabelPrefix(name) {
			f.readLabel(l, w, name[len(labelPrefix):], value)
			continue
		}
		f.readOption(l, w, name, value, valueAt)
	}
	if len(l.labelNames) > 0 {
		l.joinLabels()
	}
}

// readOption reads one option that is not a label.
func (f *file) readOption(l *line, w word, name, value string, valueAt int) {
	i := findOption(name)
	switch {
	case i < 0:
		f.fault(w.column, name, "unknown option, "+suggestOption(name))
	case l.columns[i] > 0:
		f.fault(w.column, name, "stands twice on the line")
	default:
		l.columns[i] = valueAt
		if err := optionTable[i].set(l, value); err != nil {
			f.fault(valueAt, name, err.Error())
		}
	}
}

// readLabel reads a label; its name is what follows "label.".
func (f *file) readLabel(l *line, w word, name, value string) {
	option := w.text[:len(labelPrefix)+len(name)]
	switch {
	case !isLabelName(name):
		f.fault(w.column, option, "the name of a label is letters, digits and _, and begins with no digit")
	case slices.Contains(l.labelNames, name):
		f.fault(w.column, option, "stands twice on the line")
	case !printable(value):
		f.fault(w.column+len(option)+1, option, quote(value)+" holds a character that cannot be printed")
	case !l.setLabel(name, value):
		f.fault(w.column, option, fmt.Sprintf("is one label too many; a target has at most %d", maxLabels))
	default:
		l.labelNames = append(l.labelNames, name)
	}
}

// faultShape records what is wrong with the first of the words, which is no
// NAME=VALUE, and returns how many of the next words belong to the same fault:
// those of a = with blanks around it.
func (f *file) faultShape(words []word) int {
	w := words[0]
	name, _, found := strings.Cut(w.text, "=")
	rest := words[1:]
	switch {
	case name == "":
		f.fault(w.column, "", quote(w.text)+" has no name; an option is NAME=VALUE without blanks around the =")
		return 0
	case !found && len(rest) > 0 && rest[0].text[0] == '=':
		f.fault(rest[0].column, name, "has a blank before the =; write NAME=VALUE without blanks")
		if rest[0].text == "=" && len(rest) > 1 && !strings.Contains(rest[1].text, "=") {
			return 2
		}
		return 1
	case found && len(rest) > 0 && !strings.Contains(rest[0].text, "="):
		f.fault(rest[0].column-1, name, "has a blank after the =; write NAME=VALUE without blanks")
		return 1
	case findOption(name) >= 0 || hasLabelPrefix(name):
		f.fault(w.column, name, "has no value; write NAME=VALUE (a # begins a comment)")
	case !found && nearestOption(name) == "":
		f.fault(w.column, "", quote(name)+" is no option; a line holds one host, and then options, NAME=VALUE")
	default:
		f.fault(w.column, name, "unknown option, "+suggestOption(name))
	}
	return 0
}

// hint adds advice to the error about a value of zero.
func hint(err error, value, advice string) error {
	if n, ok := parseInteger(value); err != nil && ok && n == 0 {
		return fmt.Errorf("%w%s", err, advice)
	}
	return err
}

// setHops takes more than 255 hops for 255: there are no more.
func setHops(p *int, v string) error {
	if err := setInteger(p, v, 1, math.MaxInt); err != nil {
		return err
	}
	*p = min(*p, maxHops)
	return nil
}

func hasLabelPrefix(name string) bool {
	return len(name) >= len(labelPrefix) && equalFold(name[:len(labelPrefix)], labelPrefix)
}

// isLabelName reports whether name is one by Prometheus' data model:
// [a-zA-Z_][a-zA-Z0-9_]*.
func isLabelName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '_' && !isLetter(c) && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != ""
}

// SPDX-License-Identifier: Apache-2.0

// Package config turns the two configuration file forms, the global form of
// eight integers and the per-host form of NAME=VALUE options, into validated
// values of vitals, and renders them for people (connmonitor --check).
//
// What Read returns needs no further validation: every number is in its range,
// every host is a usable address or a well-formed host name, every target has
// an ID of its own, and targets with equal settings share one vitals.Settings.
// What Read refuses, it refuses with the file, line and column.
//
// The room opens no file and resolves no name: the caller hands it a reader,
// and a name that does not exist is found out by resolve. Nor does it know
// which services a scan can speak to yet, or which measurements the privileges
// of the process allow.
//
// The rules for host names are those of RFC 952 and RFC 1123 section 2.1 (with
// underscores, RFC 2181 section 11), their lengths those of RFC 1035 section
// 2.3.4; zones are those of RFC 4007 section 11; the addresses of a prefix that
// are no host's are those of RFC 1122 section 3.2.1.3, RFC 3021 (/31), RFC 4291
// section 2.6.1 and RFC 6164 (/127).
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"connmonitor/internal/vitals"
)

// Limits of a configuration.
const (
	// maxTargets bounds the targets of a whole file, so that a short file of
	// large ranges cannot exhaust the memory.
	maxTargets = 1 << 22
	// maxSpan is the largest number of addresses that one line may stand for.
	maxSpan     = 1 << maxSpanBits
	maxSpanBits = 16
	// maxDuration is the longest time that an option may hold, and the longest
	// period of a burst. It leaves room to add it to any clock reading.
	maxDuration = 100 * 365 * 24 * time.Hour
)

// Config is one validated configuration.
type Config struct {
	// Form is Separate for the per-host form and Bundled for the global form.
	Form vitals.Form
	// Targets are in the order of the file. Their Settings are never nil, and
	// equal ones are the same pointer.
	Targets []vitals.Target
	// JSON tells that the global form asks for JSON records. In the per-host
	// form it is false, and each target's Settings say.
	JSON bool
	// ScanParallel is how many sockets all scans together may use, for Load; 0 is
	// the default.
	ScanParallel int
}

// Read parses a whole configuration. The name is the file's name for errors,
// "standard input" when it is none.
//
// A configuration that is readable but invalid is an *ErrorList. Any other
// error is one of r itself, and names the file. A configuration without any
// target is not an error: whether that is one depends on when it happens, so
// the caller decides. A reader that never ends a line, or never ends, costs no
// memory beyond the targets it names, and those are bounded.
func Read(r io.Reader, name string) (*Config, error) {
	return newFile(name).parse(r)
}

// readError names the file in err, unless err does so itself.
func readError(name string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return fmt.Errorf("read %s: %w", visible(name), err)
}

// file is one configuration while it is read.
type file struct {
	config   Config
	faults   faults
	number   int                // the number of the line at hand, from 1
	readLine func(words []word) // reads one line; nil until the form is known
	limit    int                // of targets
	defaults draft
	current  line // what the options of the line at hand say
	ids      map[string]use
	shared   map[vitals.Settings]*vitals.Settings
}

// use is how often an ID was asked for, and on which line first.
type use struct {
	count, line int
}

func newFile(name string) *file {
	return &file{
		faults:   faults{file: name},
		limit:    maxTargets,
		defaults: newDraft(),
		ids:      make(map[string]use),
		shared:   make(map[vitals.Settings]*vitals.Settings),
	}
}

// parse reads all lines, and returns what they mean or what is wrong.
func (f *file) parse(r io.Reader) (*Config, error) {
	if err := f.read(r); err != nil {
		return nil, readError(f.faults.file, err)
	}
	if err := f.faults.err(); err != nil {
		return nil, err
	}
	return &f.config, nil
}

// read reads all lines; its error is one of r.
func (f *file) read(r io.Reader) error {
	lines := newLines(r)
	var words []word
	for {
		text, flaw, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		f.number = lines.number
		if flaw != nil {
			f.fault(flaw.column, "", flaw.text)
		} else if words = split(words[:0], text); len(words) > 0 {
			f.take(words)
		}
		if f.readLine == nil && f.faults.any() {
			// Without its form, the rest of the file has no meaning.
			return nil
		}
	}
}

// take reads one line that holds something, recognising the form by the first.
func (f *file) take(words []word) {
	if f.readLine == nil {
		f.recognise(words)
		return
	}
	f.readLine(words)
}

// recognise tells the form by the first line: eight integers are the global
// form, and anything else is the per-host form. What is meant for the first
// line of the global form, but is not, is an error that says so.
func (f *file) recognise(words []word) {
	integers, other, options := classify(words)
	switch {
	case integers == len(words) && integers == len(header{}):
		f.config.Form, f.readLine = vitals.Bundled, f.globalLine
		f.readHeader(words)
	case integers == len(words):
		f.fault(words[0].column, "", fmt.Sprintf(
			"the first line holds nothing but integers, and %d of them: the global form begins with eight (%s), the per-host form with a host",
			integers, headerNames))
	case other != words[0] && !options:
		f.fault(other.column, "", fmt.Sprintf(
			"%s is not an integer, and the global form begins with eight integers (%s)", quote(other.text), headerNames))
	default:
		f.config.Form, f.readLine = vitals.Separate, f.hostLine
		f.hostLine(words)
	}
}

// fault records an error on the line at hand.
func (f *file) fault(column int, option, text string) {
	f.faults.add(f.number, column, option, text)
}

// add appends one target and reports whether there was room for it. A target
// whose ID is taken gets #2, #3 and so on behind it; as # begins a comment, no
// typed ID can collide with that.
func (f *file) add(t vitals.Target, column int) bool {
	if len(f.config.Targets) == f.limit {
		f.fault(column, "", fmt.Sprintf("more than %d targets in one configuration", f.limit))
		return false
	}
	u := f.ids[t.ID]
	if u.count == 0 {
		u.line = f.number
	}
	u.count++
	f.ids[t.ID] = u
	if u.count > 1 {
		t.ID = fmt.Sprintf("%s#%d", t.ID, u.count)
	}
	t.Line = f.number
	f.config.Targets = append(f.config.Targets, t)
	return true
}

// share returns the one value that stands for all settings equal to s.
func (f *file) share(s *vitals.Settings) *vitals.Settings {
	if p, ok := f.shared[*s]; ok {
		return p
	}
	p := new(vitals.Settings)
	*p = *s
	f.shared[*p] = p
	return p
}

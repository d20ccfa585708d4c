// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrors is how many errors of one file are reported in full.
const maxErrors = 20

// maxQuoted is how many bytes of the file an error repeats at most.
const maxQuoted = 64

// Error is one fault of a configuration.
type Error struct {
	// File is the file's name as it was handed to Read.
	File string
	// Line counts from 1.
	Line int
	// Column counts the bytes of the line from 1, as compilers do. A byte
	// order mark does not count.
	Column int
	// Option is the option at fault as it was typed, "" when the fault is
	// elsewhere (the host, the first line of the global form, the encoding).
	Option string
	// Text says what is wrong, and what to write instead.
	Text string
}

// Error returns FILE:LINE:COLUMN: option "OPTION": TEXT. It holds no control
// character, whatever the file held.
func (e *Error) Error() string {
	at := fmt.Sprintf("%s:%d:%d: ", visible(e.File), e.Line, e.Column)
	if e.Option != "" {
		at += "option " + quote(e.Option) + ": "
	}
	return at + e.Text
}

// ErrorList is all that is wrong with a configuration, in the order of the
// file. It is never empty.
type ErrorList struct {
	// Errors are the first 20 faults.
	Errors []*Error
	// More is how many further ones there are.
	More int
}

// Error returns one line for each error and, when there are more than it
// holds, a line "and N more".
func (l *ErrorList) Error() string {
	var b strings.Builder
	for i, e := range l.Errors {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	if l.More > 0 {
		fmt.Fprintf(&b, "\nand %d more", l.More)
	}
	return b.String()
}

// Unwrap returns the errors for errors.Is and errors.As.
func (l *ErrorList) Unwrap() []error {
	errs := make([]error, len(l.Errors))
	for i, e := range l.Errors {
		errs[i] = e
	}
	return errs
}

// faults collects the errors of one file.
type faults struct {
	file string
	list ErrorList
}

func (f *faults) add(line, column int, option, text string) {
	if len(f.list.Errors) == maxErrors {
		f.list.More++
		return
	}
	f.list.Errors = append(f.list.Errors, &Error{
		File: f.file, Line: line, Column: column, Option: strings.Clone(option), Text: text,
	})
}

// count is the number of faults so far.
func (f *faults) count() int { return len(f.list.Errors) + f.list.More }

func (f *faults) any() bool { return f.count() > 0 }

// err is nil when there are no faults.
func (f *faults) err() error {
	if !f.any() {
		return nil
	}
	return &f.list
}

// quote is s in quotes with everything unprintable escaped, cut when it is
// long.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// visible is s itself when a terminal can show it as it is, else its quoted
// form without the quotes.
func visible(s string) string {
	if printable(s) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// printable reports whether s holds only letters, marks, numbers, punctuation,
// symbols and the ASCII space: nothing that drives a terminal, hides, or
// reverses the direction of what follows.
func printable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"
)

// A flood is damped: of one kind of line so many are written in a second, and
// one more that tells how many there were besides.
const (
	linesPerWindow = 20
	logWindow      = time.Second
)

// The colours of a terminal (ECMA-48, SGR 31 and 33).
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	normal = "\x1b[0m"
)

// Log writes EE and WW lines:
//
//	EE: <Type>: <Description>:<TAB>-<TAB><ctime>
//	WW: <Warning> -<TAB><ctime>
//
// Each line is one write. What is not printable in it is escaped, so a line
// stays one line whatever it quotes. More than 20 lines of one kind within a
// second (errors of one type, warnings of one format, ends of faults) are
// damped to 20 and a last one that counts the rest. It is safe for concurrent
// use. A nil *Log discards everything.
//
// A write that blocks holds the caller. Where that must not happen, let w be an
// Output.
type Log struct {
	colour bool

	mu     sync.Mutex
	w      io.Writer
	line   []byte
	faults faults

	window time.Time // when the running second began
	kinds  map[kind]flood
	timer  *time.Timer // ends the second when lines were held back in it
}

// kind is what a flood is made of. The name is the type of an error, the format
// of a warning, or "" for the end of a fault.
type kind struct {
	warning bool
	name    string
}

// flood counts the lines of one kind in the running second.
type flood struct {
	lines int
	more  int    // of these, how many were held back
	last  string // the last that was
}

// NewLog is a log that writes to w, in colour when colour is set (see Colour).
func NewLog(w io.Writer, colour bool) *Log {
	return &Log{w: w, colour: colour, faults: newFaults(), kinds: make(map[kind]flood)}
}

// Colour reports whether lines written to f are to be coloured: f is a
// terminal, and the environment that getenv reads (os.Getenv) has no NO_COLOR,
// or an empty one (https://no-color.org).
func Colour(f *os.File, getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && isTerminal(f)
}

// isTerminal asks without f.Fd, which may turn a non-blocking file into a
// blocking one.
func isTerminal(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var yes bool
	err = conn.Control(func(fd uintptr) { yes = term.IsTerminal(int(fd)) })
	return err == nil && yes
}

// Error writes an EE line of the type typ (one word that names what is
// concerned: "Config", "Resolve", "Output").
func (l *Log) Error(typ, format string, args ...any) {
	if l == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damped(kind{name: typ}, text)
}

// Warn writes a WW line.
func (l *Log) Warn(format string, args ...any) {
	if l == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damped(kind{warning: true, name: format}, text)
}

// Flush writes at once what is still to be said about lines that were held
// back. Call it before the process ends.
func (l *Log) Flush() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextWindow(time.Now())
}

// damped writes a line, or counts it when its kind has had its share of this
// second. The caller holds l.mu, as for all that follows.
func (l *Log) damped(k kind, text string) {
	now := time.Now()
	if now.Sub(l.window) >= logWindow {
		l.nextWindow(now)
	}
	f := l.kinds[k]
	f.lines++
	if f.lines <= linesPerWindow {
		l.put(k, text, now)
	} else {
		f.more++
		f.last = text
		l.endWindow(now)
	}
	l.kinds[k] = f
}

// endWindow sees to it that the running second ends even if no line comes
// after it.
func (l *Log) endWindow(now time.Time) {
	if l.timer == nil {
		l.timer = time.AfterFunc(logWindow-now.Sub(l.window), l.Flush)
	}
}

// nextWindow sums up what the running second held back, and begins the next.
func (l *Log) nextWindow(now time.Time) {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	for _, k := range slices.SortedFunc(maps.Keys(l.kinds), compareKinds) {
		if f := l.kinds[k]; f.more > 0 {
			l.put(k, fmt.Sprintf("and %d more, the last of them: %s", f.more, f.last), now)
		}
	}
	clear(l.kinds)
	l.window = now
}

// compareKinds puts errors before warnings, and each in the order of its names.
func compareKinds(a, b kind) int {
	if a.warning != b.warning {
		if a.warning {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.name, b.name)
}

// put writes one line. That it cannot be written is not an error that could be
// told to anybody.
func (l *Log) put(k kind, text string, now time.Time) {
	l.line = appendLogLine(l.line[:0], k, text, now, l.colour)
	_, _ = l.w.Write(l.line)
}

func appendLogLine(dst []byte, k kind, text string, now time.Time, colour bool) []byte {
	if colour && k.warning {
		dst = append(dst, yellow...)
	} else if colour {
		dst = append(dst, red...)
	}
	if k.warning {
		dst = appendText(append(dst, "WW: "...), text)
		dst = append(dst, " -\t"...)
	} else {
		dst = appendText(append(dst, "EE: "...), k.name)
		dst = appendText(append(dst, ": "...), text)
		dst = append(dst, ":\t-\t"...)
	}
	dst = now.Local().AppendFormat(dst, time.ANSIC)
	if colour {
		dst = append(dst, normal...)
	}
	return append(dst, '\n')
}

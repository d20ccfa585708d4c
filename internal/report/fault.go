// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"hash/maphash"
	"time"
)

// maxFaults bounds the table of faults: room for a few of each of 100,000
// targets, in some 20 MB at most.
const maxFaults = 1 << 18

// Fault says that something which can go wrong again and again has gone wrong:
// key names the thing ("resolve example.com"), typ and text are those of Error.
// An EE line is written when the fault begins and when typ or text changes;
// otherwise the fault is only counted. So text holds nothing that differs each
// time, such as a port of ours or a duration.
//
// Beyond 262,144 faults at a time a new one is not remembered, and is written
// each time, damped as every line is.
func (l *Log) Fault(key, typ, text string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults.begin(key, typ, text) {
		l.damped(kind{name: typ}, text)
	}
}

// Clear says that the thing which key names is well. When it was at fault, a WW
// line is written, "text (after 3m12s, 212 times)"; else nothing.
func (l *Log) Clear(key, text string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.faults.end(key); ok {
		l.damped(kind{warning: true}, f.over(text))
	}
}

// Forget drops what is known of key without a line: the thing that it names is
// no more, for example a target that a reload has removed.
func (l *Log) Forget(key string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults.end(key)
}

// faults is the table of what is at fault now. Keys and texts are kept as
// hashes, so that an entry is small however long they are. That two of 262,144
// keys share a hash of 64 bits has a chance of one in 500 million.
type faults struct {
	seed  maphash.Seed
	table map[uint64]fault
}

// fault is one thing that is at fault.
type fault struct {
	text  uint64 // hash of type and text
	since time.Time
	times uint64
}

func newFaults() faults {
	return faults{seed: maphash.MakeSeed(), table: make(map[uint64]fault)}
}

// begin counts the fault, and reports whether it is news.
func (t *faults) begin(key, typ, text string) bool {
	id := maphash.String(t.seed, key)
	said := maphash.Comparable(t.seed, [2]string{typ, text})
	f, known := t.table[id]
	if !known {
		if len(t.table) >= maxFaults {
			return true
		}
		f.since = time.Now()
	}
	news := !known || f.text != said
	f.text = said
	f.times++
	t.table[id] = f
	return news
}

// end removes the fault, and reports whether there was one.
func (t *faults) end(key string) (fault, bool) {
	id := maphash.String(t.seed, key)
	f, ok := t.table[id]
	delete(t.table, id)
	return f, ok
}

// over is text with how long the fault lasted and how often it was seen.
func (f *fault) over(text string) string {
	lasted := time.Since(f.since)
	if lasted >= time.Second {
		lasted = lasted.Round(time.Second)
	} else {
		lasted = lasted.Round(time.Millisecond)
	}
	times := "times"
	if f.times == 1 {
		times = "time"
	}
	return fmt.Sprintf("%s (after %v, %d %s)", text, lasted, f.times, times)
}

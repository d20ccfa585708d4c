// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// TestBars measures, prints the tables, and does not pass when a bar is missed.
func TestBars(t *testing.T) {
	if !wanted() {
		t.Skip("measures only when asked to: make bench")
	}
	if os.Getuid() != 0 {
		t.Fatal("measuring needs root: namespaces, raw sockets, and memory for the sockets' buffers")
	}
	o, err := readOptions(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(netlab.RequireEnv, "1")
	selected := choose(o)
	h := newHarness(t, o)
	found, failed := h.measureAll(selected)
	doc := document{options: o, found: found, failed: failed, chosen: selected, dir: h.dir}
	for _, s := range doc.sections() {
		fmt.Printf("\n%s: %s", s.name, s.text)
	}
	if o.write {
		if err := writeDocument(documentPath, doc.sections()); err != nil {
			t.Error(err)
		}
	}
	for _, name := range doc.missed() {
		if o.report {
			t.Logf("MISSED: %s (BENCH_REPORT: only reported)", name)
		} else {
			t.Errorf("MISSED: %s", name)
		}
	}
}

// selection is what BENCH_ONLY has left.
type selection struct {
	bars       []bar
	rivals     []rival
	contests   []contest
	contenders []contender
}

// choose takes the rows by name, and the contenders that they need.
func choose(o options) selection {
	var s selection
	needed := make(map[string]bool)
	for _, b := range bars {
		if o.only.MatchString(b.name) {
			s.bars = append(s.bars, b)
			needed[b.ours], needed[b.against] = true, true
		}
	}
	for _, r := range rivalRows() {
		if o.only.MatchString(r.name()) {
			s.rivals = append(s.rivals, r)
			for _, program := range []string{r.program, us} {
				needed[costOf(program, r.load)], needed[errorOf(program, r.load)] = true, true
			}
		}
	}
	for _, c := range contests() {
		c.matches = slices.DeleteFunc(c.matches, func(m match) bool { return !o.only.MatchString(m.name) })
		for name := range c.contenders() {
			needed[name] = true
		}
		if len(c.matches) > 0 {
			s.contests = append(s.contests, c)
		}
	}
	for _, c := range contenders() {
		if needed[c.name] {
			s.contenders = append(s.contenders, c)
		}
	}
	return s
}

// measureAll goes through the contenders as often as asked for, so that what
// disturbs the machine for a while disturbs all of them. It returns what was
// found, and what went wrong, of each.
func (h *harness) measureAll(s selection) (series, map[string]error) {
	found, failed := make(series), make(map[string]error)
	for run := range h.o.runs {
		for _, c := range s.contenders {
			if c.once && run > 0 {
				continue
			}
			begun := time.Now()
			all, err := c.measure(h)
			if err != nil {
				failed[c.name] = err
				fmt.Printf("run %d of %d: %s: %v\n", run+1, h.o.runs, c.name, err)
				continue
			}
			for _, f := range all {
				found.add(c.name, f)
				fmt.Printf("run %d of %d: %s: %s (%.0f s)\n", run+1, h.o.runs, c.name, f.describe(), time.Since(begun).Seconds())
			}
		}
	}
	return found, failed
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// oneLine is an error's text for a table.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "|", "/")), " ")
}

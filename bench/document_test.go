// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// rival is a row of the comparison with peers: a program at a load.
type rival struct {
	program string
	load    load
}

func (r rival) name() string { return "peer " + costOf(r.program, r.load) }

// rivalRows are the rows by load: connmonitor, then the peers that do it.
func rivalRows() []rival {
	var rows []rival
	for _, l := range []load{thousand, tenThousand, oneAtOnce, twentyAtOnce, hundredAtOnce} {
		rows = append(rows, rival{us, l})
		for _, p := range peers {
			for _, at := range p.at() {
				if at == l {
					rows = append(rows, rival{p.name, l})
				}
			}
		}
	}
	return rows
}

// document is what a run comes to.
type document struct {
	options options
	found   series
	failed  map[string]error
	chosen  selection
	dir     string // of the run, which is not to be named
}

// section is a part of the document that is written by itself, so that a run
// of some rows leaves the others' as they were.
type section struct{ name, text string }

// sections are those of which something was to be measured.
func (d document) sections() []section {
	var list []section
	add := func(name string, head []string, rows [][]string, of func(contender) bool) {
		if len(rows) == 0 {
			return
		}
		text := fmt.Sprintf("%s. Medians of %d runs, windows of %v (idle %v, memory %v); in brackets the least and the most.\n\n",
			machine(), d.options.runs, d.options.window, d.options.idle, d.options.growth)
		list = append(list, section{name, text + markdown(head, rows) + d.notes(of)})
	}
	ofBars, ofRivals := make(map[string]bool), make(map[string]bool)
	for _, b := range d.chosen.bars {
		ofBars[b.ours], ofBars[b.against] = true, true
	}
	for _, r := range d.chosen.rivals {
		for _, program := range []string{r.program, us} {
			ofRivals[costOf(program, r.load)], ofRivals[errorOf(program, r.load)] = true, true
		}
	}
	add("bars", []string{"work", "bar", "connmonitor", "floor", "ratio", "verdict"}, d.barRows(), func(c contender) bool { return ofBars[c.name] })
	add("peers", []string{"load", "program", "CPU us/echo", "answered %", "median error us", "p99 error us", "RSS MB", "connmonitor is ahead in"},
		d.rivalCells(), func(c contender) bool { return ofRivals[c.name] })
	for _, c := range d.chosen.contests {
		list = append(list, d.contestSection(c))
	}
	return list
}

// notes say by which commands something was measured, and what went wrong.
func (d document) notes(of func(contender) bool) string {
	return "\n" + markdown([]string{"measured", "command"}, d.commandRows(of)) + d.failures(of)
}

// failures lists what went wrong.
func (d document) failures(of func(contender) bool) string {
	var b strings.Builder
	for _, c := range d.chosen.contenders {
		if err, ok := d.failed[c.name]; ok && of(c) {
			fmt.Fprintf(&b, "- not measured, or not each time: %s: %s\n", c.name, strings.ReplaceAll(oneLine(err), d.dir, "."))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n" + b.String()
}

func (d document) barRows() [][]string {
	var rows [][]string
	for _, b := range d.chosen.bars {
		l := b.judge(d.found)
		rows = append(rows, []string{l.work, l.bar, l.ours, l.against, l.ratio, string(l.verdict)})
	}
	return rows
}

func (d document) rivalCells() [][]string {
	var rows [][]string
	for _, r := range d.chosen.rivals {
		cost, errs := d.found[costOf(r.program, r.load)], d.found[errorOf(r.program, r.load)]
		rows = append(rows, []string{
			r.load.String(), r.program, spread(cost[cpuPerEcho], 2), number(median(cost[answered]), 1),
			spread(errs[medianError], 1), spread(errs[tailError], 1), number(median(cost[residentMB]), 1), d.ahead(r),
		})
	}
	return rows
}

// standing says in which figures we are ahead of another program, and in which
// we are not.
type standing struct{ ahead, behind []string }

// note compares a figure of which less is better.
func (s *standing) note(name string, ours, theirs float64) {
	switch {
	case ours < theirs:
		s.ahead = append(s.ahead, name)
	case ours >= theirs: // neither when one was not measured
		s.behind = append(s.behind, name)
	}
}

func (s standing) String() string {
	text := strings.Join(s.ahead, ", ")
	if len(s.behind) > 0 {
		text = strings.TrimPrefix(text+"; ", "; ") + "MISSED: " + strings.Join(s.behind, ", ")
	}
	return text
}

// duels are the figures in which connmonitor is to be ahead of each peer.
func (d document) duels(r rival) (s standing) {
	for _, duel := range []struct {
		of           func(string, load) string
		metric, name string
	}{
		{costOf, cpuPerEcho, "CPU"}, {errorOf, medianError, "median error"}, {errorOf, tailError, "p99 error"},
	} {
		s.note(duel.name, median(d.found[duel.of(us, r.load)][duel.metric]), median(d.found[duel.of(r.program, r.load)][duel.metric]))
	}
	return s
}

func (d document) ahead(r rival) string {
	if r.program == us {
		return ""
	}
	return d.duels(r).String()
}

// commandRows has one row for what is done by the same command.
func (d document) commandRows(of func(contender) bool) [][]string {
	var rows [][]string
	byCommand := make(map[string]int)
	for _, c := range d.chosen.contenders {
		if !of(c) {
			continue
		}
		if i, ok := byCommand[c.shown]; ok {
			rows[i][0], _, _ = strings.Cut(rows[i][0], ",")
			continue
		}
		byCommand[c.shown] = len(rows)
		rows = append(rows, []string{c.name, "`" + c.shown + "`"})
	}
	return rows
}

// missed names the bars that were not met, the unmeasured among them.
func (d document) missed() []string {
	var names []string
	for _, b := range d.chosen.bars {
		if v := b.judge(d.found).verdict; v != met {
			names = append(names, fmt.Sprintf("%s (%s)", b.name, v))
		}
	}
	for _, r := range d.chosen.rivals {
		if s := d.duels(r); r.program != us && len(s.behind) > 0 && !d.burst(r) {
			names = append(names, r.name()+": "+strings.Join(s.behind, ", "))
		}
	}
	for _, c := range d.chosen.contests {
		for _, m := range c.matches {
			names = append(names, m.missed(d.found)...)
		}
	}
	return names
}

// burst reports whether a program sends a second's requests all at once, which
// is cheap and no comparison; it is compared at equal spacing instead.
func (document) burst(r rival) bool {
	return r.program == "hipercontracer" && r.load.interval >= startInterval/10
}

// machine says what was measured on, and nothing that names it.
func machine() string {
	var name unix.Utsname
	kernel := "Linux"
	if unix.Uname(&name) == nil {
		kernel += " " + regexp.MustCompile(`^\d+\.\d+`).FindString(unix.ByteSliceToString(name.Release[:]))
	}
	return fmt.Sprintf("%d CPUs (%s), %s, %s", runtime.NumCPU(), processor(), kernel, runtime.Version())
}

// processor is the model of the CPUs.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if match := regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`).FindSubmatch(text); match != nil {
		return string(match[1])
	}
	return runtime.GOARCH
}

// documentPath is where the tables are kept, from this folder.
const documentPath = "../docs/performance.md"

// splice puts text between the marks of a section of a document.
func splice(doc string, s section) (string, error) {
	begin, end := "<!-- bench: "+s.name+" -->\n", "<!-- bench: end of "+s.name+" -->\n"
	before, rest, begun := strings.Cut(doc, begin)
	_, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		return "", fmt.Errorf("no lines %q and %q, in this order", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + "\n" + strings.TrimSpace(s.text) + "\n\n" + end + after, nil
}

func writeDocument(path string, sections []section) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	doc := string(text)
	for _, s := range sections {
		if doc, err = splice(doc, s); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(doc), 0o644)
}

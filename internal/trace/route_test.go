// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/trace"
	"connmonitor/internal/vitals"
)

var update = flag.Bool("update", false, "rewrite what the scenarios expect")

// variant is one way to play a scenario.
type variant struct {
	name   string
	method vitals.Method
	v6     bool
}

var variants = []variant{
	{"icmp/4", vitals.MethodICMP, false},
	{"icmp/6", vitals.MethodICMP, true},
	{"udp/4", vitals.MethodUDP, false},
	{"udp/6", vitals.MethodUDP, true},
	{"tcp/4", vitals.MethodTCP, false},
	{"tcp/6", vitals.MethodTCP, true},
}

// TestRoutes plays each of testdata/*.route by every method in both families, and
// compares what the traces show with what the file says behind "want". Such a file
// is of the statements of simnet.Net.Apply, in which R1 to R40 are routers and H1,
// H2 ... hosts, and these:
//
//	trace H9 [flows N] [hops N] [pause D] [timeout D]
//	                         what is traced, from the beginning
//	run D                    traces until then; want follows
//	want [METHOD/FAMILY...]  of these ways to play it, or of all: by TTL what all
//	                         traces since the run before have shown, what is crossed
//	                         by turns, how they ended, and each change
//
// What a hop shows is its address and RTT; by the answer the mark of an error
// (traceroute's), "expired" from the destination, ttl= what was left of the probe's
// where that is not 1, to= whom it was for by then, mpls= LABEL/CLASS/TTL of the
// stack, with S at its bottom; and "shared" where it is another target's answer.
func TestRoutes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.route")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".route"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := parsePlay(t, string(text))
			got := make([][]string, len(p.acts))
			for _, v := range variants {
				for i, shown := range p.show(t, v) {
					got[i] = append(got[i], shown)
				}
			}
			p.compare(t, file, got)
		})
	}
}

// play is a scenario file.
type play struct {
	plan trace.Plan
	to   string
	acts []act
	tail string // what stands behind the last act
}

// act is what happens until the end of a run.
type act struct {
	text  string // as it stands in the file, the run included
	net   string // the statements for simnet
	lasts time.Duration
	want  string // as it stands in the file
}

func parsePlay(t *testing.T, text string) *play {
	t.Helper()
	p := &play{plan: plan()}
	var a act
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.SplitN(line, "#", 2)[0])
		wants := len(p.acts) > 0 && a.text == "" // what was run is being told
		switch {
		case wants && len(words) > 0 && (words[0] == "want" || line[0] == '\t'):
			p.acts[len(p.acts)-1].want += line
			continue
		case len(words) == 2 && words[0] == "run":
			a.text, a.lasts = a.text+line, duration(t, words[1])
			p.acts, a = append(p.acts, a), act{}
			continue
		case len(words) > 1 && words[0] == "trace":
			p.to = words[1]
			p.set(t, words[2:])
		case len(words) > 0:
			a.net += line
		}
		a.text += line
	}
	if p.tail = a.text; a.net != "" || p.to == "" || len(p.acts) == 0 {
		t.Fatalf("nothing is traced, or nothing run, in the end: %q", a.net)
	}
	return p
}

func duration(t *testing.T, word string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(word)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// set reads the options of a trace.
func (p *play) set(t *testing.T, options []string) {
	t.Helper()
	for o := range slices.Chunk(options, 2) {
		switch {
		case len(o) < 2:
			t.Fatalf("trace: %q is of what?", o)
		case o[0] == "pause":
			p.plan.Pause = duration(t, o[1])
		case o[0] == "timeout":
			p.plan.Timeout = duration(t, o[1])
		default:
			n, err := strconv.Atoi(o[1])
			field := map[string]*int{"flows": &p.plan.Flows, "hops": &p.plan.Hops}[o[0]]
			if err != nil || field == nil {
				t.Fatalf("trace: %q", o)
			}
			*field = n
		}
	}
}

// show plays one way and tells what each act has shown.
func (p *play) show(t *testing.T, v variant) (all []string) {
	t.Helper()
	names := actorsOf(v.v6)
	traced := p.plan
	traced.Method = v.method
	inLab(t, prober.Options{IPv6: v.v6}, routers(40)+names.expand(p.acts[0].net), func(b *lab) {
		b.add(1, names.expand(p.to), traced)
		seen := 0
		for i, a := range p.acts {
			if i > 0 {
				b.Apply(names.expand(a.net))
			}
			time.Sleep(a.lasts)
			rs := b.of(1)
			if len(rs) == seen {
				t.Fatalf("%s: no trace within %v", v.name, a.lasts)
			}
			all = append(all, names.picture(rs[seen:], seen == 0, traced.Flows > 1))
			seen = len(rs)
		}
	})
	return all
}

// compare compares the file with what it would say had all been expected.
func (p *play) compare(t *testing.T, file string, got [][]string) {
	t.Helper()
	var whole strings.Builder
	for i, a := range p.acts {
		told := tell(got[i])
		if told != a.want && !*update {
			t.Errorf("%s, after %s\ngot\n%swant\n%s", file, a.text, told, a.want)
		}
		whole.WriteString(a.text + told)
	}
	if *update {
		if err := os.WriteFile(file, []byte(whole.String()+p.tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tell writes what was shown as a file has it: once for all ways that show the
// same.
func tell(shown []string) string {
	var s strings.Builder
	for i, what := range shown {
		if slices.Contains(shown[:i], what) {
			continue
		}
		s.WriteString("want")
		for k, other := range shown {
			if other == what && slices.ContainsFunc(shown, func(x string) bool { return x != what }) {
				s.WriteString(" " + variants[k].name)
			}
		}
		s.WriteString("\n" + what)
	}
	return s.String()
}

// actors are the addresses behind the names of a scenario.
type actors struct{ router, routers, hosts string }

func actorsOf(v6 bool) actors {
	if v6 {
		return actors{"s", "2001:db8:1::", "2001:db8::"}
	}
	return actors{"r", "10.1.0.", "10.0.0."}
}

var (
	newRouter = regexp.MustCompile(`\brouter R(\d+)`)
	oldRouter = regexp.MustCompile(`\bR(\d+)`)
	anyHost   = regexp.MustCompile(`\bH(\d+)`)
)

func (c actors) expand(s string) string {
	s = newRouter.ReplaceAllString(s, "router "+c.router+"$1 "+c.routers+"$1")
	s = oldRouter.ReplaceAllString(s, c.router+"$1")
	return anyHost.ReplaceAllString(s, c.hosts+"$1")
}

// natural is an order in which R2 comes before R10.
func natural(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestScenarios reads what hops answer from testdata/*.onset and compares the
// finding with the golden file of the same name.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.onset")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".onset")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			traces, err := parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".onset")+".want", describe(Find(traces)))
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", file, got, want)
	}
}

// describe is a finding with all its figures.
func describe(f Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\ntraces %d of %d, destination %d, last %d, loss %v, shift %v\n",
		f, f.Traces, f.Given, f.Destination, f.Last, f.Loss, f.Shift)
	for k := range f.Hops {
		h := &f.Hops[k]
		fmt.Fprintf(&b, "%d %v lost %d/%d", k+1, h.Addr, h.Lost, h.Known)
		if h.Limited {
			b.WriteString(" limited")
		}
		if h.Slow {
			b.WriteString(" slow")
		}
		if h.Balanced {
			b.WriteString(" balanced")
		}
		if h.Base > 0 {
			fmt.Fprintf(&b, " %v to %v", h.Base.Round(10*time.Microsecond), h.Recent.Round(10*time.Microsecond))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// parse reads a scenario: blocks of traces, the oldest first. A line is one of
//
//	traces N [end reached|unreachable|hops]
//	hop ADDR[,ADDR...] [loss PERCENT] [rtt MS] [sent N] [retry N] [unknown N] [shared]
//	hop silent [times N]
//	# comment
//
// The hops of a block follow each other. Several addresses take turns. loss is
// what the hop shows, spread evenly; a trace in which the last hop is lost does
// not reach the destination. retry is how often a silent hop is asked.
func parse(text string) ([]vitals.Path, error) {
	var blocks []*block
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "traces" {
			blocks = append(blocks, &block{})
		}
		if len(blocks) == 0 {
			return nil, fmt.Errorf("line %d: traces expected", n+1)
		}
		if err := blocks[len(blocks)-1].line(words); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	var traces []vitals.Path
	for _, b := range blocks {
		for range b.traces {
			traces = append(traces, b.path(len(traces)))
		}
	}
	return traces, nil
}

type block struct {
	traces int
	end    vitals.End
	hops   []behaviour
}

// behaviour is what one hop of a block does.
type behaviour struct {
	addrs                []netip.Addr
	loss, rtt            float64
	sent, retry, unknown uint8
	shared               bool
}

func (b *block) line(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("%s: a value is missing", words[0])
	}
	if words[0] == "traces" {
		b.end = map[string]vitals.End{"reached": vitals.EndReached, "unreachable": vitals.EndUnreachable, "hops": vitals.EndHops}[words[len(words)-1]]
		if len(words) == 2 {
			b.end = vitals.EndReached
		}
		n, err := strconv.Atoi(words[1])
		b.traces = n
		return err
	}
	h, times := behaviour{sent: 1, rtt: float64(len(b.hops) + 1)}, 1
	if words[1] != "silent" {
		for word := range strings.SplitSeq(words[1], ",") {
			addr, err := netip.ParseAddr(word)
			if err != nil {
				return err
			}
			h.addrs = append(h.addrs, addr)
		}
	}
	for i := 2; i < len(words); i++ {
		if words[i] == "shared" {
			h.shared = true
			continue
		}
		if i+1 == len(words) {
			return fmt.Errorf("%s: a value is missing", words[i])
		}
		v, err := strconv.ParseFloat(words[i+1], 64)
		if err != nil {
			return err
		}
		switch words[i] {
		case "loss":
			h.loss = v / 100
		case "rtt":
			h.rtt = v
		case "sent":
			h.sent = uint8(v)
		case "retry":
			h.retry = uint8(v)
		case "unknown":
			h.unknown = uint8(v)
		case "times":
			times = int(v)
		default:
			return fmt.Errorf("%s: no such word", words[i])
		}
		i++
	}
	for range times {
		b.hops = append(b.hops, h)
	}
	return nil
}

func (b *block) path(i int) vitals.Path {
	p := vitals.Path{Hops: make([]vitals.Hop, len(b.hops)), End: b.end}
	for k := range b.hops {
		p.Hops[k] = b.hops[k].hop(i, k)
	}
	if p.End == vitals.EndReached && p.Hops[len(p.Hops)-1].Silent() {
		p.End = vitals.EndHops
	}
	return p
}

// hop plays one hop of trace i: losses are spread evenly, each hop's at other
// traces, and RTTs differ by a few hundredths.
func (h *behaviour) hop(i, k int) vitals.Hop {
	if h.shared {
		return vitals.Hop{Addr: h.addrs[0], RTT: time.Duration(h.rtt * 1e6), Shared: true}
	}
	got := vitals.Hop{Sent: h.sent, Unknown: h.unknown}
	for n := range int(h.sent - h.unknown) {
		// Conversions keep arm64 from fusing the operations, which rounds otherwise.
		x := float64(float64(i*int(h.sent)+n)*h.loss) + float64(float64(k)*0.37)
		if len(h.addrs) > 0 && int(x+h.loss) == int(x) {
			got.Received++
		}
	}
	if got.Received == 0 {
		got.Sent = max(got.Sent, h.retry)
		return got
	}
	got.Addr = h.addrs[i%len(h.addrs)]
	got.RTT = time.Duration((h.rtt + float64(0.02*float64((i*7+k*3)%5))) * 1e6)
	return got
}

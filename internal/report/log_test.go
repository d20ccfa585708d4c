// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink keeps what each Write was given.
type sink struct {
	mu     sync.Mutex
	writes []string
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

// taken returns the writes since the last call.
func (s *sink) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writes
	s.writes = nil
	return w
}

// stripped is the lines without their times.
func stripped(lines []string) []string {
	for i, line := range lines {
		body, _, ok := strings.Cut(line, "\t-\t")
		if !ok {
			body, _, _ = strings.Cut(line, " -\t")
		}
		lines[i] = strings.TrimSuffix(body, ":")
	}
	return lines
}

func wantLines(t *testing.T, s *sink, want ...string) {
	t.Helper()
	if got := stripped(s.taken()); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestLogLines holds the form of the lines; in the bubble it is midnight of
// January 1st, 2000 UTC.
func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		log := NewLog(&s, false)
		log.Error("Resolve", "%s: no such host", "a.example")
		log.Warn("running as %s", "root")
		log.Error("Config", "x.conf:3: bad\ny.conf\x1b[2J\tz\u202e")
		NewLog(&s, true).Error("Output", "closed")
		NewLog(&s, true).Warn("slow")
		golden(t, "log", []byte(strings.Join(s.taken(), "")))
	})
}

func TestLogLineIsOneWrite(t *testing.T) {
	var s sink
	log := NewLog(&s, false)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { log.Error("Test", "line %d", i) })
	}
	wg.Wait()
	got := s.taken()
	if len(got) != 20 {
		t.Fatalf("%d writes", len(got))
	}
	for _, line := range got {
		if strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "EE: Test: line ") || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q", line)
		}
	}
}

func TestFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		log := NewLog(&s, false)
		log.Clear("a", "never was at fault")
		wantLines(t, &s)

		for range 3 {
			log.Fault("a", "Resolve", "a: time-out")
			time.Sleep(time.Minute)
		}
		wantLines(t, &s, "EE: Resolve: a: time-out")
		log.Fault("a", "Resolve", "a: no such host")
		log.Fault("b", "Resolve", "b: no such host")
		wantLines(t, &s, "EE: Resolve: a: no such host", "EE: Resolve: b: no such host")
		time.Sleep(12*time.Second + 3*time.Millisecond)

		log.Clear("a", "a: resolves again")
		log.Clear("a", "a: resolves again")
		wantLines(t, &s, "WW: a: resolves again (after 3m12s, 4 times)")
		log.Forget("b")
		log.Clear("b", "b: resolves again")
		wantLines(t, &s)
		log.Fault("b", "Resolve", "b: no such host")
		log.Clear("b", "b: resolves again")
		wantLines(t, &s, "EE: Resolve: b: no such host", "WW: b: resolves again (after 0s, 1 time)")
	})
}

// TestFlood: 100,000 names that do not resolve are 20 lines and their number,
// and hide nothing of another kind.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets = 100_000
		var s sink
		log := NewLog(&s, false)
		for i := range targets {
			log.Fault(fmt.Sprint("resolve ", i), "Resolve", fmt.Sprintf("h%d: no such host", i))
		}
		log.Error("Output", "closed")
		log.Warn("something else")
		if got := len(s.taken()); got != 20+2 {
			t.Errorf("%d lines", got)
		}
		time.Sleep(logWindow)
		synctest.Wait()
		wantLines(t, &s, "EE: Resolve: and 99980 more, the last of them: h99999: no such host")

		for i := range targets {
			log.Fault(fmt.Sprint("resolve ", i), "Resolve", fmt.Sprintf("h%d: no such host", i))
		}
		wantLines(t, &s)

		for i := range targets {
			log.Clear(fmt.Sprint("resolve ", i), fmt.Sprintf("h%d: resolves again", i))
		}
		if got := len(s.taken()); got != 20 {
			t.Errorf("%d lines", got)
		}
		log.Flush()
		wantLines(t, &s, "WW: and 99980 more, the last of them: h99999: resolves again (after 1s, 2 times)")
		log.Flush()
		wantLines(t, &s)
	})
}

// TestFloodGoesOn: each second has its lines, and each line is counted once.
func TestFloodGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		log := NewLog(&s, false)
		for i := range 300 {
			log.Error("Send", "no buffer space, packet %d", i)
			time.Sleep(10 * time.Millisecond)
		}
		log.Flush()
		said := 0
		for _, line := range stripped(s.taken()) {
			var more int
			if n, _ := fmt.Sscanf(line, "EE: Send: and %d more", &more); n == 1 {
				said += more
			} else {
				said++
			}
		}
		if said != 300 {
			t.Errorf("%d of 300 lines accounted for", said)
		}
	})
}

func TestFaultTableIsBounded(t *testing.T) {
	log := NewLog(&sink{}, false)
	for i := range uint64(maxFaults) {
		log.faults.table[i] = fault{}
	}
	for range 2 {
		if !log.faults.begin("one more", "Test", "text") {
			t.Error("a fault that is not remembered was not said")
		}
	}
	if n := len(log.faults.table); n > maxFaults {
		t.Errorf("%d faults", n)
	}
}

func TestNilLog(*testing.T) {
	var log *Log
	log.Error("Test", "x")
	log.Warn("x")
	log.Fault("k", "Test", "x")
	log.Clear("k", "x")
	log.Forget("k")
	log.Flush()
}

func TestColour(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal to ask: %v", err)
	}
	defer shut(t, terminal)
	plain, err := os.Create(t.TempDir() + "/err")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, plain)
	env := func(noColor string) func(string) string {
		return func(name string) string {
			if name == "NO_COLOR" {
				return noColor
			}
			return ""
		}
	}
	for _, c := range []struct {
		file    *os.File
		noColor string
		want    bool
	}{{terminal, "", true}, {terminal, "0", false}, {plain, "", false}} {
		if got := Colour(c.file, env(c.noColor)); got != c.want {
			t.Errorf("%s, NO_COLOR=%q: %v", c.file.Name(), c.noColor, got)
		}
	}
}

// FuzzLog looks for a line or a control character too many.
func FuzzLog(f *testing.F) {
	f.Add("Resolve", "a\nEE: forged:\t-\t\x1b[2J", true)
	f.Fuzz(func(t *testing.T, typ, text string, warning bool) {
		got := appendLogLine(nil, kind{warning: warning, name: typ}, text, when, false)
		if bytes.Count(got, []byte("\n")) != 1 || got[len(got)-1] != '\n' {
			t.Fatalf("not one line: %q", got)
		}
		checkPrintable(t, got, "\t\n")
		want := 2
		if warning {
			want = 1
		}
		if n := bytes.Count(got, []byte("\t")); n != want {
			t.Fatalf("%d tabs: %q", n, got)
		}
	})
}

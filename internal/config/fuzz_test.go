// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"connmonitor/internal/vitals"
)

// FuzzRead reads arbitrary bytes: it never panics, what it accepts holds the
// promises of the package, and what it refuses it refuses with a place.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.conf", "testdata/bad/*.conf"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// Read with fewer targets: large ranges are slow, and nothing new.
		file := newFile("fuzz.conf")
		file.limit = 2000
		c, err := file.parse(bytes.NewReader(b))
		if err != nil {
			checkErrors(t, err)
			return
		}
		checkInvariants(t, c)
		var table strings.Builder
		if err := c.Table(&table); err != nil {
			t.Fatal(err)
		}
		checkPrintable(t, table.String())
	})
}

// checkErrors checks that err is an ErrorList whose errors all have a place,
// and nothing that could drive a terminal.
func checkErrors(t *testing.T, err error) {
	t.Helper()
	list, ok := errors.AsType[*ErrorList](err)
	if !ok || len(list.Errors) == 0 || len(list.Errors) > maxErrors {
		t.Fatalf("no list of errors: %v", err)
	}
	line := 0
	for _, e := range list.Errors {
		if e.Line < 1 || e.Column < 1 || e.Text == "" || e.Line < line {
			t.Errorf("no place, no text or no order: %+v", e)
		}
		if len(e.Error()) > 1024 {
			t.Errorf("an error of %d bytes", len(e.Error()))
		}
		line = e.Line
	}
	checkPrintable(t, err.Error())
}

func checkPrintable(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("not UTF-8: %q", s)
	}
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q in %q", r, s)
			return
		}
	}
}

// checkInvariants checks what the package promises of a configuration.
func checkInvariants(t *testing.T, c *Config) {
	t.Helper()
	ids := make(map[string]bool)
	shared := make(map[vitals.Settings]*vitals.Settings)
	line := 1
	for i := range c.Targets {
		g := &c.Targets[i]
		if g.Settings == nil {
			t.Fatalf("%q has no settings", g.ID)
		}
		if ids[g.ID] || g.ID == "" || g.Name == "" || g.Line < line {
			t.Errorf("ID, name or line: %+v", g)
		}
		ids[g.ID], line = true, g.Line
		if g.Addr.IsValid() && (checkAddr(g.Addr) != nil || g.Addr.Is4In6()) {
			t.Errorf("address: %+v", g)
		}
		if g.Addr.IsValid() && g.Family != vitals.FamilyAny && g.Family != familyOf(g.Addr) {
			t.Errorf("family: %+v", g)
		}
		if !g.Addr.IsValid() && checkName(g.Name) != nil {
			t.Errorf("name: %+v", g)
		}
		if p, ok := shared[*g.Settings]; ok && p != g.Settings {
			t.Errorf("equal settings are not shared: %+v", g)
		} else if !ok {
			shared[*g.Settings] = g.Settings
			checkSettings(t, c, g.Settings)
		}
	}
	checkLoad(t, c)
}

func checkSettings(t *testing.T, c *Config, s *vitals.Settings) {
	t.Helper()
	checks := map[string]bool{
		"form":      s.Form == c.Form,
		"json":      c.Form == vitals.Separate && !c.JSON || s.JSON == c.JSON,
		"timestamp": c.Form == vitals.Separate || !s.Timestamp,
		"numpings":  1 <= s.NumPings && s.NumPings <= 65535,
		"payload":   1 <= s.Payload && s.Payload <= 65507,
		"hops":      1 <= s.Hops && s.Hops <= 255,
		"flows":     1 <= s.Flows && s.Flows <= 64,
		"dscp":      s.DSCP <= 63,
		"family":    s.Family == 0 || s.Family == 4 || s.Family == 6,
		"method":    s.Method <= vitals.MethodTCP,
		"timeout":   0 < s.Timeout && s.Timeout <= maxDuration,
		"interval":  0 <= s.Interval && s.Interval <= maxDuration,
		"sleep":     0 <= s.Sleep && s.Sleep <= maxDuration,
		"ping":      c.Form == vitals.Bundled || s.Ping == (s.PingPause > 0),
		"trace":     c.Form == vitals.Bundled || s.Trace == (s.TracePause > 0),
		"scan":      c.Form == vitals.Bundled || s.Scan == (s.ScanPause > 0),
		"period":    0 <= s.BurstPeriod() && s.BurstPeriod() <= maxDuration,
		"loss":      0 <= s.DegradedLoss && s.DegradedLoss <= 100,
		"rtt":       0 <= s.DegradedRTT && s.DegradedRTT <= maxDuration,
		"ports":     s.Ports != defaultPorts && costOf(s.Ports, s.Timeout).Ports > 0,
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func checkLoad(t *testing.T, c *Config) {
	t.Helper()
	l := c.Load()
	for _, v := range []float64{l.Probes, l.Pings, l.TraceProbes, l.Records, l.Connections} {
		if !(v >= 0 && v < 1e300) {
			t.Errorf("load: %+v", l)
		}
	}
	if l.Memory < memoryBase || l.Targets > len(c.Targets) {
		t.Errorf("load: %+v", l)
	}
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGood holds the table of every good configuration against its golden
// file.
func TestGood(t *testing.T) {
	for _, path := range glob(t, "testdata/good/*.conf") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, err := readFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			checkInvariants(t, c)
			var b bytes.Buffer
			if err := c.Table(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".conf")+".table", b.String())
		})
	}
}

// TestBad holds the errors of every bad configuration, which is named for its
// fault, against the file beside it.
func TestBad(t *testing.T) {
	for _, path := range glob(t, "testdata/bad/*.conf") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, err := readFile(t, path)
			if err == nil {
				t.Fatalf("accepted, with %d targets", len(c.Targets))
			}
			if c != nil {
				t.Error("a configuration comes with the error")
			}
			checkErrors(t, err)
			golden(t, strings.TrimSuffix(path, ".conf")+".err", err.Error()+"\n")
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	return paths
}

// readFile reads a configuration under its bare name, so that errors are the
// same everywhere.
func readFile(t *testing.T, path string) (*Config, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	return Read(f, filepath.Base(path))
}

// golden compares got with the file at path, or writes it there.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // golden files are for all to read
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

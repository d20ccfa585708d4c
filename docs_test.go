// SPDX-License-Identifier: Apache-2.0

package connmonitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"connmonitor/internal/config"
)

// configurationsOfMarkdown returns the fenced blocks of a document that are
// marked as configurations.
func configurationsOfMarkdown(text string) []string {
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^```conf\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// configurationsOfMan returns the literal displays of a man page that the
// comment `.\" conf` marks as configurations, without the escapes of mdoc.
func configurationsOfMan(text string) []string {
	var blocks []string
	for _, match := range regexp.MustCompile(`(?ms)^\.\\" conf\n\.Bd [^\n]*\n(.*?)^\.Ed$`).FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "").Replace(match[1]))
	}
	return blocks
}

// TestDocumentedConfigurations reads every configuration that the documents
// show as a user would who copied it.
func TestDocumentedConfigurations(t *testing.T) {
	documents := []struct {
		path    string
		extract func(string) []string
		least   int // how many there are, so that a broken mark is noticed
	}{
		{"README.md", configurationsOfMarkdown, 3},
		{"packaging/man/connmonitor.conf.5", configurationsOfMan, 4},
	}
	for _, document := range documents {
		blocks := document.extract(readFile(t, document.path))
		if len(blocks) < document.least {
			t.Errorf("%s: %d configurations found, want at least %d", document.path, len(blocks), document.least)
		}
		for i, block := range blocks {
			wantValid(t, fmt.Sprintf("%s, configuration %d", document.path, i+1), block)
		}
	}
}

func TestExampleFiles(t *testing.T) {
	paths, err := filepath.Glob("examples/*.conf")
	if err != nil || len(paths) == 0 {
		t.Fatalf("examples: %d configurations, %v", len(paths), err)
	}
	for _, path := range paths {
		wantValid(t, path, readFile(t, path))
	}
}

func wantValid(t *testing.T, name, text string) {
	t.Helper()
	read, err := config.Read(strings.NewReader(text), name)
	if err != nil {
		t.Errorf("%v\nin:\n%s", err, text)
		return
	}
	if len(read.Targets) == 0 {
		t.Errorf("%s: names no target:\n%s", name, text)
	}
}

// TestReadmeFirstScreen holds the README to its promise: what it is and two
// commands, before anything else.
func TestReadmeFirstScreen(t *testing.T) {
	screen := strings.Join(strings.SplitN(readFile(t, "README.md"), "\n", 25)[:24], "\n")
	for _, command := range []string{"\n    make run\n", "\n    make test\n"} {
		if !strings.Contains(screen, command) {
			t.Errorf("README.md: the first screen does not show %q", strings.TrimSpace(command))
		}
	}
	makefile := readFile(t, "Makefile")
	for _, match := range regexp.MustCompile("\\bmake ([a-z]+)(?:\n|`)").FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		if !strings.Contains(makefile, "\n"+match[1]+":") {
			t.Errorf("README.md: names make %s, which the Makefile does not have", match[1])
		}
	}
}

// TestLinksLead follows every relative link of the documents.
func TestLinksLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for path, text := range readTree(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), match[1])); err != nil {
				t.Errorf("%s: link %s: %v", path, match[1], err)
			}
		}
	}
}

// TestDocumentRulesBite shows what the extraction finds and what it leaves.
func TestDocumentRulesBite(t *testing.T) {
	markdown := "a\n```conf\none\ntwo\n```\n```sh\nno\n```\n```conf\nthree\n```\n"
	if got := fmt.Sprintf("%q", configurationsOfMarkdown(markdown)); got != `["one\ntwo\n" "three\n"]` {
		t.Errorf("markdown: %s", got)
	}
	man := ".Bd -literal\nno\n.Ed\n.\\\" conf\n.Bd -literal -offset indent\na\\-b\\e\n.Ed\n"
	if got := fmt.Sprintf("%q", configurationsOfMan(man)); got != `["a-b\\\n"]` {
		t.Errorf("man: %s", got)
	}
}

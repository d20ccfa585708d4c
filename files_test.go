// SPDX-License-Identifier: Apache-2.0

package connmonitor_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// spdx is the line that every source file starts with; scripts have their
// interpreter above it.
const spdx = "SPDX-License-Identifier: Apache-2.0"

// checkSource returns what a Go file of this project may not be or contain.
func checkSource(path, text string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var broken []string
	if !strings.HasPrefix(text, "// "+spdx+"\n\n") {
		broken = append(broken, path+": does not start with the SPDX line and a blank one")
	}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if ok && function.Recv == nil && function.Name.Name == "init" {
			broken = append(broken, path+": has an init function; constructors are called, not hidden")
		}
	}
	for _, imported := range file.Imports {
		if imported.Path.Value == `"C"` {
			broken = append(broken, path+": imports C; the programs are pure Go")
		}
	}
	return broken
}

// checkComments returns the packages that no file describes. Files holds the
// text of each file by its path.
func checkComments(files map[string]string) []string {
	described := make(map[string]bool)
	for path, text := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			continue // checkSource says so
		}
		dir := filepath.Dir(path)
		described[dir] = described[dir] || startsAsPackageComment(file)
	}
	var broken []string
	for _, dir := range slices.Sorted(maps.Keys(described)) {
		if !described[dir] {
			broken = append(broken, dir+": no file has a package comment")
		}
	}
	return broken
}

// startsAsPackageComment wants what go doc expects: "Package name ..." or, for
// a program, "Connmonitor ...".
func startsAsPackageComment(file *ast.File) bool {
	text := strings.ToLower(file.Doc.Text())
	if file.Name.Name == "main" {
		return text != "" && !strings.HasPrefix(text, "package ")
	}
	return strings.HasPrefix(text, "package "+strings.ToLower(file.Name.Name)+" ")
}

// checkModule returns what go.mod may not contain: a replace directive makes
// `go install` of the module impossible and hides what is really built.
func checkModule(text string) []string {
	var broken []string
	for line := range strings.Lines(text) {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n(", r) })
		if len(words) > 0 && words[0] == "replace" {
			broken = append(broken, "go.mod: has a replace directive")
		}
	}
	return broken
}

// requirements are the modules that go.mod requires for our own sake; those that
// others bring have their reasons there.
func requirements(text string) []string {
	var modules []string
	block := false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case strings.HasSuffix(strings.TrimSpace(line), "// indirect"):
		case words[0] == "require" && words[1] == "(":
			block = true
		case words[0] == ")":
			block = false
		case words[0] == "require":
			modules = append(modules, words[1])
		case block:
			modules = append(modules, words[0])
		}
	}
	return modules
}

func TestSources(t *testing.T) {
	files := readTree(t, ".go")
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, broken := range checkSource(path, files[path]) {
			t.Error(broken)
		}
	}
	for _, broken := range checkComments(files) {
		t.Error(broken)
	}
}

func TestScriptsCarryTheLicence(t *testing.T) {
	scripts := readTree(t, ".sh")
	scripts["Makefile"] = readFile(t, "Makefile")
	scripts[".ci/run"] = readFile(t, ".ci/run")
	for path, text := range scripts {
		lines := strings.SplitN(text, "\n", 3)
		if !slices.Contains(lines[:len(lines)-1], "# "+spdx) {
			t.Errorf("%s: has no SPDX line at its top", path)
		}
	}
}

func TestModule(t *testing.T) {
	text := readFile(t, "go.mod")
	for _, broken := range checkModule(text) {
		t.Error(broken)
	}
	reasons := readFile(t, "docs/dependencies.md")
	modules := requirements(text)
	if len(modules) == 0 {
		t.Error("go.mod: no requirement found")
	}
	for _, required := range modules {
		if !strings.Contains(reasons, required) {
			t.Errorf("docs/dependencies.md: does not say why %s is needed", required)
		}
	}
}

// TestFileRulesBite shows with files that do not exist what the rules find.
func TestFileRulesBite(t *testing.T) {
	const head = "// " + spdx + "\n\n"
	sources := []struct{ name, text, want string }{
		{"good", head + "package p\n\nfunc (t T) init() {}\n", ""},
		{"no licence", "package p\n", "SPDX"},
		{"licence without a blank line", "// " + spdx + "\npackage p\n", "SPDX"},
		{"other licence", "// SPDX-License-Identifier: MIT\n\npackage p\n", "SPDX"},
		{"init", head + "package p\n\nfunc init() {}\n", "init function"},
		{"cgo", head + "package p\n\nimport \"C\"\n", "imports C"},
		{"no Go", head + "pakage p\n", "expected 'package'"},
	}
	for _, test := range sources {
		wantOne(t, test.name, checkSource("p.go", test.text), test.want)
	}

	comments := []struct{ name, path, text, want string }{
		{"package", "p/p.go", head + "// Package p does.\npackage p\n", ""},
		{"program", "p/main.go", head + "// Prog does.\npackage main\n", ""},
		{"tests only", "p/p_test.go", head + "package p\n", ""},
		{"none", "p/p.go", head + "package p\n", "p: no file has a package comment"},
		{"of another", "p/p.go", head + "// Package q does.\npackage p\n", "no file"},
		{"detached", "p/p.go", head + "// Package p does.\n\npackage p\n", "no file"},
		{"licence alone", "p/p.go", "// " + spdx + "\npackage p\n", "no file"},
	}
	for _, test := range comments {
		wantOne(t, test.name, checkComments(map[string]string{test.path: test.text}), test.want)
	}

	modules := []struct{ name, text, want string }{
		{"good", "module m\n\nrequire a v1\n", ""},
		{"replace", "module m\n\nreplace a => ../a\n", "replace directive"},
		{"block", "module m\n\nreplace (\n\ta => ../a\n)\n", "replace directive"},
		{"tight block", "module m\n\nreplace(\n\ta => ../a\n)\n", "replace directive"},
	}
	for _, test := range modules {
		wantOne(t, test.name, checkModule(test.text), test.want)
	}

	got := requirements("module m\n\nrequire one v1\n\nrequire (\n\ttwo v2\n\tthree v3 // indirect\n)\n")
	if want := []string{"one", "two"}; !slices.Equal(got, want) {
		t.Errorf("requirements %q, want %q", got, want)
	}
}

// wantOne checks that there is exactly one violation, which contains want; or
// none, when want is empty.
func wantOne(t *testing.T, name string, got []string, want string) {
	t.Helper()
	if want == "" && len(got) == 0 {
		return
	}
	if want == "" || len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("%s: violations %q, want one with %q", name, got, want)
	}
}

// readTree reads the files of the project whose names end in suffix, without
// what was built or cached.
func readTree(t *testing.T, suffix string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != "." && (name[0] == '.' || name == "testdata" || path == "bin" || path == "dist") {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() && strings.HasSuffix(name, suffix) {
			files[path] = readFile(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no file ends in %s", suffix)
	}
	return files
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// SPDX-License-Identifier: Apache-2.0

package connmonitor_test

import (
	"debug/elf"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// programs and where each is documented.
var programs = map[string]string{
	"connmonitor": "packaging/man/connmonitor.8",
	"connvitals":  "packaging/man/connvitals.1",
}

// build makes both programs for an architecture, as a user would.
func build(t *testing.T, arch string) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	dir = t.TempDir()
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "build", "BINDIR="+dir, "GOARCH="+arch)
	// What a make around this test has set is not what a user has.
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasPrefix(name, "MAKE") || name == "MFLAGS"
	})
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	return dir
}

// TestBuildIsStatic looks for what a static program does not have: an
// interpreter, and libraries that it needs.
func TestBuildIsStatic(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			dir := build(t, arch)
			for name := range programs {
				checkStatic(t, filepath.Join(dir, name), machine)
			}
		})
	}
}

func checkStatic(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close() //nolint:errcheck // only read
	if program.Machine != machine {
		t.Errorf("%s: is for %v, want %v", path, program.Machine, machine)
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Errorf("%s: has an interpreter", path)
		}
	}
	if libraries, err := program.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("%s: needs %q", path, libraries)
	}
}

// TestVersionHasOneHome asks the programs for the version in the file VERSION.
func TestVersionHasOneHome(t *testing.T) {
	dir := build(t, runtime.GOARCH)
	version := strings.TrimSpace(readFile(t, "VERSION"))
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
		t.Fatalf("VERSION: %q is not X.Y.Z", version)
	}
	asked := []struct{ program, flag, want string }{
		{"connmonitor", "-v", "connmonitor Version " + version},
		{"connmonitor", "-V", "connmonitor Version " + version},
		{"connmonitor", "--version", "connmonitor Version " + version},
		{"connvitals", "-V", "connvitals " + version},
		{"connvitals", "--version", "connvitals " + version},
	}
	for _, ask := range asked {
		out, err := exec.CommandContext(t.Context(), filepath.Join(dir, ask.program), ask.flag).Output()
		if err != nil || string(out) != ask.want+"\n" {
			t.Errorf("%s %s: %q, %v; want %q", ask.program, ask.flag, out, err, ask.want)
		}
	}
	if !strings.Contains(readFile(t, "CHANGELOG.md"), version) {
		t.Errorf("CHANGELOG.md: does not tell of version %s", version)
	}
}

// TestManPagesNameEveryOption compares the usage that a program prints with
// its man page, both ways.
func TestManPagesNameEveryOption(t *testing.T) {
	dir := build(t, runtime.GOARCH)
	for name, page := range programs {
		usage, err := exec.CommandContext(t.Context(), filepath.Join(dir, name), "--help").Output()
		if err != nil {
			t.Errorf("%s --help: %v", name, err)
		}
		inUsage, inPage := optionsOfUsage(string(usage)), optionsOfMan(readFile(t, page))
		for _, option := range inUsage {
			if !slices.Contains(inPage, option) {
				t.Errorf("%s: does not name %s, which %s --help does", page, option, name)
			}
		}
		for _, option := range inPage {
			if !slices.Contains(inUsage, option) {
				t.Errorf("%s --help: does not name %s, which %s does", name, option, page)
			}
		}
	}
}

// optionsOfUsage returns the options that a usage text names.
func optionsOfUsage(text string) []string {
	options := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)(?:^|[\s,\[|(])(--[a-z][a-z-]*|-[A-Za-z0-9]\b)`).FindAllStringSubmatch(text, -1) {
		options[match[1]] = true
	}
	return slices.Sorted(maps.Keys(options))
}

// optionsOfMan returns the options that have an item of their own in a man
// page: ".It Fl v , V , Fl Fl version" is -v, -V and --version.
func optionsOfMan(text string) []string {
	options := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^\.It (Fl .*)$`).FindAllStringSubmatch(text, -1) {
		dashes, before := "", ""
		for word := range strings.FieldsSeq(match[1]) {
			switch {
			case word == "Fl" && before == "Fl":
				dashes = "--"
			case word == "Fl":
				dashes = "-"
			case word == "Ar":
				dashes = ""
			case word != "," && dashes != "":
				options[dashes+word] = true
				dashes = "-"
			}
			before = word
		}
	}
	return slices.Sorted(maps.Keys(options))
}

// TestOptionRulesBite shows what is read out of usages and man pages.
func TestOptionRulesBite(t *testing.T) {
	usage := "usage: x [-h] [--rate PPS]\n  -V, --version  a non-option, 1-4, -stp 100\n"
	if got, want := optionsOfUsage(usage), []string{"--rate", "--version", "-V", "-h"}; !slices.Equal(got, want) {
		t.Errorf("usage: %q, want %q", got, want)
	}
	man := ".It Fl v , V , Fl Fl version\n.It Fl H , Fl Fl hops Ar hops\n.It Fl Fl rate Ar PPS\n.It 0\n.Fl x\n"
	if got, want := optionsOfMan(man), []string{"--hops", "--rate", "--version", "-H", "-V", "-v"}; !slices.Equal(got, want) {
		t.Errorf("man: %q, want %q", got, want)
	}
}

// TestLicencesShip: the licence of each module that the programs are built of
// stands in what ships with them.
func TestLicencesShip(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-buildvcs=false", "-deps",
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}{{end}}{{end}}", "./cmd/...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := slices.Compact(slices.Sorted(strings.FieldsSeq(string(out))))
	if len(modules) == 0 {
		t.Fatal("the programs are built of no module")
	}
	shipped, err := exec.CommandContext(t.Context(), "scripts/licences.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range append(modules, "the Go standard library and run time") {
		if !strings.Contains(string(shipped), "\n"+m+"\n") {
			t.Errorf("the licence of %s does not ship", m)
		}
	}
	if !strings.Contains(readFile(t, "packaging/copyright"), "third-party-licences") {
		t.Error("packaging/copyright does not say where they are")
	}
}

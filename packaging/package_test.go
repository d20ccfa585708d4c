// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"bytes"
	"debug/elf"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// epoch is the time that the packages of these tests are from.
const epoch = "1767225600"

// architectures are the names that the families have for each of Go's.
var architectures = map[string]struct {
	deb, rpm string
	machine  elf.Machine
}{
	"amd64": {"amd64", "x86_64", elf.EM_X86_64},
	"arm64": {"arm64", "aarch64", elf.EM_AARCH64},
}

// configurations are the files that an administrator may change.
var configurations = []string{"/etc/default/connmonitor", "/etc/logrotate.d/connmonitor"}

// TestPackages looks into the packages, which it builds in this checkout and,
// to compare, in a copy that is as different as a checkout can be.
func TestPackages(t *testing.T) {
	dist := t.TempDir()
	pack(t, "..", dist, "022")
	t.Run("reproducible", func(t *testing.T) { checkReproducible(t, dist) })
	installed := install(t, t.TempDir(), "/usr")
	for arch, names := range architectures {
		t.Run("deb/"+arch, func(t *testing.T) {
			checkDeb(t, filepath.Join(dist, "connmonitor_"+version(t)+"-1_"+names.deb+".deb"), arch, installed)
		})
		t.Run("rpm/"+arch, func(t *testing.T) {
			checkRPM(t, filepath.Join(dist, "connmonitor-"+version(t)+"-1."+names.rpm+".rpm"), arch, installed)
		})
	}
}

// pack builds all packages of a checkout.
func pack(t *testing.T, checkout, dist, umask string) {
	t.Helper()
	need(t, "make", "gzip")
	command := exec.CommandContext(t.Context(), "sh", "-c", "umask "+umask+" && exec make --no-print-directory package")
	command.Dir = checkout
	command.Env = append(environment(), "SOURCE_DATE_EPOCH="+epoch, "DISTDIR="+dist)
	out, err := command.CombinedOutput()
	if bytes.Contains(out, []byte("Error 75")) {
		t.Skipf("nfpm is missing, and cannot be built: %s", out)
	}
	if err != nil {
		t.Fatalf("make package: %v\n%s", err, out)
	}
}

// environment is that of this process, without what a make around it has set.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasPrefix(name, "MAKE") || slices.Contains([]string{"MFLAGS", "DESTDIR", "PREFIX", "DISTDIR", "GOARCH"}, name)
	})
}

// need skips a test for which a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s", program)
		}
	}
}

func version(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(read(t, "../VERSION"))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// output runs a program that is to succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	command := exec.CommandContext(t.Context(), name, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

// checkReproducible builds again, elsewhere, from files of another age, as
// somebody whose files nobody else may read.
func checkReproducible(t *testing.T, dist string) {
	checkout, again := copyOfSources(t), t.TempDir()
	pack(t, checkout, again, "077")
	packages, err := filepath.Glob(filepath.Join(dist, "*.*"))
	if err != nil || len(packages) != 2*len(architectures) {
		t.Errorf("packages %q (%v), want a .deb and a .rpm for each architecture", packages, err)
	}
	for _, path := range packages {
		name := filepath.Base(path)
		if read(t, path) != read(t, filepath.Join(again, name)) {
			t.Errorf("%s is another when it is built again", name)
		}
	}
}

func copyOfSources(t *testing.T) string {
	t.Helper()
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	for _, name := range []string{"cmd", "examples", "internal", "packaging", "scripts"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(checkout, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "VERSION", "go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(read(t, filepath.Join(checkout, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// nfpm need not be built twice.
	if err := os.Symlink(filepath.Join(checkout, ".cache"), filepath.Join(to, ".cache")); err != nil {
		t.Fatal(err)
	}
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, name := range []string{"examples/first.conf", "packaging/connmonitor.service", "README.md", "packaging/copyright"} {
		if err := os.Chtimes(filepath.Join(to, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// entry is a file of a package.
type entry struct {
	mode    os.FileMode
	owner   string // user/group
	content []byte // nil where it was not looked at
}

// install is `make install`, for the architecture of this machine; the programs
// are built into bin, if they are not there.
func install(t *testing.T, bin, prefix string) map[string]entry {
	t.Helper()
	root := t.TempDir()
	makeInstall(t, root, bin, prefix)
	files := make(map[string]entry)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		files[strings.TrimPrefix(path, root)] = entry{mode: info.Mode().Perm(), content: []byte(read(t, path))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func makeInstall(t *testing.T, root, bin, prefix string) {
	t.Helper()
	need(t, "make", "gzip")
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "install",
		"DESTDIR="+root, "PREFIX="+prefix, "BINDIR="+bin)
	command.Dir, command.Env = "..", environment()
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
}

// checkFiles compares the files of a package with what make install installs.
func checkFiles(t *testing.T, arch string, got, want map[string]entry) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		file, ok := got[path]
		switch {
		case !ok:
			t.Errorf("%s is missing", path)
		case file.mode != want[path].mode:
			t.Errorf("%s has mode %v, want %v", path, file.mode, want[path].mode)
		case file.owner != "root/root":
			t.Errorf("%s belongs to %s", path, file.owner)
		case file.content == nil || strings.HasPrefix(path, "/usr/bin/") && arch != runtime.GOARCH:
		case !bytes.Equal(file.content, want[path].content):
			t.Errorf("%s is not what make install installs", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			t.Errorf("%s is there, but not installed by make install", path)
		}
	}
}

// checkPrograms looks whether the programs are static, and for arch.
func checkPrograms(t *testing.T, arch string, files map[string]entry) {
	t.Helper()
	for _, path := range []string{"/usr/bin/connmonitor", "/usr/bin/connvitals"} {
		program, err := elf.NewFile(bytes.NewReader(files[path].content))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if program.Machine != architectures[arch].machine {
			t.Errorf("%s is for %v", path, program.Machine)
		}
		for _, segment := range program.Progs {
			if segment.Type == elf.PT_INTERP {
				t.Errorf("%s has an interpreter", path)
			}
		}
		if libraries, err := program.ImportedLibraries(); len(libraries) > 0 || err != nil && !errors.Is(err, elf.ErrNoSymbols) {
			t.Errorf("%s needs %q, %v", path, libraries, err)
		}
		if !bytes.Contains(files[path].content, []byte(version(t))) {
			t.Errorf("%s does not know its version", path)
		}
	}
}

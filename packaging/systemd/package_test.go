// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// packagesEnv is the environment variable that names a folder of packages to
// test in place of those that `make package` makes of the sources.
const packagesEnv = "CONNMONITOR_PACKAGES"

// packageSet are packages that the tests have made, once for all of them.
type packageSet struct {
	once sync.Once
	dir  string
	err  error
	out  []byte
}

// Those of the sources, and those that they take the place of.
var current, older packageSet

// olderVersion is the version of the latter.
const olderVersion = "0.0.1"

// versionFile is the version of the sources.
func versionFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// TestMain has the folders of the packages, which outlive each test.
func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "connmonitor-packages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	current.dir, older.dir = filepath.Join(dir, "current"), filepath.Join(dir, "older")
	return m.Run()
}

// make makes the packages of this machine's architecture of a checkout.
func (s *packageSet) make(checkout string) {
	cmd := exec.Command("bash", "scripts/package.sh", runtime.GOARCH)
	cmd.Dir, cmd.Env = checkout, append(os.Environ(), "DISTDIR="+s.dir)
	if s.out, s.err = cmd.CombinedOutput(); s.err != nil {
		s.err = fmt.Errorf("package.sh: %w\n%s", s.err, s.out)
	}
}

// folder is where the packages are.
func (s *packageSet) folder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(packagesEnv); dir != "" && s == &current {
		return dir
	}
	s.once.Do(func() {
		checkout := "../.."
		if s == &older {
			checkout = s.dir + "-checkout"
			if s.err = olderCheckout(checkout); s.err != nil {
				return
			}
		}
		s.make(checkout)
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.dir
}

// olderCheckout makes a checkout of the same sources under another version,
// with other files for administrators to change.
func olderCheckout(dir string) error {
	sources, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(dir, "packaging"), os.DirFS(filepath.Join(sources, "packaging"))); err != nil {
		return err
	}
	names := []string{".cache", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "cmd", "examples", "go.mod", "go.sum", "internal", "scripts"}
	for _, name := range names {
		if err := os.Symlink(filepath.Join(sources, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"default", "logrotate"} {
		if err := appendTo(filepath.Join(dir, "packaging/connmonitor."+name), "# Of version "+olderVersion+".\n"); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "VERSION"), []byte(olderVersion+"\n"), 0o644)
}

func appendTo(path, text string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(before, text...), 0o644)
}

// file is the package of this kind for this machine.
func (s *packageSet) file(t *testing.T, kind string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.folder(t), "*."+kind))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		for _, machine := range machines[runtime.GOARCH] {
			if strings.Contains(name, machine) {
				return file
			}
		}
	}
	t.Fatalf("there is no .%s for %s, but %q\n%s", kind, runtime.GOARCH, files, s.out)
	return ""
}

// machines are the names of machines in the names of packages.
var machines = map[string][]string{
	"amd64": {"amd64", "x86_64"},
	"arm64": {"arm64", "aarch64"},
}

// installDeb installs the .deb as an administrator or a nightly job does, over
// whatever version there is: files that were changed stay.
func (c *container) installDeb(s *packageSet) {
	c.t.Helper()
	data, err := os.ReadFile(s.file(c.t, "deb"))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.root.WriteFile("srv/new.deb", data, 0o644); err != nil {
		c.t.Fatal(err)
	}
	out := c.run("dpkg", "--force-confdef", "--force-confold", "--install", "/srv/new.deb")
	out = strings.ReplaceAll(out, "dpkg: warning: downgrading connmonitor", "")
	if strings.Contains(out, "warning") || strings.Contains(out, "connmonitor.conf:") {
		c.t.Errorf("dpkg --install: %s", out)
	}
	if err := c.root.Remove("srv/new.deb"); err != nil {
		c.t.Fatal(err)
	}
}

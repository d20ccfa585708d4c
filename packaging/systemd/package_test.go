// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"bytes"
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

// made are the packages that the tests have made, once for all of them.
var made struct {
	once sync.Once
	dir  string
	err  error
	out  []byte
}

// TestMain has the folder of the packages, which outlives each test.
func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if made.dir, err = os.MkdirTemp("", "connmonitor-packages-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(made.dir) }()
	return m.Run()
}

// packageFolder is the folder of the packages.
func packageFolder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(packagesEnv); dir != "" {
		return dir
	}
	made.once.Do(func() {
		made.out, made.err = exec.Command("make", "-C", "../..", "package", "DISTDIR="+made.dir).CombinedOutput()
	})
	if made.err != nil {
		t.Fatalf("make package: %v\n%s", made.err, made.out)
	}
	return made.dir
}

// packageFile is the package of this kind for this machine.
func packageFile(t *testing.T, kind string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(packageFolder(t), "*."+kind))
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
	t.Fatalf("there is no .%s for %s, but %q\n%s", kind, runtime.GOARCH, files, made.out)
	return ""
}

// machines are the names of machines in the names of packages.
var machines = map[string][]string{
	"amd64": {"amd64", "x86_64"},
	"arm64": {"arm64", "aarch64"},
}

// installDeb installs the .deb as an administrator does.
func (c *container) installDeb() {
	c.t.Helper()
	data, err := os.ReadFile(packageFile(c.t, "deb"))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.root.WriteFile("srv/new.deb", data, 0o644); err != nil {
		c.t.Fatal(err)
	}
	out := c.run("dpkg", "--install", "/srv/new.deb")
	if strings.Contains(out, "warning") || strings.Contains(out, "connmonitor.conf:") {
		c.t.Errorf("dpkg --install: %s", out)
	}
	if err := c.root.Remove("srv/new.deb"); err != nil {
		c.t.Fatal(err)
	}
}

// unpackRPM unpacks the .rpm over the system and does by hand what the
// packages of systemd do for one that is installed.
func (c *container) unpackRPM() {
	c.t.Helper()
	// The status of rpm2cpio says whether the archive is as long as the package
	// has noted. What nfpm notes is how long the files in it are together, so
	// only words of rpm2cpio count, and that cpio finds the archive's end.
	var complaints bytes.Buffer
	convert := exec.Command("rpm2cpio", packageFile(c.t, "rpm"))
	convert.Stderr = &complaints
	payload, err := convert.Output()
	if complaints.Len() > 0 || len(payload) == 0 {
		c.t.Fatalf("rpm2cpio: %v\n%s", err, &complaints)
	}
	cmd := c.command("cpio", "--extract", "--make-directories", "--unconditional", "--quiet", "--directory=/")
	cmd.Stdin = bytes.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		c.t.Fatalf("cpio: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"systemd-sysusers"}, {"systemd-tmpfiles", "--create", "connmonitor.conf"}} {
		if out := c.run(args...); strings.Contains(out, "connmonitor.conf:") {
			c.t.Errorf("%s: %s", args[0], out)
		}
	}
	c.run("systemctl", "daemon-reload")
}

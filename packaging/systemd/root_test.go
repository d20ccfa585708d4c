// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// suite is the Debian that is booted, packages what it has beside the smallest
// system. The tests unpack an .rpm with cpio.
const (
	suite    = "bookworm"
	packages = "systemd systemd-sysv dbus logrotate procps cpio"
)

// debian is the folder of a Debian that is ready to boot, and must not be
// written to. It is made when there is none for this suite, these packages and
// this script, and stays in .cache.
func debian(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("testdata/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(script, "%s %s", suite, packages)))[:16]
	cache, err := filepath.Abs("../../.cache/debian")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, key)
	// Whoever makes the folder, or removes it, is alone; those who boot from it
	// need not be. Between the one lock and the other anything may happen.
	lock := lockFile(t, root+".lock")
	for lock.take(syscall.LOCK_SH); !exists(root); lock.take(syscall.LOCK_SH) {
		lock.take(syscall.LOCK_EX)
		if !exists(root) {
			removeOthers(t, cache, key)
			build(t, root)
		}
	}
	return root
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// build makes the Debian beside its place and moves it there when it is whole.
// What debootstrap mounts and starts ends with its namespaces.
func build(t *testing.T, root string) {
	t.Helper()
	began := time.Now()
	t.Logf("there is no Debian in %s; making it takes a minute or more, once", root)
	unfinished := root + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		t.Fatal(err)
	}
	script := []string{"sh", "testdata/build.sh", unfinished, suite, mirror(t)}
	cmd := exec.Command("unshare", slices.Concat(namespaces, script, strings.Fields(packages))...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.Env = append(cmd.Env, proxy()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	if err := os.Rename(unfinished, root); err != nil {
		t.Fatal(err)
	}
	t.Logf("made in %v", time.Since(began).Round(time.Second))
}

// mirror is where this machine's apt takes the suite from.
func mirror(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets",
		"--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		unavailable(t, fmt.Errorf("apt-get indextargets: %w", err))
	}
	for line := range strings.Lines(string(out)) {
		if uri, ok := strings.CutPrefix(strings.TrimSpace(line), suite+" main "); ok {
			return uri
		}
	}
	unavailable(t, fmt.Errorf("apt knows no mirror of Debian %s", suite))
	return ""
}

// proxy is apt's proxy, for debootstrap does not ask apt.
func proxy() []string {
	out, err := exec.Command("apt-config", "shell", "x", "Acquire::http::Proxy").Output()
	if err != nil {
		return nil
	}
	_, value, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
	if value = strings.Trim(value, "'"); value == "" {
		return nil
	}
	return []string{"http_proxy=" + value, "https_proxy=" + value}
}

// removeOthers removes what was made for other packages and is not in use.
func removeOthers(t *testing.T, cache, key string) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || strings.HasPrefix(name, key) {
			continue
		}
		path := filepath.Join(cache, name)
		f := lockFile(t, strings.TrimSuffix(path, ".new")+".lock")
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(path) // what is left does no harm
		}
	}
}

// locked is a file whose lock is given back at the end of the test.
type locked struct {
	*os.File
	t *testing.T
}

func lockFile(t *testing.T, path string) locked {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return locked{f, t}
}

func (l locked) take(how int) {
	l.t.Helper()
	for {
		err := syscall.Flock(int(l.Fd()), how)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EINTR) {
			l.t.Fatalf("lock %s: %v", l.Name(), err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInstallBelowAPrefix installs where an administrator does by hand: systemd
// looks below /usr/local too, and the unit has to name the program there.
func TestInstallBelowAPrefix(t *testing.T) {
	bin := t.TempDir()
	for prefix, lib := range map[string]string{"/usr": "/usr/lib", "/usr/local": "/usr/local/lib", "/opt/connmonitor": "/usr/local/lib"} {
		t.Run(prefix, func(t *testing.T) {
			files := install(t, bin, prefix)
			for _, path := range []string{
				prefix + "/bin/connmonitor", prefix + "/bin/connvitals",
				prefix + "/share/man/man8/connmonitor.8.gz", prefix + "/share/doc/connmonitor/LICENSE",
				lib + "/sysctl.d/10-connmonitor.conf", lib + "/sysusers.d/connmonitor.conf", lib + "/tmpfiles.d/connmonitor.conf",
				"/etc/default/connmonitor", "/etc/logrotate.d/connmonitor",
			} {
				if _, ok := files[path]; !ok {
					t.Errorf("%s is missing", path)
				}
			}
			unit := string(files[lib+"/systemd/system/connmonitor.service"].content)
			if !strings.Contains(unit, "\nExecStart="+prefix+"/bin/connmonitor --log ") {
				t.Errorf("the unit does not start %s/bin/connmonitor:\n%s", prefix, unit)
			}
		})
	}
}

// TestInstallKeepsConfiguration installs over what an administrator changed.
func TestInstallKeepsConfiguration(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	makeInstall(t, root, bin, "/usr")
	for _, path := range configurations {
		path = filepath.Join(root, path)
		if err := os.WriteFile(path, []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	makeInstall(t, root, bin, "/usr")
	for _, path := range configurations {
		if got := read(t, filepath.Join(root, path)); got != "mine\n" {
			t.Errorf("%s was overwritten: %q", path, got)
		}
	}
}

// TestInstallBuildsNothingAnew installs, as root does by sudo, what make build
// has made: there is no Go, and a checkout gets no files of root's. What is
// older than the sources is not installed.
func TestInstallBuildsNothingAnew(t *testing.T) {
	need(t, "make", "gzip")
	root, bin, path := t.TempDir(), t.TempDir(), t.TempDir()
	built := exec.CommandContext(t.Context(), "make", "--no-print-directory", "build", "BINDIR="+bin)
	built.Dir, built.Env = "..", environment()
	if out, err := built.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	called := filepath.Join(path, "called")
	write(t, filepath.Join(path, "go"), "#!/bin/sh\ntouch "+called+"\nexit 1\n")
	if err := os.Chmod(filepath.Join(path, "go"), 0o755); err != nil {
		t.Fatal(err)
	}
	bySudo := func() (string, error) {
		command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "install", "BINDIR="+bin,
			"PREFIX="+root+"/usr", "SYSCONFDIR="+root+"/etc", "SYSTEMDDIR="+root+"/usr/lib")
		command.Dir, command.Env = "..", append(environment(), "SUDO_USER=somebody", "PATH="+path+":"+os.Getenv("PATH"))
		out, err := command.CombinedOutput()
		return string(out), err
	}
	if out, err := bySudo(); err != nil {
		t.Errorf("make install: %v\n%s", err, out)
	}
	if _, err := os.Stat(called); err == nil {
		t.Error("make install has called go, though all is built")
	}
	for _, name := range []string{"connmonitor", "connvitals"} {
		if read(t, filepath.Join(root, "usr/bin", name)) != read(t, filepath.Join(bin, name)) {
			t.Errorf("%s is not what was built", name)
		}
	}
	if err := os.Chtimes(filepath.Join(bin, "connvitals"), time.Time{}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	if out, err := bySudo(); err == nil || !strings.Contains(out, "before this: make build") {
		t.Errorf("make install of an old program, by sudo: %v\n%s", err, out)
	}
}

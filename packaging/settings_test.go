// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSysusers makes the user in a folder in place of the root.
func TestSysusers(t *testing.T) {
	root := t.TempDir()
	sysusers(t, root)
	passwd := read(t, filepath.Join(root, "etc/passwd"))
	if !regexp.MustCompile(`(?m)^connmonitor:[^:]*:[0-9]+:[0-9]+:Connection monitor:/:/usr/sbin/nologin$`).MatchString(passwd) {
		t.Errorf("passwd %q, want connmonitor without a home and a shell", passwd)
	}
	group := read(t, filepath.Join(root, "etc/group"))
	for _, name := range []string{"connmonitor", "adm"} {
		if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(group) {
			t.Errorf("group %q, want %s", group, name)
		}
	}
}

func sysusers(t *testing.T, root string) {
	t.Helper()
	need(t, "systemd-sysusers")
	write(t, filepath.Join(root, "etc/passwd"), "") // with the folder, for a lock
	write(t, filepath.Join(root, "usr/lib/sysusers.d/connmonitor.conf"), read(t, "connmonitor.sysusers"))
	output(t, "systemd-sysusers", "--root="+root)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTmpfiles makes the logs, and keeps what is in them.
func TestTmpfiles(t *testing.T) {
	need(t, "systemd-tmpfiles")
	if os.Geteuid() != 0 {
		t.Skip("only root gives files to a user")
	}
	root := t.TempDir()
	sysusers(t, root)
	write(t, filepath.Join(root, "usr/lib/tmpfiles.d/connmonitor.conf"), read(t, "connmonitor.tmpfiles"))
	write(t, filepath.Join(root, "var/log/connmonitor.err"), "of before\n")
	output(t, "systemd-tmpfiles", "--root="+root, "--create")
	passwd := strings.Split(read(t, filepath.Join(root, "etc/passwd")), ":")
	for name, text := range map[string]string{"log": "", "err": "of before\n"} {
		path := filepath.Join(root, "var/log/connmonitor."+name)
		if got := read(t, path); got != text {
			t.Errorf("%s holds %q, want %q", name, got, text)
		}
		if got, want := output(t, "stat", "--format=%a %u", path), "640 "+passwd[2]+"\n"; got != want {
			t.Errorf("%s: mode and owner %q, want %q", name, got, want)
		}
	}
}

// TestSysctl holds the limits to what the program asks for.
func TestSysctl(t *testing.T) {
	for _, want := range []string{"-net.core.rmem_max = 16777216\n", "-net.core.wmem_max = 16777216\n"} {
		if !strings.Contains(read(t, "connmonitor.sysctl"), "\n"+want) {
			t.Errorf("no line %q", want)
		}
	}
	if !strings.Contains(read(t, "../internal/prober/prober.go"), "o.Buffer = 16 << 20") {
		t.Error("the program does not ask for 16 MiB any more")
	}
}

// TestLogrotate has logrotate read its rule, and rotate by it.
func TestLogrotate(t *testing.T) {
	need(t, "logrotate")
	if os.Geteuid() != 0 {
		t.Skip("only root gives files to a user")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	// The user need not exist here; nor may a service of this machine be told.
	rule := strings.NewReplacer("/var/log", root, "0640 connmonitor adm", "0640 nobody adm", "kill -USR1", "echo kill -USR1",
		"$(systemctl show", "$(echo 4711; : systemctl show").Replace(read(t, "connmonitor.logrotate"))
	config := filepath.Join(root, "rule")
	write(t, config, rule)
	write(t, filepath.Join(root, "connmonitor.log"), "one\n")
	write(t, filepath.Join(root, "connmonitor.err"), "two\n")
	out, err := exec.CommandContext(t.Context(), "logrotate", "--force", "--state", filepath.Join(root, "state"), config).CombinedOutput()
	if err != nil || string(out) != "kill -USR1 4711\n" {
		t.Errorf("logrotate: %v, %q; want the signal sent, once", err, out)
	}
	for name, text := range map[string]string{"connmonitor.log.1": "one\n", "connmonitor.err.1": "two\n", "connmonitor.log": "", "connmonitor.err": ""} {
		if got := read(t, filepath.Join(root, name)); got != text {
			t.Errorf("%s holds %q, want %q", name, got, text)
		}
	}
	if got := output(t, "stat", "--format=%a %U:%G", filepath.Join(root, "connmonitor.log")); got != "640 nobody:adm\n" {
		t.Errorf("the new log: %q", got)
	}
}

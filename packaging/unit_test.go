// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const unit = "connmonitor.service"

// mostExposure is what systemd-analyze security may say, of 10.
const mostExposure = 1.5

// TestUnitIsExposedLittle asks systemd how much of the system the service could
// reach if it were taken over.
func TestUnitIsExposedLittle(t *testing.T) {
	need(t, "systemd-analyze")
	command := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", unit)
	command.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_LOG_LEVEL=warning")
	out, err := command.CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skipf("systemd-analyze looks at running services only: %s", out)
	}
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	match := regexp.MustCompile(`Overall exposure level for connmonitor\.service: ([0-9.]+)`).FindSubmatch(out)
	if match == nil {
		t.Fatalf("no exposure level in\n%s", out)
	}
	exposure, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil || exposure > mostExposure {
		t.Errorf("exposure %s (%v), want at most %v\n%s", match[1], err, mostExposure, out)
	}
}

// TestUnitVerifies has nothing said against the unit, but for what is not
// installed where the tests run: the program and its man pages.
func TestUnitVerifies(t *testing.T) {
	if out := verify(t, read(t, unit)); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	bad := strings.Replace(read(t, unit), "RestartSec=5", "RestartSec=twice", 1)
	if out := verify(t, bad); !strings.Contains(out, "twice") {
		t.Errorf("systemd-analyze verify finds no fault in RestartSec=twice: %q", out)
	}
}

func verify(t *testing.T, text string) string {
	t.Helper()
	need(t, "systemd-analyze", "true")
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), unit)
	text = strings.Replace(text, "ExecStart=/usr/bin/connmonitor ", "ExecStart="+program+" ", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path)
	command.Env = append(os.Environ(), "LC_ALL=C")
	out, err := command.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Errorf("systemd-analyze verify: %v", err)
	}
	return string(out)
}

// TestUnitKeepsTheContract looks for the lines that administrators rely on, and
// that are easy to lose.
func TestUnitKeepsTheContract(t *testing.T) {
	text := strings.ReplaceAll(read(t, unit), "\\\n", "")
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"Wants=network-online.target",
		"After=network-online.target nss-lookup.target",
		"Type=notify",
		"NotifyAccess=main",
		"WatchdogSec=2min",
		"EnvironmentFile=-/etc/default/connmonitor",
		"ExecStart=/usr/bin/connmonitor --log /var/log/connmonitor.log --err /var/log/connmonitor.err $CONNMONITOR_FLAGS /var/run/connmonitor.conf",
		"ExecReload=/bin/kill -HUP $MAINPID",
		"Restart=on-failure",
		"RestartPreventExitStatus=1 2",
		"StartLimitIntervalSec=0",
		"TimeoutStopSec=20",
		"User=connmonitor",
		"AmbientCapabilities=CAP_NET_RAW",
		"CapabilityBoundingSet=CAP_NET_RAW",
		"NoNewPrivileges=yes",
		"StateDirectory=connmonitor",
		"ProtectSystem=strict",
		"ReadWritePaths=/var/log",
		"WantedBy=multi-user.target",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit has no line %q", want)
		}
	}
	for _, want := range []string{"MemoryMax=", "TasksMax=", "SystemCallFilter="} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("the unit does not set %s", want)
		}
	}
}

// TestUnitMakesTheConfiguration runs what the unit runs before the program, in
// a folder in place of the root: the file that is there stays, then
// /etc/connmonitor.conf is taken, else the example.
func TestUnitMakesTheConfiguration(t *testing.T) {
	const example = "1 1 1 10 41 40 1 500\nlocalhost\n"
	tests := []struct{ name, running, kept, want string }{
		{"nothing", "", "", example},
		{"after a boot", "", "mine\n", "mine\n"},
		{"while it runs", "running\n", "mine\n", "running\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range map[string]string{"var/run/connmonitor.conf": test.running, "etc/connmonitor.conf": test.kept} {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if text == "" {
					continue
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// The group need not exist here.
			script := strings.ReplaceAll(preparation(t), "chgrp connmonitor ", "chgrp \"$(id -g)\" ")
			script = regexp.MustCompile(`/(var|etc)/`).ReplaceAllString(script, root+"/$1/")
			output(t, "sh", "-c", script)
			path := filepath.Join(root, "var/run/connmonitor.conf")
			if got := read(t, path); got != test.want {
				t.Errorf("the configuration is %q, want %q", got, test.want)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
				t.Errorf("the configuration is for everybody: %v, %v", info, err)
			}
		})
	}
}

// preparation is the shell command of the unit that makes the configuration.
func preparation(t *testing.T) string {
	t.Helper()
	text := strings.ReplaceAll(read(t, unit), "\\\n", " ")
	for _, match := range regexp.MustCompile(`(?m)^ExecStartPre=\+/bin/sh -c '([^']*)'$`).FindAllStringSubmatch(text, -1) {
		if strings.Contains(match[1], "connmonitor.conf") {
			return match[1]
		}
	}
	t.Fatal("the unit does not make the configuration")
	return ""
}

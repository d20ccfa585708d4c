// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// TestAnswers are the command lines that print something and end.
func TestAnswers(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for _, flag := range []string{"-v", "-V", "--version", "-version"} {
		p := start(t, n, setup{args: []string{flag}})
		p.exits(exitGood)
		p.silent()
		if got := p.out.text(); got != "connmonitor Version 1.2.3\n" {
			t.Errorf("%s: %q", flag, got)
		}
	}
	for _, flag := range []string{"-h", "--help"} {
		p := start(t, n, setup{args: []string{flag, "/nonexistent"}})
		p.exits(exitGood)
		p.silent()
		if got := p.out.text(); !strings.HasPrefix(got, "usage: connmonitor ") || !strings.Contains(got, "--check") {
			t.Errorf("%s: %q", flag, got)
		}
	}
}

// TestCheckFlag shows what a configuration means, without measuring it.
func TestCheckFlag(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	p := start(t, n, setup{args: []string{"--check"}, stdin: "192.0.2.1 ping=100\n"})
	p.exits(exitGood)
	p.silent()
	if got := p.out.text(); !strings.Contains(got, "192.0.2.1") || !strings.Contains(got, "load of 1 measured targets") {
		t.Errorf("--check: %q", got)
	}
	for _, text := range []string{"192.0.2.1 pong=100\n", "# nobody\n"} {
		p = start(t, n, setup{args: []string{config(t, text), "--check"}})
		p.exits(exitError)
		if es := p.told(); len(es) != 1 || es[0].typ != "ConfigError" {
			t.Errorf("--check of %q: standard error %+v", text, es)
		}
	}
	p = start(t, n, setup{args: []string{"--check"}, stdin: "192.0.2.1\n", stdout: device(t, "/dev/full")})
	p.exits(exitError)
	if es := p.told(); len(es) != 1 || es[0].typ != "OutputError" {
		t.Errorf("--check to a full disk: standard error %+v", es)
	}
}

// TestUsageErrors are told on one line, with exit status 2.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for _, args := range [][]string{
		{"--bogus"},
		{"-x"},
		{"--scan-parallel"},
		{"--scan-parallel", "0"},
		{"--scan-parallel", "-1"},
		{"--scan-parallel", "65536"},
		{"--scan-parallel", "many"},
		{"--rate"},
		{"--rate", "0"},
		{"--rate", "-1"},
		{"--rate", "NaN"},
		{"--rate", "Inf"},
		{"--rate", "fast"},
		{"--log"},
		{"a.conf", "b.conf"},
		{"a.conf", "--bogus"},
		{"--quiet=perhaps"},
	} {
		p := start(t, n, setup{args: args})
		p.exits(exitUsage)
		got := p.err.text()
		if !strings.HasPrefix(got, "connmonitor: ") || strings.Count(got, "\n") != 1 || !strings.Contains(got, "see connmonitor --help") {
			t.Errorf("%q: %q", args, got)
		}
		if p.out.text() != "" {
			t.Errorf("%q: standard output %q", args, p.out.text())
		}
	}
}

// TestBadConfigurations end with status 1 and say where and what (defect 30,
// pain 3: by name of what is wrong).
func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	tests := []struct{ name, text, want string }{
		{"empty", "", `^ConfigError: the configuration names no host$`},
		{"comments only", "# 127.0.0.1\n\n   \n", `^ConfigError: the configuration names no host$`},
		{"header only", "1 1 1 10 41 30 0 500\n", `^ConfigError: the configuration names no host$`},
		{"four integers", "1 0 1 10\n127.0.0.1\n", `^ConfigError: FILE:1:1: .* 4 of them.* eight .*DOPINGS`},
		{"NUL", "127.0.0.1\x00\n", `^ConfigError: FILE:1:10: .*NUL`},
		{"not UTF-8", "127.0.0.1 id=\xff\n", `^ConfigError: FILE:1:14: .*UTF-8`},
		{"long line", "127.0.0.1 id=" + strings.Repeat("x", 70_000) + "\n", `^ConfigError: FILE:1:\d+: .*64 KiB|^ConfigError: FILE:1:\d+: .*65`},
		{"unknown option", "127.0.0.1 pnig=1\n", `^ConfigError: FILE:1:11: option "pnig": .*ping`},
		{"no equals sign", "127.0.0.1\n127.0.0.1 ping\n", `^ConfigError: FILE:2:11: .*ping`},
		{"negative", "127.0.0.1 ping=-5\n", `^ConfigError: FILE:1:\d+: option "ping": `},
		{"not a number", "127.0.0.1 ping=nan\n", `^ConfigError: FILE:1:\d+: option "ping": `},
		{"no pings", "127.0.0.1 numpings=0\n", `^ConfigError: FILE:1:\d+: option "numpings": `},
		{"twice", "127.0.0.1 ping=1 ping=2\n", `^ConfigError: FILE:1:18: option "ping": `},
		{"host", "a..b ping=1\n", `^ConfigError: FILE:1:1: `},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := config(t, test.text)
			for _, s := range []setup{{args: []string{path}}, {stdin: test.text}} {
				p := start(t, n, s)
				p.exits(exitError)
				name := "standard input"
				if s.args != nil {
					name = path
				}
				es := p.told()
				want := regexp.MustCompile(strings.ReplaceAll(test.want, "FILE", regexp.QuoteMeta(name)))
				if len(es) != 1 || !want.MatchString(es[0].typ+": "+es[0].text) {
					t.Errorf("standard error %.300q, want one line like %v", p.err.text(), want)
				}
				if p.out.text() != "" {
					t.Errorf("standard output %q", p.out.text())
				}
			}
		})
	}
}

// TestManyErrors bounds what a hopeless file says.
func TestManyErrors(t *testing.T) {
	t.Parallel()
	p := start(t, netlab.Loopback(t), setup{stdin: strings.Repeat("127.0.0.1 pnig=1\n", 500)})
	p.exits(exitError)
	es := p.told()
	if len(es) != 21 || !strings.Contains(es[20].text, "480 more") {
		t.Errorf("%d lines, the last %+v; want 20 and one that counts the rest", len(es), es[len(es)-1])
	}
}

// TestUnreadableFiles are a missing file, a directory, and a file that is
// another's.
func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	good := config(t, "127.0.0.1\n")
	dir := filepath.Dir(good)
	tests := []struct{ path, want string }{
		{filepath.Join(dir, "missing"), "no such file or directory"},
		{dir, "is a directory"},
		{"/dev/null/x", "not a directory"},
	}
	for _, test := range tests {
		p := start(t, n, setup{args: []string{test.path}})
		p.exits(exitError)
		es := p.told()
		if len(es) != 1 || es[0].typ != "ConfigError" || !strings.Contains(es[0].text, test.path) || !strings.HasSuffix(es[0].text, test.want) {
			t.Errorf("%s: standard error %+v", test.path, es)
		}
	}
	if err := os.Chmod(good, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, n, setup{args: []string{good}, user: executable.Nobody(t)})
	p.exits(exitError)
	if es := p.told(); len(es) != 1 || !strings.HasSuffix(es[0].text, "permission denied") {
		t.Errorf("no permission: standard error %+v", es)
	}
}

// TestUnwritableFiles are --log and --err where nothing can be written.
func TestUnwritableFiles(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for _, flag := range []string{"--log", "--err"} {
		p := start(t, n, setup{args: []string{flag, t.TempDir()}, stdin: "127.0.0.1\n"})
		p.exits(exitError)
		if es := p.told(); len(es) != 1 || es[0].typ != "OutputError" || !strings.Contains(es[0].text, "is a directory") {
			t.Errorf("%s: standard error %+v", flag, es)
		}
	}
}

// TestSignalsWhileReading ends a program whose standard input never ends, which
// is what a user at a terminal does who forgot FILE.
func TestSignalsWhileReading(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		r, w := pipe(t)
		p := start(t, n, setup{input: r})
		p.reads(w)
		p.signal(s)
		p.exits(exitGood)
		p.silent()
	}
}

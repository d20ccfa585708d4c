// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// before and after a reload that asks for what there was no socket for: Don't
// Fragment, and a host of the other family.
const (
	before = "127.0.0.1 ping=20 numpings=1 json=1\n"
	after  = before + "::1 ping=20 numpings=1 json=1\n127.0.0.2 df=1 ping=20 numpings=1 json=1\n0:0:0:0:0:0:0:1 df=1 ping=20 numpings=1 json=1\n"
)

// private makes a folder that is another user's alone.
func private(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(executable.Folder(t), "home")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reloads changes the configuration to the one after, and waits until all of it
// is measured.
func (p *program) reloads(path string) {
	p.t.Helper()
	p.more(2, "127.0.0.1")
	write(p.t, path, after)
	p.signal(syscall.SIGHUP)
	p.more(3, "127.0.0.1", "127.0.0.2", "::1", "0:0:0:0:0:0:0:1")
	p.err.has("configuration read again", 1)
}

// quiet checks that the log tells of one reload, and of nothing else.
func (p *program) quiet() {
	p.t.Helper()
	if es := p.told(); len(es) != 1 || !strings.HasPrefix(es[0].text, "configuration read again: 3 targets added, 0 removed") {
		p.t.Errorf("standard error %+v, want one line about the reload", es)
	}
}

// TestPrivilegeToReload: what a reload asks for can still be done, and only the
// capability is kept without which the file could not be read.
func TestPrivilegeToReload(t *testing.T) {
	t.Parallel()
	root(t)
	for name, test := range map[string]struct {
		path func(t *testing.T) string
		want uint64
	}{
		"a file of ours":       {func(t *testing.T) string { return filepath.Join(executable.Folder(t), "hosts") }, capNetRaw},
		"a folder of somebody": {func(t *testing.T) string { return filepath.Join(private(t), "hosts") }, capNetRaw | capSearch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, path := netlab.Loopback(t), test.path(t)
			n.DenyPings()
			write(t, path, before)
			p := start(t, n, setup{args: []string{path}})
			p.more(1, "127.0.0.1")
			p.holds(test.want, true)
			p.reloads(path)
			p.holds(test.want, true)
			p.terminates()
			p.lossless()
			p.quiet()
		})
	}
}

// TestPrivilegeToReloadUnreadable: the file of another user, in a folder that
// everybody may look into.
func TestPrivilegeToReloadUnreadable(t *testing.T) {
	t.Parallel()
	root(t)
	n, path := netlab.Loopback(t), config(t, before)
	if err := errors.Join(os.Chown(path, 65534, 65534), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	p := start(t, n, setup{args: []string{path}})
	p.more(1, "127.0.0.1")
	p.holds(capNetRaw|capSearch, true)
	p.reloads(path)
	p.terminates()
	p.quiet()
}

// TestPrivilegeToReloadAsUser: the sockets of a reload, by the privilege of the
// program's file, and without any.
func TestPrivilegeToReloadAsUser(t *testing.T) {
	t.Parallel()
	user := executable.Nobody(t)
	for name, raw := range map[string]bool{"capability of the file": true, "ping group": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, path := netlab.Loopback(t), config(t, before)
			s, want := setup{args: []string{path}, user: user}, uint64(0)
			if n.AllowPings(); raw {
				n.DenyPings()
				s.program, want = executable.Capable(t, binary, "cap_net_raw+ep"), capNetRaw
			}
			p := start(t, n, s)
			p.reloads(path)
			p.holds(want, false)
			p.terminates()
			p.lossless()
			p.quiet()
		})
	}
}

// TestPrivilegeToReopen: the files of --log and --err are reopened where they
// are, and only in a folder of somebody else is a capability kept for it.
func TestPrivilegeToReopen(t *testing.T) {
	t.Parallel()
	root(t)
	for name, test := range map[string]struct {
		folder func(t *testing.T) string
		want   uint64
	}{
		"a folder of ours":     {func(t *testing.T) string { return executable.Folder(t) }, capNetRaw},
		"a folder of somebody": {private, capNetRaw | capOverride},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, folder := netlab.Loopback(t), test.folder(t)
			log, errs := filepath.Join(folder, "log"), filepath.Join(folder, "err")
			p := start(t, n, setup{args: []string{"--log", log, "--err", errs, config(t, before)}})
			p.until("a record", func() bool { return contains(log, "\n") })
			p.holds(test.want, true)
			for _, path := range []string{log, errs} {
				if err := os.Rename(path, path+".1"); err != nil {
					t.Fatal(err)
				}
			}
			p.signal(syscall.SIGUSR1)
			p.until("a record in the new file", func() bool { return contains(log, "\n") })
			p.terminates()
			if _, err := os.Stat(errs); err != nil || contains(errs, "E") || contains(errs+".1", "E") {
				t.Errorf("the file of errors: %v", err)
			}
			p.silent()
		})
	}
}

func contains(path, part string) bool {
	text, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(text), part)
}

// SPDX-License-Identifier: Apache-2.0

// Package executable builds a program of this module as it is delivered, for
// tests that run it as its users do, and for nothing else: no part of the
// product may import it. It knows the privileges that a program can be run
// with, reads what a running one holds, and says how it ended. In which network
// it runs is the business of package netlab, and what it shall print that of
// the tests.
//
// The capabilities are those of capabilities(7), as proc_pid_status(5) shows
// them. What this machine lacks for a privilege skips the test, saying why.
package executable

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Version is what a built program says it is.
const Version = "1.2.3"

// With builds the program of the folder that the process is in, as go test runs
// the tests of a program, and hands its path, which every user may reach, to
// tests. It returns what they do, the exit status, or else 1, having told on
// standard error why the program cannot be built. The program is gone
// afterwards.
func With(name string, tests func(path string) int) (status int) {
	dir, err := os.MkdirTemp("", name)
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		err = os.Chmod(dir, 0o755)
	}
	path := filepath.Join(dir, name)
	if err == nil {
		err = build(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return tests(path)
}

func build(path string) error {
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version="+Version, "-o", path, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", filepath.Base(path), err, out)
	}
	return nil
}

// Status is the exit status of a program whose Wait or Run returned err; -1
// when a signal ended it, or when it is not known.
func Status(err error) int {
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return 0
	case ok:
		return exit.ExitCode()
	default:
		return -1
	}
}

// WantNoTrace fails the test when there is a Go stack trace on the standard
// error of a program: it panicked, or a race was found.
func WantNoTrace(t testing.TB, stderr string) {
	t.Helper()
	if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "panic") {
		t.Errorf("a Go stack trace on standard error:\n%s", stderr)
	}
}

// Folder is a folder of the test that every user may reach; those of t.TempDir
// are for ourselves alone.
func Folder(t testing.TB) (path string) {
	t.Helper()
	path = t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(path), 0o755), os.Chmod(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

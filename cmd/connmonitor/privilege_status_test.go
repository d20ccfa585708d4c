// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests in the files privilege_*_test.go run the program with every kind of
// privilege that the contract names (2.4), and read from /proc what it holds
// once it measures.

// Capabilities, as /proc shows their sets.
const (
	capNetRaw   uint64 = 1 << unix.CAP_NET_RAW
	capSearch   uint64 = 1 << unix.CAP_DAC_READ_SEARCH
	capOverride uint64 = 1 << unix.CAP_DAC_OVERRIDE
)

// holds checks that the program holds no capability but these, that nothing
// can be inherited, and that it cannot gain any, on each of its threads. It was
// allowed to empty the bounding set, or else has left that alone.
func (p *program) holds(capabilities uint64, emptied bool) {
	p.t.Helper()
	var bounding uint64
	if !emptied {
		bounding = statusOf(p.t, "/proc/self/status")["CapBnd"]
	}
	want := map[string]uint64{
		"CapEff": capabilities, "CapPrm": capabilities, "CapInh": 0, "CapAmb": 0, "CapBnd": bounding, "NoNewPrivs": 1,
	}
	for path, has := range p.privileges() {
		for name, value := range want {
			if has[name] != value {
				p.t.Errorf("%s: %s is %x, want %x", path, name, has[name], value)
			}
		}
	}
}

// privileges is what each thread of the program holds.
func (p *program) privileges() map[string]map[string]uint64 {
	p.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	all := make(map[string]map[string]uint64)
	for _, path := range threads {
		if has := statusOf(p.t, path); has != nil {
			all[path] = has
		}
	}
	if len(all) < 2 {
		p.t.Errorf("%d threads, want those of a Go program", len(all))
	}
	return all
}

// statusOf reads the privileges of a thread; nil when it has ended.
func statusOf(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	has := make(map[string]uint64)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if !strings.HasPrefix(name, "Cap") && name != "NoNewPrivs" {
			continue
		}
		if has[name], err = strconv.ParseUint(strings.TrimSpace(value), 16, 64); err != nil {
			t.Fatalf("%s: %q", path, line)
		}
	}
	if len(has) != 6 {
		t.Fatalf("%s: %d of the 6 lines about privileges", path, len(has))
	}
	return has
}

// capable makes a copy of the program with capabilities of its own, as setcap(8)
// is told them.
func capable(t *testing.T, capabilities string) (path string) {
	t.Helper()
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip(err)
	}
	path = filepath.Join(filepath.Dir(config(t, "")), "connmonitor")
	program, err := os.ReadFile(binary)
	if err == nil {
		err = os.WriteFile(path, program, 0o755)
	}
	var on unix.Statfs_t
	if err == nil {
		err = unix.Statfs(path, &on)
	}
	if err != nil {
		t.Fatal(err)
	}
	if on.Flags&unix.ST_NOSUID != 0 {
		t.Skipf("%s is on a file system without capabilities of files (nosuid)", path)
	}
	if out, err := exec.CommandContext(t.Context(), "setcap", capabilities, path).CombinedOutput(); err != nil {
		t.Skipf("setcap: %v: %s", err, out)
	}
	return path
}

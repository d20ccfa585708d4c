// SPDX-License-Identifier: Apache-2.0

package privilege

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// orderEnv makes the test binary a process that gives up its privileges: those
// of a process are gone for good, so each test needs one of its own.
const orderEnv = "PRIVILEGE_NEED"

func TestMain(m *testing.M) {
	if text := os.Getenv(orderEnv); text != "" {
		obey(text)
		return
	}
	os.Exit(m.Run())
}

// obey drops privileges while other threads run, and prints what all have left.
func obey(text string) {
	var n Need
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		panic(err)
	}
	block := make(chan struct{})
	for range 4 {
		running := make(chan struct{})
		go func() {
			runtime.LockOSThread() // so that it needs a thread of its own
			close(running)
			<-block
		}()
		<-running
	}
	if err := Drop(n); err != nil {
		panic(err)
	}
	paths, _ := filepath.Glob("/proc/self/task/*/status")
	for _, path := range paths {
		status, _ := os.ReadFile(path)
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "NoNewPrivs") {
				fmt.Print(line)
			}
		}
	}
}

// dropped lets a process that was root drop what n does not need, and returns
// what its threads have left; wrap is what takes privileges from it before.
func dropped(t *testing.T, n Need, wrap ...string) map[string]string {
	t.Helper()
	needsRoot(t)
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	line := append(wrap, "/proc/"+strconv.Itoa(os.Getpid())+"/exe")
	command := exec.CommandContext(t.Context(), line[0], line[1:]...)
	command.Env = append(os.Environ(), orderEnv+"="+string(text))
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", line, err)
	}
	has := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if before, ok := has[name]; ok && before != value {
			t.Errorf("%s is %s on one thread and %s on another", name, before, value)
		}
		has[name] = value
	}
	if strings.Count(string(out), "NoNewPrivs") < 5 {
		t.Errorf("too few threads:\n%s", out)
	}
	return has
}

func needsRoot(t *testing.T) {
	t.Helper()
	held, err := current()
	if err != nil || !held.effective().has(unix.CAP_SETPCAP) || !held.effective().has(unix.CAP_CHOWN) || held.effective()&search == 0 {
		t.Skipf("needs root: %v", err)
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"}) {
		t.Skip("with cgo the privileges of all threads cannot be dropped")
	}
}

// want compares what is left; of what is inheritable, ambient or bounding,
// nothing may be.
func want(t *testing.T, has map[string]string, left set) {
	t.Helper()
	for name, value := range map[string]set{"CapEff": left, "CapPrm": left, "CapInh": 0, "CapAmb": 0, "CapBnd": 0} {
		if got, err := strconv.ParseUint(has[name], 16, 64); err != nil || set(got) != value {
			t.Errorf("%s is %s, want %x", name, has[name], value)
		}
	}
	if has["NoNewPrivs"] != "1" {
		t.Error("no_new_privs is not set")
	}
}

const raw set = 1 << unix.CAP_NET_RAW

func TestDropAll(t *testing.T) {
	t.Parallel()
	want(t, dropped(t, Need{}), 0)
}

func TestDropKeepsRaw(t *testing.T) {
	t.Parallel()
	want(t, dropped(t, Need{Raw: true}), raw)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	want(t, dropped(t, Need{Raw: true}, "setpriv", "--bounding-set=-net_raw"), 0)
}

// TestDropAmbient: what was handed down goes, and what was not permitted does
// not come.
func TestDropAmbient(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	want(t, dropped(t, Need{Raw: true}, "setpriv", "--inh-caps=+net_raw,+setpcap,+chown", "--ambient-caps=+net_raw,+setpcap,+chown"), raw)
}

// TestDropKeepsFiles: a capability is kept only where a file could not be opened
// again without it, and the least that will do.
func TestDropKeepsFiles(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	ours, others := t.TempDir(), t.TempDir()
	for _, dir := range []string{ours, others} {
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hidden := filepath.Join(ours, "hidden")
	if err := os.WriteFile(hidden, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{others: 0o700, hidden: 0o600} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	mine, theirs := filepath.Join(ours, "file"), filepath.Join(others, "file")
	for name, test := range map[string]struct {
		need Need
		left set
	}{
		"readable":               {Need{Read: []string{mine}}, 0},
		"in a closed folder":     {Need{Read: []string{mine, theirs}}, search},
		"not readable":           {Need{Read: []string{hidden}}, search},
		"log of ours":            {Need{Append: []string{mine}}, 0},
		"log in a closed folder": {Need{Append: []string{theirs}}, override},
		"log of another":         {Need{Append: []string{hidden}}, override},
		"both":                   {Need{Read: []string{theirs}, Append: []string{mine, theirs}}, override},
		"never there":            {Need{Read: []string{filepath.Join(others, "nothing")}}, 0},
		"a path that cannot be":  {Need{Read: []string{"\x00"}}, 0},
		"beside raw sockets":     {Need{Raw: true, Read: []string{theirs}}, raw | search},
		"a pipe is not opened":   {Need{Read: []string{fifo(t)}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, dropped(t, test.need), test.left)
		})
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	without := []string{"setpriv", "--bounding-set=-dac_read_search"}
	want(t, dropped(t, Need{Read: []string{theirs}}, without...), override)
	without = []string{"setpriv", "--bounding-set=-dac_read_search,-dac_override"}
	want(t, dropped(t, Need{Read: []string{theirs}, Append: []string{theirs}}, without...), 0)
}

// fifo makes a pipe with a name.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSets is the arithmetic of the halves.
func TestSets(t *testing.T) {
	held := sets{{Permitted: 0xff, Effective: 0x0f, Inheritable: 0xff}, {Permitted: 3, Effective: 1, Inheritable: 3}}
	if got := held.permitted(); got != 3<<32|0xff {
		t.Errorf("permitted %x", got)
	}
	if got := held.effective(); got != 1<<32|0x0f || !got.has(32) || got.has(33) || got.has(4) {
		t.Errorf("effective %x", got)
	}
	if got := held.only(0x101 | 2<<32); got != (sets{{Permitted: 1, Effective: 1}, {Permitted: 2, Effective: 2}}) {
		t.Errorf("only %+v", got)
	}
	if got := held.effectively(0x11 | 1<<32); got.permitted() != held.permitted() || got.effective() != 0x11|1<<32 || got[0].Inheritable != 0xff {
		t.Errorf("effectively %+v", got)
	}
}

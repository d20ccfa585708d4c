// SPDX-License-Identifier: Apache-2.0

package executable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Nobody is an ordinary user; the test is skipped where there is none to be,
// as for everybody but root.
func Nobody(t testing.TB) *syscall.Credential {
	t.Helper()
	user := &syscall.Credential{Uid: 65534, Gid: 65534}
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	if err := probe.Run(); err != nil {
		t.Skipf("cannot run as another user: %v", err)
	}
	return user
}

// Capable makes a copy of a program with capabilities of its own, as setcap(8)
// is told them: "cap_net_raw+ep". The test is skipped where files have none.
func Capable(t testing.TB, program, capabilities string) (path string) {
	t.Helper()
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip(err)
	}
	path = filepath.Join(Folder(t), filepath.Base(program))
	content, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(path, content, 0o755)
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

// Privileges of a thread: the lines Cap* and NoNewPrivs of its status by their
// names, sets of capabilities as bits (1 << CAP_NET_RAW).
type Privileges map[string]uint64

// ThreadPrivileges are the privileges of each thread of a running program, by
// the file they were read from. Of a Go program there are at least two.
func ThreadPrivileges(t testing.TB, pid int) map[string]Privileges {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Errorf("%d threads, want those of a Go program: %v", len(threads), err)
	}
	all := make(map[string]Privileges)
	for _, path := range threads {
		if has := readPrivileges(t, path); has != nil {
			all[path] = has
		}
	}
	return all
}

// ProcessPrivileges are those of the first thread of a process, by its number
// in words or "self"; nil when it has ended.
func ProcessPrivileges(t testing.TB, process string) Privileges {
	t.Helper()
	return readPrivileges(t, "/proc/"+process+"/status")
}

// readPrivileges returns nil when the thread has ended.
func readPrivileges(t testing.TB, path string) Privileges {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	has := make(Privileges)
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

// WantPrivileges checks that a running program holds no capability but these,
// that nothing can be inherited, and that it cannot gain any, on each of its
// threads. It was allowed to empty the bounding set, or else has left that
// alone.
func WantPrivileges(t testing.TB, pid int, capabilities uint64, emptied bool) {
	t.Helper()
	var bounding uint64
	if !emptied {
		bounding = ProcessPrivileges(t, "self")["CapBnd"]
	}
	want := Privileges{
		"CapEff": capabilities, "CapPrm": capabilities, "CapInh": 0, "CapAmb": 0, "CapBnd": bounding, "NoNewPrivs": 1,
	}
	for path, has := range ThreadPrivileges(t, pid) {
		for name, value := range want {
			if has[name] != value {
				t.Errorf("%s: %s is %x, want %x", path, name, has[name], value)
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

// privileged is one kind of privilege to run the program with.
type privileged struct {
	user    bool     // an ordinary one
	file    string   // capabilities of the program's file
	group   string   // net.ipv4.ping_group_range
	wrap    []string // a command that runs the program
	emptied bool     // the bounding set, which takes privilege, too
	pings   bool     // they are possible
}

// prepare is the program with that privilege.
func (p *privileged) prepare(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path := binary
	if p.file != "" {
		path = capable(t, p.file)
	}
	line := append(append(append([]string{}, p.wrap...), path), args...)
	cmd := exec.Command(line[0], line[1:]...)
	if p.user {
		cmd.SysProcAttr = nobody(t)
	}
	return cmd
}

// TestPrivilege runs the program with every kind of privilege that the contract
// names (2.4): all that is left of it once it measures is nothing.
func TestPrivilege(t *testing.T) {
	nobody(t) // whom only root can be
	within := []string{"unshare", "-Urn", "sh", "-c", `ip link set lo up; exec "$@"`, "sh"}
	for name, p := range map[string]*privileged{
		"root":           {group: "1 0", emptied: true, pings: true},
		"file":           {user: true, file: "cap_net_raw,cap_net_admin+ep", group: "1 0", pings: true},
		"group":          {user: true, group: "0 2147483647", pings: true},
		"none":           {user: true, group: "1 0"},
		"user namespace": {user: true, group: "1 0", wrap: within, emptied: true, pings: true},
	} {
		t.Run(name, func(t *testing.T) {
			top := netlab.Farm(t)
			host := top.Links[0].B.Addr6.String()
			if p.wrap != nil {
				host = "::1" // the only one in its network
			}
			top.Client.Sysctl("net.ipv4.ping_group_range=" + p.group)
			p.measures(t, top.Client, host)
			var err error
			cmd := p.prepare(t, "-stp", "1000", "--interval", "100", "--timeout", "60000", "10.99.99.99", host)
			fence(top.Client)
			top.Client.Do(func() { err = cmd.Start() })
			if err != nil {
				t.Fatal(err)
			}
			holdsNothing(t, cmd.Process.Pid, p.emptied)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
}

// measures runs the program once, to its end.
func (p *privileged) measures(t *testing.T, n *netlab.Node, host string) {
	t.Helper()
	cmd := p.prepare(t, "-stp", "3", host)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var err error
	n.Do(func() { err = cmd.Run() })
	if strings.HasPrefix(stderr.String(), "unshare: ") {
		t.Skipf("no user namespaces for an ordinary user: %s", stderr.String())
	}
	want := host + `\t` + number + `\n` + nobodyServes
	if p.pings {
		want = pings + want
	}
	if err != nil || !regexp.MustCompile(`^`+host+`\n`+want+`$`).MatchString(stdout.String()) {
		t.Errorf("%v, %q, want %q; %s", err, stdout.String(), want, stderr.String())
	}
	if lacks := strings.Contains(stderr.String(), "setcap cap_net_raw+ep"); lacks == p.pings || !lacks && stderr.Len() > 0 {
		t.Errorf("standard error %q", stderr.String())
	}
}

// holdsNothing waits until the process has given up what it may gain, which is
// its last step, and looks for what any of its threads still holds.
func holdsNothing(t *testing.T, pid int, emptied bool) {
	t.Helper()
	own := fmt.Sprintf("/proc/%d/status", pid)
	for late := time.Now().Add(time.Minute); !strings.Contains(contents(t, own), "\nNoNewPrivs:\t1\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("no_new_privs is not set:\n%s", contents(t, own))
		}
	}
	bounding := regexp.MustCompile(`CapBnd:\t(\w+)`).FindString(contents(t, "/proc/self/status"))
	if emptied {
		bounding = "CapBnd:\t0000000000000000"
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Errorf("%d threads, want those of a Go program: %v", len(threads), err)
	}
	for _, path := range threads {
		text := contents(t, path)
		for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", bounding, "NoNewPrivs:\t1"} {
			if text != "" && !strings.Contains(text, "\n"+want+"\n") {
				t.Errorf("%s: want %q in\n%s", path, want, text)
			}
		}
	}
}

// contents of a file of /proc; nothing when a thread has ended meanwhile.
func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		t.Fatal(err)
	}
	return string(text)
}

// capable makes a copy of the program with capabilities of its own, as setcap(8)
// is told them.
func capable(t *testing.T, capabilities string) (path string) {
	t.Helper()
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip(err)
	}
	path = binary + ".capable"
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

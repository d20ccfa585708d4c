// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// container is a Debian that runs, with a systemd and a network of its own.
// Nothing of it outlives the test, not even when the test is killed.
type container struct {
	t       *testing.T
	name    string
	cmd     *exec.Cmd     // unshare, with which all others end
	ended   chan struct{} // and it has
	output  bytes.Buffer  // of boot.sh; to be read after the end
	cgroups []string
	version version  // of its cgroups
	init    int      // process 1 as seen from outside; 0 when there is none
	root    *os.Root // its root folder; no link leads out of it
}

// unavailable skips the test, or fails it where laboratories are required.
func unavailable(t *testing.T, err error) {
	t.Helper()
	if os.Getenv(netlab.RequireEnv) != "" {
		t.Fatalf("no systemd to test with, and %s is set: %v", netlab.RequireEnv, err)
	}
	t.Skipf("no systemd to test with: %v", err)
}

// namespaces are the options of unshare for namespaces of mounts and processes,
// all of which end with unshare.
var namespaces = []string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"}

// needs skips the test where it cannot run.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, errors.New("not root"))
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			unavailable(t, err)
		}
	}
	if out, err := exec.Command("unshare", slices.Concat(namespaces, []string{"true"})...).CombinedOutput(); err != nil {
		unavailable(t, fmt.Errorf("unshare: %w: %s", err, out))
	}
}

// boot boots a copy of the Debian in root.
func boot(t *testing.T, root string, v version) *container {
	t.Helper()
	c := &container{t: t, version: v, name: fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), strings.ToLower(t.Name()))}
	c.cgroups = makeCgroups(t, c.name)
	script := []string{"sh", "testdata/boot.sh", root, t.TempDir(), c.name}
	c.cmd = exec.Command("unshare", slices.Concat(namespaces, script, c.cgroups)...)
	c.cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="+string(v))
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.start()
	t.Cleanup(c.end)
	c.waitUntilUp()
	return c
}

// start starts the container from a thread that lasts as long as it does, for
// it would be killed at the end of that thread.
func (c *container) start() {
	c.t.Helper()
	c.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.ended)
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		c.t.Fatal(err)
	}
}

// end kills the container and removes what is left of it.
func (c *container) end() {
	if c.t.Failed() && c.init != 0 {
		out, _ := c.try("journalctl", "--boot", "--no-pager", "--lines=100")
		c.t.Logf("the last lines of the journal:\n%s", out)
	}
	if c.root != nil {
		_ = c.root.Close()
	}
	_ = c.cmd.Process.Kill() // an error says that it has ended
	<-c.ended
	if c.t.Failed() {
		c.t.Logf("the output of boot.sh:\n%s", &c.output)
	}
	eventually(c.t, "cgroups gone", func() bool { return removeCgroups(c.cgroups) })
}

// waitUntilUp waits until all that is to run after a boot does.
func (c *container) waitUntilUp() {
	c.t.Helper()
	eventually(c.t, "process 1 of the container", func() bool {
		select {
		case <-c.ended:
			c.t.Fatalf("the container has ended:\n%s", &c.output)
		default:
		}
		c.init = c.findInit()
		return c.init != 0
	})
	eventually(c.t, "boot", func() bool {
		out, _ := c.try("systemctl", "is-system-running")
		state := strings.TrimSpace(out)
		return state == "running" || state == "degraded"
	})
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", c.init))
	if err != nil {
		c.t.Fatal(err)
	}
	c.root = root
	if c.version == version1 {
		c.delegate()
	}
}

// delegate hands the controllers of version 1 over to the container's systemd,
// which nspawn lets it read only.
func (c *container) delegate() {
	c.t.Helper()
	for _, controller := range []string{"memory", "pids"} {
		c.run("mount", "-o", "remount,bind,rw", "/sys/fs/cgroup/"+controller)
	}
	c.run("systemctl", "daemon-reexec")
}

// findInit looks for a process among the descendants of unshare that is
// process 1 of the innermost of three namespaces: ours, boot.sh's, its own.
func (c *container) findInit() int {
	for _, script := range children(c.cmd.Process.Pid) {
		for _, nspawn := range children(script) {
			for _, pid := range children(nspawn) {
				words := procStatus(pid, "NSpid")
				name := procStatus(pid, "Name")
				if len(words) > 2 && words[len(words)-1] == "1" && len(name) == 1 && name[0] == "systemd" {
					return pid
				}
			}
		}
	}
	return 0
}

func children(pid int) []int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for word := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(word); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// procStatus is a value of /proc/PID/status; nil when the process is gone.
func procStatus(pid int, key string) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Fields(value)
		}
	}
	return nil
}

// net runs a command of this machine in the network of the container.
func (c *container) net(args ...string) {
	c.t.Helper()
	enter := []string{"--target", strconv.Itoa(c.init), "--net", "--"}
	if out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput(); err != nil {
		c.t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// command is a command inside.
func (c *container) command(args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(c.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}
	return cmd
}

// try runs a command inside and returns what it wrote.
func (c *container) try(args ...string) (string, error) {
	out, err := c.command(args...).CombinedOutput()
	return string(out), err
}

// run is try of a command that must succeed.
func (c *container) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

// reboot reboots the system inside; nothing but its files stays.
func (c *container) reboot() {
	c.t.Helper()
	_ = c.root.Close()
	before := c.init
	c.run("systemctl", "reboot")
	eventually(c.t, "shutdown", func() bool { return procStatus(before, "Name") == nil })
	c.waitUntilUp()
}

// read is a file inside; it is empty when there is none. The path is one
// without links that begin with a slash.
func (c *container) read(path string) string {
	c.t.Helper()
	text, err := c.root.ReadFile(path[1:])
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	return string(text)
}

// write writes a file inside, as an editor or a deployment does: whole.
func (c *container) write(path, text string) {
	c.t.Helper()
	if err := c.root.MkdirAll(filepath.Dir(path)[1:], 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := c.root.WriteFile(path[1:]+".new", []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := c.root.Rename(path[1:]+".new", path[1:]); err != nil {
		c.t.Fatal(err)
	}
}

// eventually waits until the condition holds. Its limit is for a machine that
// has much else to do.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

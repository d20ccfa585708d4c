// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
)

func TestMain(m *testing.M) {
	netlab.Enter()
	var err error
	if context, err = os.MkdirTemp("", "container"); err == nil {
		err = makePrograms()
	}
	status := 1
	if err == nil {
		status = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(context)
	os.Exit(status)
}

// engine is what a container engine gives to the process of a container, beside
// its root and its network.
type engine struct {
	bounding  bool   // the container may have CAP_NET_RAW
	ambient   bool   // and the process has it
	noNew     bool   // no_new_privs
	file      bool   // the file of the program gives it
	pingGroup string // net.ipv4.ping_group_range
}

// hang is when what must come is given up.
const hang = 60 * time.Second

// TestContainer runs the image by all that engines do about CAP_NET_RAW.
func TestContainer(t *testing.T) {
	const nobody, ours = "1 0", "65532 65532"
	for name, test := range map[string]struct {
		engine  engine
		pings   bool
		refused bool // the program does not even start
	}{
		"sysctl":                      {engine{pingGroup: ours}, true, false},
		"sysctl, no_new_privs":        {engine{pingGroup: ours, noNew: true}, true, false},
		"capability, ambient":         {engine{bounding: true, ambient: true, pingGroup: nobody}, true, false},
		"capability, of the file":     {engine{bounding: true, file: true, pingGroup: nobody}, true, false},
		"capability, only allowed":    {engine{bounding: true, pingGroup: nobody}, false, false},
		"file, but no_new_privs":      {engine{bounding: true, file: true, noNew: true, pingGroup: nobody}, false, false},
		"file, but it is not allowed": {engine{file: true, pingGroup: ours}, false, true},
		"neither":                     {engine{pingGroup: nobody}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := netlab.New(t).Node("container")
			im, root := load(t)
			im.needsRoot(t)
			n.Sysctl("net.ipv4.ping_group_range=" + test.engine.pingGroup)
			im.provide(t, root, test.engine.file)
			cmd, records, errs := im.run(t, root, slices.Concat(im.entry, im.command))
			err := test.engine.start(n, cmd)
			if test.refused {
				if !errors.Is(err, syscall.EPERM) {
					t.Errorf("%v, want: operation not permitted", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			watch(t, cmd, records, errs, test.pings)
		})
	}
}

// needsRoot skips a test where the image's user is nobody to become.
func (im *image) needsRoot(t *testing.T) {
	t.Helper()
	probe := exec.CommandContext(t.Context(), "true")
	probe.SysProcAttr = &syscall.SysProcAttr{Chroot: "/", Credential: &syscall.Credential{Uid: im.uid, Gid: im.gid}}
	if err := probe.Run(); err != nil {
		t.Skipf("needs root, for chroot and another user: %v", err)
	}
}

// provide adds what a user mounts and an engine writes: the configuration, and
// the names that the image has no file for. With capable the program gets its
// capability.
func (im *image) provide(t *testing.T, root string, capable bool) {
	t.Helper()
	conf := filepath.Join(root, im.command[0])
	if !slices.Contains(im.volumes, filepath.Dir(im.command[0])) {
		t.Errorf("%s is in none of the volumes %q", im.command[0], im.volumes)
	}
	if err := errors.Join(
		os.WriteFile(conf, []byte("localhost family=both json=1 ping=20 numpings=2 trace=20 scan=20\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc/hosts"), []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	if !capable {
		return
	}
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip(err)
	}
	var on unix.Statfs_t
	if err := unix.Statfs(root, &on); err != nil || on.Flags&unix.ST_NOSUID != 0 {
		t.Skipf("%s is on a file system without capabilities of files (nosuid): %v", root, err)
	}
	if out, err := exec.CommandContext(t.Context(), "setcap", "cap_net_raw+ep", filepath.Join(root, im.entry[0])).CombinedOutput(); err != nil {
		t.Skipf("setcap: %v: %s", err, out)
	}
}

// run is the program of the image as its user, with its root, and the files
// that take what it writes.
func (im *image) run(t *testing.T, root string, line []string) (cmd *exec.Cmd, stdout, stderr string) {
	t.Helper()
	cmd = &exec.Cmd{Path: line[0], Args: line, Dir: "/", Env: []string{"PATH=/usr/bin"}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: im.uid, Gid: im.gid}}
	dir := t.TempDir()
	stdout, stderr = filepath.Join(dir, "out"), filepath.Join(dir, "err")
	for path, stream := range map[string]func(*os.File){
		stdout: func(f *os.File) { cmd.Stdout = f }, stderr: func(f *os.File) { cmd.Stderr = f },
	} {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		stream(f)
	}
	return cmd, stdout, stderr
}

// start starts a program in a network, from a thread that is given what the
// engine gives, and then ends: there is no way back.
func (e engine) start(n *netlab.Node, cmd *exec.Cmd) error {
	if e.ambient {
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_RAW}
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := e.prepare()
		if err == nil {
			n.Do(func() { err = cmd.Start() })
		}
		started <- err
	}()
	return <-started
}

// prepare gives the engine's limits to the calling thread.
func (e engine) prepare() error {
	for capability := range uintptr(unix.CAP_LAST_CAP + 1) {
		if e.bounding && capability == unix.CAP_NET_RAW {
			continue
		}
		// The kernel may be older than the list of capabilities.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	if e.noNew {
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	return nil
}

// watch waits until the monitor has measured what it can of both addresses of
// localhost, ends it as an engine does, and looks at what it said.
func watch(t *testing.T, cmd *exec.Cmd, stdout, stderr string, pings bool) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	statistics := []string{"trace", "scan"}
	if pings {
		statistics = append(statistics, "ping")
	}
	for late := time.Now().Add(hang); !measured(t, stdout, statistics); time.Sleep(5 * time.Millisecond) {
		if len(ended) > 0 || time.Now().After(late) {
			t.Errorf("ended: %v; not measured: %q", len(ended) > 0, statistics)
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(hang):
		_ = cmd.Process.Kill()
		t.Error("the program does not end")
	}
	out, errs := read(t, stdout), read(t, stderr)
	if strings.Contains(out, `"ping":`) != pings {
		t.Errorf("pings are measured: %v", !pings)
	}
	if told := strings.Contains(errs, "EE: PrivilegeError: pings are not possible"); told == pings || strings.Count(errs, "EE: ") > 1 || pings && strings.Contains(errs, "EE: ") {
		t.Errorf("standard error:\n%s", errs)
	}
	if t.Failed() {
		t.Logf("standard output:\n%.2000s\nstandard error:\n%.2000s", out, errs)
	}
}

// measured reports whether there are these statistics of both addresses.
func measured(t *testing.T, stdout string, statistics []string) bool {
	t.Helper()
	text := read(t, stdout)
	for _, addr := range []string{"127.0.0.1", "::1"} {
		for _, statistic := range statistics {
			if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
				return strings.HasPrefix(line, `{"addr":"`+addr+`"`) && strings.Contains(line, `"`+statistic+`":`)
			}) {
				return false
			}
		}
	}
	return true
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNoLibraries: the image is the two programs and nothing else, and both run
// there, which shows them beside any libc.
func TestNoLibraries(t *testing.T) {
	t.Parallel()
	im, root := load(t)
	if got, want := files(t, root), []string{"/usr/bin/connmonitor", "/usr/bin/connvitals"}; !slices.Equal(got, want) {
		t.Errorf("the image has %q, want %q", got, want)
	}
	n := netlab.New(t).Node("container")
	im.needsRoot(t)
	n.Sysctl("net.ipv4.ping_group_range=0 2147483647")
	for _, test := range []struct {
		line []string
		want string
	}{
		{[]string{im.entry[0], "-v"}, "connmonitor Version "},
		{[]string{"/usr/bin/connvitals", "-stp", "2", "127.0.0.1", "::1"}, "127.0.0.1\n"},
	} {
		cmd, stdout, stderr := im.run(t, root, test.line)
		var err error
		n.Do(func() { err = cmd.Run() })
		if out, errs := read(t, stdout), read(t, stderr); err != nil || !strings.HasPrefix(out, test.want) || errs != "" {
			t.Errorf("%q: %v, %q, %q", test.line, err, out, errs)
		}
	}
}

// TestParseBites: what the tests would not follow is an error.
func TestParseBites(t *testing.T) {
	t.Parallel()
	const good = "# x\nFROM scratch\nCOPY a b /c/\nUSER 1:2\nENTRYPOINT [\"/c/a\"]\n"
	im, err := parse(good)
	if err != nil || im.uid != 1 || im.gid != 2 || len(im.copies) != 1 || target("/c/", "x/b") != "/c/b" || target("/c", "x/b") != "/c" {
		t.Errorf("%+v, %v", im, err)
	}
	for what, text := range map[string]string{
		"a base":           strings.Replace(good, "scratch", "debian", 1),
		"a user by name":   strings.Replace(good, "1:2", "somebody", 1),
		"no group":         strings.Replace(good, "1:2", "1", 1),
		"root":             strings.Replace(good, "1:2", "0:0", 1),
		"a shell":          strings.Replace(good, `["/c/a"]`, "/c/a", 1),
		"an instruction":   good + "RUN true\n",
		"an option":        good + "COPY --from=x a /c/\n",
		"one word to copy": good + "COPY a\n",
		"nothing":          "",
	} {
		if im, err := parse(text); err == nil {
			t.Errorf("%s: %+v", what, im)
		}
	}
}

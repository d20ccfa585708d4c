// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Enter()
	goleak.VerifyTestMain(m)
}

// run runs a command in a node and returns what it printed, whatever its
// status.
func run(t *testing.T, n *Node, name string, args ...string) string {
	t.Helper()
	out, err := n.Command(t.Context(), name, args...).CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// ping sends count echo requests, 2 ms apart unless args say otherwise, and
// returns what ping printed and how many replies it saw, duplicates not
// counted. When it has seen a reply at all, ping(8) waits for the last one only
// twice the longest RTT or one interval, whichever is longer: who counts on the
// last reply takes patient, for a busy machine can take longer than 2 ms.
func ping(t *testing.T, n *Node, to netip.Addr, count int, args ...string) (out string, received int) {
	t.Helper()
	if _, err := exec.LookPath("ping"); err != nil {
		t.Skip(err)
	}
	args = append([]string{"-n", "-c", strconv.Itoa(count), "-i", "0.002", "-W", "1"}, args...)
	out = run(t, n, "ping", append(args, to.String())...)
	m := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`).FindStringSubmatch(out)
	if m == nil || m[1] != strconv.Itoa(count) {
		t.Fatalf("ping %s: no summary of %d packets:\n%s", to, count, out)
	}
	received, _ = strconv.Atoi(m[2])
	return out, received
}

// patient is an interval that is long beside what a busy machine takes.
const patient = "0.05"

// reaches checks that echo requests are answered, from the first on.
func reaches(t *testing.T, n *Node, to ...netip.Addr) {
	t.Helper()
	for _, a := range to {
		if out, received := ping(t, n, a, 3, "-i", patient); received != 3 {
			t.Errorf("from %s to %s: %d of 3 replies\n%s", n.Name, a, received, out)
		}
	}
}

func TestNamespacesAreGoneAfterTheTest(t *testing.T) {
	before := openNamespaces(t)
	t.Run("lab", func(t *testing.T) {
		l := New(t)
		a, b := l.Node("a"), l.Node("b")
		l.Veth(a, b)
		if got := openNamespaces(t); got != before+2 {
			t.Errorf("%d namespaces held within the test, want %d", got, before+2)
		}
	})
	if got := openNamespaces(t); got != before {
		t.Errorf("%d namespaces held after the test, want %d", got, before)
	}
	threadsAreHome(t)
}

// openNamespaces counts the descriptors of network namespaces, which alone
// keep the namespaces of a laboratory alive.
func openNamespaces(t *testing.T) (count int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "net:[") {
			count++
		}
	}
	return count
}

// threadsAreHome checks that every thread of the process is in the namespace
// that the process started in.
func threadsAreHome(t *testing.T) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		if in, err := os.Readlink(thread); err == nil && in != home {
			t.Errorf("%s is %s, want %s", thread, in, home)
		}
	}
}

func TestDoIsInsideAndComesBack(t *testing.T) {
	l := New(t)
	a, b := l.Node("a"), l.Node("b")
	link := l.Veth(a, b)
	devices := func() string {
		var names []string
		all, err := net.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range all {
			names = append(names, i.Name)
		}
		return strings.Join(names, " ")
	}
	home := devices()
	a.Do(func() {
		if got := devices(); got != "lo "+link.A.Device {
			t.Errorf("devices in a: %s", got)
		}
		var c net.PacketConn
		var err error
		b.Do(func() { c, err = net.ListenPacket("udp", link.B.Addr4.String()+":0") })
		if err != nil {
			t.Errorf("listen in b: %v", err)
		} else {
			_ = c.Close()
		}
		if _, err := net.ListenPacket("udp", link.B.Addr4.String()+":0"); err == nil {
			t.Error("b's address could be bound in a, after b.Do")
		}
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Do(runtime.Goexit) // as t.FailNow does
	}()
	<-ended
	if got := devices(); got != home {
		t.Errorf("devices after Do: %s, before: %s", got, home)
	}
	threadsAreHome(t)
}

func TestSilentRouter(t *testing.T) {
	t.Parallel()
	top := Chain(t, 3)
	const exceeded, exceeded6 = "Time to live exceeded", "Time exceeded"
	check := func(want bool) {
		t.Helper()
		wait := map[bool]string{true: "2", false: "0.1"}[want] // ping ends when all is answered
		out, _ := ping(t, top.Client, top.Host4(1), 2, "-t", "1", "-W", wait)
		if got := strings.Contains(out, exceeded); got != want {
			t.Errorf("time exceeded %v, want %v:\n%s", got, want, out)
		}
		out, _ = ping(t, top.Client, top.Host6(1), 2, "-t", "1", "-W", wait)
		if got := strings.Contains(out, exceeded6); got != want {
			t.Errorf("ICMPv6 time exceeded %v, want %v:\n%s", got, want, out)
		}
		reaches(t, top.Client, top.Host4(1), top.Host6(1), top.Links[0].B.Addr4)
	}
	check(true)
	top.Routers[0].Silent()
	check(false)
	top.Routers[0].Heard()
	check(true)
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, time.Second} {
		top := Chain(t, 2)
		top.Routers[0].RateLimit(limit)
		for _, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
			out, _ := ping(t, top.Client, to, 20, "-t", "1", "-W", "0.1")
			got := strings.Count(out, "Time to live exceeded") + strings.Count(out, "Time exceeded")
			if limit == 0 && got != 20 || limit > 0 && (got < 1 || got > 15) {
				t.Errorf("%s: %d of 20 probes answered with a limit of %v", to, got, limit)
			}
		}
	}
}

func TestOutputDropIsAnError(t *testing.T) {
	t.Parallel()
	top := Farm(t)
	top.Client.NFT("table inet t { chain o { type filter hook output priority 0; udp dport 7 drop; }\n}")
	top.Client.Do(func() {
		c, err := net.Dial("udp", top.Host4(1).String()+":7")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPERM) {
			t.Errorf("write: %v, want EPERM", err)
		}
	})
}

func TestProcess(t *testing.T) {
	t.Parallel()
	l := New(t)
	n := l.Node("a")
	p := n.Start("sh", "-c", "echo ready; sleep 1000 & wait")
	p.WaitOutput("ready")
	in, err := os.Readlink("/proc/" + strconv.Itoa(p.PID()) + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	n.Do(func() {
		if want, _ := os.Readlink(threadNamespace); in != want {
			t.Errorf("process is in %s, want %s", in, want)
		}
	})
	p.Kill()
	if err := p.Wait(); err == nil {
		t.Error("killed process ended well")
	}
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process after Kill: %v", err)
	}
	if done := n.Start("true"); done.Wait() != nil {
		t.Errorf("true: %v", done.Wait())
	}
}

// TestEnterWithoutPrivilege runs a test of this binary as another user.
func TestEnterWithoutPrivilege(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 || os.Getenv("NETLAB_NESTED") != "" {
		t.Skip("needs root to give up")
	}
	dir := t.TempDir()
	self := filepath.Join(dir, "netlab.test")
	if err := copyExecutable(self); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-test.v", "-test.run=^TestFarmAnswers$")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "NETLAB_NESTED=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("another user cannot run the test binary: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "no laboratory") {
		t.Skipf("no user namespaces here:\n%s", out)
	}
	if !strings.Contains(string(out), "--- PASS: TestFarmAnswers") {
		t.Errorf("not passed:\n%s", out)
	}
}

// copyExecutable copies the test binary out of the go command's folder, which
// other users may not enter.
func copyExecutable(to string) error {
	for dir := filepath.Dir(to); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	return os.WriteFile(to, binary, 0o755)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/netlab"
)

// binary is the program as it is delivered; TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	netlab.Enter()
	dir, err := os.MkdirTemp("", "connvitals")
	if err == nil {
		err = os.Chmod(dir, 0o755) // an ordinary user runs it, too
	}
	status := 1
	if err == nil {
		binary = filepath.Join(dir, "connvitals")
		status = build(m)
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

func build(m *testing.M) int {
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version=1.2.3", "-o", binary, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build connvitals: %v\n%s", err, out)
		return 1
	}
	status := m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// loopback is a host of its own, with 127.0.0.0/8, ::1 and no way out: no test
// sees another's packets or services, or asks a name server.
func loopback(t *testing.T) *netlab.Node {
	t.Helper()
	return netlab.New(t).Node("host")
}

// outcome is what a run of the program left.
type outcome struct {
	status         int
	stdout, stderr string
}

// program is the real program, to be started in a node.
func program(args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(binary, args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// measure runs the real program in a node.
func measure(t *testing.T, n *netlab.Node, args ...string) outcome {
	t.Helper()
	cmd, stdout, stderr := program(args...)
	return finish(t, n, cmd, stdout, stderr)
}

func finish(t *testing.T, n *netlab.Node, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) outcome {
	t.Helper()
	var err error
	n.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	return ended(t, cmd, stdout, stderr)
}

func ended(t *testing.T, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) outcome {
	t.Helper()
	err := cmd.Wait()
	o := outcome{stdout: stdout.String(), stderr: stderr.String()}
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case ok && exit.Exited():
		o.status = exit.ExitCode()
	case err != nil:
		o.status = -1
	}
	if strings.Contains(o.stderr, "goroutine ") || strings.Contains(o.stderr, "panic") {
		t.Errorf("a Go stack trace on standard error:\n%s", o.stderr)
	}
	return o
}

// nobody is an ordinary user; the test is skipped where there is none to be.
func nobody(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	probe := exec.Command("true")
	probe.SysProcAttr = attr
	if err := probe.Run(); err != nil {
		t.Skipf("cannot run as another user: %v", err)
	}
	return attr
}

// counter counts the echo requests that arrive in a node, for awaitEcho.
func counter(n *netlab.Node) {
	n.NFT(`table inet echoes {
	counter seen {}
	chain input {
		type filter hook input priority 0
		icmp type echo-request counter name seen
	}
}`)
}

// awaitEcho waits until an echo request has arrived since the last call.
func awaitEcho(t *testing.T, n *netlab.Node) {
	t.Helper()
	for late := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var shown []byte
		var err error
		n.Do(func() {
			shown, err = exec.Command("nft", "reset", "counters", "table", "inet", "echoes").CombinedOutput()
		})
		if err != nil || time.Now().After(late) {
			t.Fatalf("no echo request: %v\n%s", err, shown)
		}
		if bytes.Contains(shown, []byte("packets")) && !bytes.Contains(shown, []byte("packets 0 ")) {
			return
		}
	}
}

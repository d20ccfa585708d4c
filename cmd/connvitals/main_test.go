// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// binary is the program as it is delivered; TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	netlab.Enter()
	os.Exit(executable.With("connvitals", func(path string) int {
		binary = path
		status := m.Run()
		if err := goleak.Find(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}))
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
	begin(t, n, cmd)
	return ended(t, cmd, stdout, stderr)
}

// begin starts a program in a node.
func begin(t *testing.T, n *netlab.Node, cmd *exec.Cmd) {
	t.Helper()
	var err error
	n.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
}

func ended(t *testing.T, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) outcome {
	t.Helper()
	o := outcome{status: executable.Status(cmd.Wait()), stdout: stdout.String(), stderr: stderr.String()}
	executable.WantNoTrace(t, o.stderr)
	return o
}

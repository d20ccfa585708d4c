// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"connmonitor/internal/netlab"
)

// binary is the program as it is delivered; TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	netlab.Enter()
	flag.Parse()
	_ = flag.Set("test.parallel", "12") // they wait, most of the time
	dir, err := os.MkdirTemp("", "connmonitor")
	if err == nil {
		// An ordinary user runs it, too.
		err = os.Chmod(dir, 0o755)
	}
	status := 1
	if err == nil {
		binary = filepath.Join(dir, "connmonitor")
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
		fmt.Fprintf(os.Stderr, "build connmonitor: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

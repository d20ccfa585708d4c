// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"flag"
	"os"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// binary is the program as it is delivered; TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	netlab.Enter()
	flag.Parse()
	_ = flag.Set("test.parallel", "12") // they wait, most of the time
	os.Exit(executable.With("connmonitor", func(path string) int {
		binary = path
		return m.Run()
	}))
}

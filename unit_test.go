// SPDX-License-Identifier: Apache-2.0

package connmonitor_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDefect35Unit: the original's unit kept its configuration in a tmpfs,
// truncated its log at each start, had neither [Install] nor Restart, asserted
// the wrong capability, misspelt a key and ran as root.
func TestDefect35Unit(t *testing.T) {
	text, err := os.ReadFile("packaging/connmonitor.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := string(text)
	lines := strings.Split(unit, "\n")
	for _, want := range []string{
		"[Install]",
		"WantedBy=multi-user.target",
		"Restart=on-failure",
		"AmbientCapabilities=CAP_NET_RAW",
		"CapabilityBoundingSet=CAP_NET_RAW",
		`ExecStart=/usr/bin/connmonitor --log /var/log/connmonitor.log --err /var/log/connmonitor.err \`,
		"\t$CONNMONITOR_FLAGS /var/run/connmonitor.conf",
		"User=connmonitor",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit has no line %q", want)
		}
	}
	for _, wanted := range []string{"test -e /var/run/connmonitor.conf ||", "cat /etc/connmonitor.conf", `"1 1 1 10 41 40 1 500"`, "kill -HUP"} {
		if !strings.Contains(unit, wanted) {
			t.Errorf("the unit does not contain %q", wanted)
		}
	}
}

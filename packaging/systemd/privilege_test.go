// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// testPrivileges reads from /proc what the process may do.
func (c *container) testPrivileges() {
	pid := c.outside()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		c.t.Fatalf("threads of process %d: %q, %v", pid, threads, err)
	}
	for _, thread := range threads {
		n, _ := strconv.Atoi(filepath.Base(thread))
		c.harmless(n)
	}
	user := strings.TrimSpace(c.run("id", "--user", "connmonitor"))
	if got := procStatus(pid, "Uid"); user == "0" || !slices.Equal(got, []string{user, user, user, user}) {
		c.t.Errorf("user %q, want %s, which is connmonitor and not root", got, user)
	}
	if got := procStatus(pid, "Gid"); slices.Contains(got, "0") {
		c.t.Errorf("group %q, want one that is not root's", got)
	}
	// A line of titles, and one for each raw socket.
	for _, name := range []string{"raw", "raw6"} {
		if text := c.netFile(name); strings.Count(text, "\n") < 2 {
			c.t.Errorf("/proc/net/%s has no socket:\n%s", name, text)
		}
	}
}

// harmless checks the privileges of a thread, which each has its own of. What
// systemd made inheritable and ambient the program itself has given up.
func (c *container) harmless(thread int) {
	c.t.Helper()
	const none, netRaw = "0000000000000000", "0000000000002000"
	for key, want := range map[string]string{
		"CapInh": none, "CapAmb": none, "CapPrm": netRaw, "CapEff": netRaw, "CapBnd": netRaw, "NoNewPrivs": "1", "Seccomp": "2",
	} {
		if got := procStatus(thread, key); len(got) != 1 || got[0] != want {
			c.t.Errorf("%s of thread %d is %q, want %s", key, thread, got, want)
		}
	}
}

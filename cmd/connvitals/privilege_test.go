// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// privileged is one kind of privilege to run the program with.
type privileged struct {
	user    bool     // an ordinary one
	file    string   // capabilities of the program's file
	group   bool     // may ping by datagram sockets
	wrap    []string // a command that runs the program
	emptied bool     // the bounding set, which takes privilege, too
	pings   bool     // they are possible
}

// prepare is the program with that privilege.
func (p *privileged) prepare(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path := binary
	if p.file != "" {
		path = executable.Capable(t, binary, p.file)
	}
	line := append(append(append([]string{}, p.wrap...), path), args...)
	cmd := exec.Command(line[0], line[1:]...)
	if p.user {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: executable.Nobody(t)}
	}
	return cmd
}

// TestPrivilege runs the program with every kind of privilege that the contract
// names (2.4): all that is left of it once it measures is nothing.
func TestPrivilege(t *testing.T) {
	executable.Nobody(t) // whom only root can be
	within := []string{"unshare", "-Urn", "sh", "-c", `ip link set lo up; exec "$@"`, "sh"}
	for name, p := range map[string]*privileged{
		"root":           {emptied: true, pings: true},
		"file":           {user: true, file: "cap_net_raw,cap_net_admin+ep", pings: true},
		"group":          {user: true, group: true, pings: true},
		"none":           {user: true},
		"user namespace": {user: true, wrap: within, emptied: true, pings: true},
	} {
		t.Run(name, func(t *testing.T) {
			top := netlab.Farm(t)
			host := top.Links[0].B.Addr6.String()
			if p.wrap != nil {
				host = "::1" // the only one in its network
			}
			if top.Client.DenyPings(); p.group {
				top.Client.AllowPings()
			}
			p.measures(t, top.Client, host)
			p.opensMore(t, top.Client, host)
			cmd := p.prepare(t, "-stp", "1000", "--interval", "100", "--timeout", "60000", "127.6.6.6", host) // which is silent, so that it lasts
			fence(top.Client)
			begin(t, top.Client, cmd)
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

// opensMore runs the program with what opens sockets while it measures, for which
// there is privilege still, or of which the want is said.
func (p *privileged) opensMore(t *testing.T, n *netlab.Node, host string) {
	t.Helper()
	for option, possible := range map[string]bool{"--method=udp": true, "--method=tcp": p.pings && !p.group, "--mtu": p.pings} {
		cmd := p.prepare(t, "-P", option, host)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		var err error
		n.Do(func() { err = cmd.Run() })
		measured := err == nil && regexp.MustCompile(`(?m)^(  1  )?`+host+`\b.*\d\.\d{3}$`).MatchString(stdout.String())
		if option == "--mtu" {
			measured = strings.Contains(stdout.String(), "\npath MTU ") && !strings.Contains(stdout.String(), "not found")
		}
		if said := strings.Contains(stderr.String(), "setcap cap_net_raw+ep"); measured != possible || said == possible {
			t.Errorf("%s: %v, %q, want it measured: %v; %s", option, err, stdout.String(), possible, stderr.String())
		}
	}
}

// holdsNothing waits until the process has given up what it may gain, which is
// its last step, and looks for what any of its threads still holds.
func holdsNothing(t *testing.T, pid int, emptied bool) {
	t.Helper()
	// The bit is the last that is set, on one thread after the other.
	netlab.Await(t, "bit of no_new_privs", func() bool {
		if executable.ProcessPrivileges(t, strconv.Itoa(pid))["NoNewPrivs"] != 1 {
			return false // it may be what starts the program still
		}
		for _, has := range executable.ThreadPrivileges(t, pid) {
			if has["NoNewPrivs"] != 1 {
				return false
			}
		}
		return true
	})
	executable.WantPrivileges(t, pid, 0, emptied)
}

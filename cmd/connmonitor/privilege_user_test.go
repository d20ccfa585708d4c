// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// everything is what can be measured of both families, in lines that each are
// soon complete.
const everything = "* json=1 ping=20 numpings=2 trace=20 scan=20\n127.0.0.1\n::1\n"

// measures waits until all statistics of both hosts have come, of which none
// may be missed.
func (p *program) measures(statistics ...string) {
	p.t.Helper()
	p.out.until("all statistics of both hosts", func(text string) bool {
		for _, host := range []string{"127.0.0.1", "::1"} {
			for _, statistic := range statistics {
				if !hasRecord(text, host, statistic) {
					return false
				}
			}
		}
		return true
	})
}

// hasRecord reports whether there is a record of a host with a statistic.
func hasRecord(text, host, statistic string) bool {
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "\n") && strings.HasPrefix(line, `{"addr":"`+host+`"`) && strings.Contains(line, `"`+statistic+`":`) {
			return true
		}
	}
	return false
}

// root skips a test that does not run as root of this machine.
func root(t *testing.T) {
	t.Helper()
	executable.Nobody(t) // whom only root can be
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// TestPrivilegeOfRoot: of all that root may, CAP_NET_RAW is left, for sockets
// that a reload may ask for; and nothing where none can come.
func TestPrivilegeOfRoot(t *testing.T) {
	t.Parallel()
	root(t)
	for name, test := range map[string]struct {
		stdin bool
		text  string
		want  uint64
	}{
		"file":                               {false, everything, capNetRaw},
		"scans that a reload may add to":     {false, "* json=1 ping=0 scan=20\n127.0.0.1\n::1\n", capNetRaw},
		"standard input":                     {true, everything, 0},
		"standard input and Don't Fragment":  {true, "* df=1\n" + everything, capNetRaw},
		"standard input, which has no pings": {true, "* json=1 ping=0 scan=20\n127.0.0.1\n::1\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := netlab.Loopback(t)
			n.DenyPings()
			s := setup{stdin: test.text}
			if !test.stdin {
				s = setup{args: []string{config(t, test.text)}}
			}
			p := start(t, n, s)
			if strings.Contains(test.text, "ping=0") {
				p.measures("scan")
			} else {
				p.measures("ping", "trace", "scan")
			}
			p.holds(test.want, true)
			p.terminates()
			p.lossless()
			p.silent()
		})
	}
}

// TestPrivilegeOfTheFile: an ordinary user runs a program that has CAP_NET_RAW
// of its file, and perhaps one for the buffers, which goes once they are set.
func TestPrivilegeOfTheFile(t *testing.T) {
	t.Parallel()
	for _, capabilities := range []string{"cap_net_raw+ep", "cap_net_raw,cap_net_admin,cap_dac_override+ep"} {
		user, n := executable.Nobody(t), netlab.Loopback(t)
		n.DenyPings()
		p := start(t, n, setup{program: executable.Capable(t, binary, capabilities), args: []string{config(t, everything)}, user: user})
		p.measures("ping", "trace", "scan")
		p.holds(capNetRaw, false)
		p.terminates()
		p.lossless()
		p.silent()
	}
}

// TestPrivilegeAmbient is how systemd gives it.
func TestPrivilegeAmbient(t *testing.T) {
	t.Parallel()
	executable.Nobody(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	n := netlab.Loopback(t)
	n.DenyPings()
	p := start(t, n, setup{
		wrap: []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw", "--bounding-set=-all,+net_raw"},
		args: []string{config(t, everything)},
	})
	p.measures("ping", "trace", "scan")
	for path, has := range executable.ThreadPrivileges(t, p.cmd.Process.Pid) {
		if has["CapEff"] != capNetRaw || has["CapPrm"] != capNetRaw || has["CapInh"] != 0 || has["CapAmb"] != 0 || has["NoNewPrivs"] != 1 {
			t.Errorf("%s: %x", path, has)
		}
	}
	p.terminates()
	p.silent()
}

// TestPrivilegeOfTheGroup: an ordinary user pings and traces by datagram
// sockets where the sysctl allows it, and holds nothing.
func TestPrivilegeOfTheGroup(t *testing.T) {
	t.Parallel()
	user, n := executable.Nobody(t), netlab.Loopback(t)
	n.AllowPings()
	p := start(t, n, setup{args: []string{config(t, everything)}, user: user})
	p.measures("ping", "trace", "scan")
	p.holds(0, false)
	p.terminates()
	p.lossless()
	p.silent()
}

// TestPrivilegeOfNobody: without any way to ping there is one error that says
// what would help; traces by UDP and scans go on, and pings alone are the end.
func TestPrivilegeOfNobody(t *testing.T) {
	t.Parallel()
	user, top := executable.Nobody(t), netlab.Farm(t)
	n := top.Client
	n.DenyPings()
	// Our own answer to a trace of ourselves is one, too.
	hosts := []string{top.Links[0].B.Addr4.String(), top.Links[0].B.Addr6.String(), "127.0.0.1", "::1"}
	text := "* json=1 ping=20 numpings=2 trace=20 scan=20\n" + strings.Join(hosts, "\n") + "\n"
	p := start(t, n, setup{args: []string{config(t, text)}, user: user})
	for _, host := range hosts {
		p.out.has(`"name":"`+host+`"`, 2)
		p.out.until("a trace that reaches "+host, func(text string) bool { return strings.Contains(text, `["`+host+`",`) })
		p.out.until("a scan of "+host, func(text string) bool { return hasRecord(text, host, "scan") })
	}
	p.holds(0, false)
	p.terminates()
	tellsWhatHelps(p)
	if strings.Contains(p.out.text(), `"ping":`) {
		t.Error("there are pings")
	}
	p = start(t, n, setup{args: []string{config(t, "127.0.0.1 ping=20\n::1 ping=20\n")}, user: user})
	p.exits(exitError)
	tellsWhatHelps(p)
	if text := p.out.text(); text != "" {
		t.Errorf("standard output %q", text)
	}
}

// tellsWhatHelps checks that the log is one error that names both remedies.
func tellsWhatHelps(p *program) {
	p.t.Helper()
	es := p.told()
	if len(es) != 1 || es[0].typ != "PrivilegeError" || !strings.Contains(es[0].text, "pings are not possible") ||
		!strings.Contains(es[0].text, "setcap cap_net_raw+ep") || !strings.Contains(es[0].text, "net.ipv4.ping_group_range") {
		p.t.Errorf("standard error %+v, want one line with what would help", es)
	}
}

// TestPrivilegeInUserNamespace: who is root there holds all capabilities, over
// a network that is the namespace's own; over another network they are of no
// use, and none is kept.
func TestPrivilegeInUserNamespace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unshare string
		want    uint64
	}{
		"its own network": {"-Urn", capNetRaw},
		"another network": {"-Ur", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, n := executable.Nobody(t), netlab.Loopback(t)
			n.AllowPings()
			namespaces(t, n, user)
			p := start(t, n, setup{
				wrap: []string{"unshare", test.unshare, "sh", "-c", `ip link set lo up 2>/dev/null; exec "$@"`, "sh"},
				args: []string{config(t, everything)}, user: user,
			})
			p.measures("ping", "trace", "scan")
			p.holds(test.want, true)
			p.terminates()
			p.lossless()
			p.silent()
		})
	}
}

// namespaces skips a test where an ordinary user may not have user namespaces.
func namespaces(t *testing.T, n *netlab.Node, user *syscall.Credential) {
	t.Helper()
	command := exec.Command("unshare", "-Urn", "ip", "link", "set", "lo", "up")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	var out []byte
	var err error
	n.Do(func() { out, err = command.CombinedOutput() })
	if err != nil {
		t.Skipf("no user namespaces for an ordinary user: %v: %s", err, out)
	}
}

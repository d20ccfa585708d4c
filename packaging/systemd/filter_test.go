// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// testFilter has the kernel refuse what the unit's filter of addresses does not
// let through, whatever the program says, and the program say so.
func (c *container) testFilter() {
	if _, err := c.try("systemd-run", "--quiet", "--wait", "--collect", "--property=IPAddressDeny=any",
		"bash", "-c", "echo >/dev/udp/127.0.0.1/9"); err == nil {
		c.t.Skip("systemd has no filters of addresses here: the kernel lacks CONFIG_CGROUP_BPF, or may not be asked")
	}
	const own = "198.51.100.7"
	for _, args := range []string{
		"link add v0 type veth peer name v1", "link set v1 up", "link set v0 up",
		"address add " + own + "/24 dev v0", "address add 2001:db8::7/64 dev v0 nodad",
		"-4 route add default dev v0", "-6 route add default dev v0",
	} {
		c.net(append([]string{"ip"}, strings.Fields(args)...)...)
	}
	defer c.net("ip", "link", "del", "v0")
	for _, address := range []string{"127.0.0.1", own, "203.0.113.1", "240.0.0.1", "::1", "2001:db8::1", "fe80::1%v0", "fc00::1"} {
		if !c.passes(address) {
			c.t.Errorf("the unit's filter refuses %s", address)
		}
	}
	for _, address := range []string{"224.0.0.1", "239.255.255.255", "ff02::1%v0", "ff0e::1"} {
		if c.passes(address) {
			c.t.Errorf("the unit's filter lets %s through", address)
		}
	}
	c.measure("* json=1 ping=50\n127.0.0.1\n" + own + "\n")
	c.logged("127.0.0.1", 0, answers("127.0.0.1"))
	c.logged(own, 0, answers(own))
	c.testRefused(own)
}

// passes tells whether the kernel lets a process of the unit send to an
// address. It must let others, else the answer would say nothing of the unit.
func (c *container) passes(address string) bool {
	c.t.Helper()
	const send = `echo >/dev/udp/"$1"/9`
	c.run("bash", "-c", send, "bash", address)
	out, err := c.try("bash", "-c", "echo $$ >/sys/fs/cgroup\"$2\"/cgroup.procs && "+send, "bash", address, c.show("ControlGroup"))
	if err != nil && !strings.Contains(out, "Operation not permitted") {
		c.t.Fatalf("send to %s: %v: %s", address, err, out)
	}
	return err == nil
}

// testRefused monitors a host that a drop-in's filter does not let through:
// that is no loss, and the log says what it is.
func (c *container) testRefused(host string) {
	c.t.Helper()
	restore := c.dropIn("IPAddressAllow=\nIPAddressAllow=127.0.0.0/8")
	defer restore()
	c.run("systemctl", "stop", unit)
	from, fromErr := len(c.read(logFile)), len(c.read(errFile))
	c.measure("* json=1 ping=50\n127.0.0.1\n" + host + "\n")
	c.complained(fromErr, "PingError: "+host+": pings were spoiled by this host: "+syscall.EPERM.Error())
	c.logged("beside what is refused", from, answers("127.0.0.1"))
	for _, r := range c.records(whole(c.read(logFile)[from:])) {
		if r.Name == host {
			c.t.Errorf("a record of what was never sent: %+v", r)
		}
	}
}

// testLimits reads from the cgroups of the main process what the unit limits.
func (c *container) testLimits() {
	group := c.show("ControlGroup")
	for property, files := range map[string]map[version]string{
		"MemoryMax": {version1: "/memory" + group + "/memory.limit_in_bytes", version2: group + "/memory.max"},
		"TasksMax":  {version1: "/pids" + group + "/pids.max", version2: group + "/pids.max"},
	} {
		file := "/sys/fs/cgroup" + files[c.version]
		got, want := strings.TrimSpace(c.read(file)), c.show(property)
		if got == "" && c.version == version2 {
			c.t.Skipf("the container has no %s: its cgroup was given no controllers", file)
		}
		if got != want || want == "infinity" {
			c.t.Errorf("%s is %q, and %s %q", file, got, property, want)
		}
		pids := strings.Fields(c.run("cat", filepath.Join(filepath.Dir(file), "cgroup.procs")))
		if !slices.Contains(pids, c.show("MainPID")) {
			c.t.Errorf("%s is not for process %s, but %q", file, c.show("MainPID"), pids)
		}
	}
}

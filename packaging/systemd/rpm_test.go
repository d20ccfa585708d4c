// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestRPM has the .rpm's life from its installation to its removal. The parts
// build on each other.
func TestRPM(t *testing.T) {
	t.Parallel()
	needs(t, append([]string{"rpm", "rpm2cpio"}, tools...)...)
	c := boot(t, debian(t), versionWithLimits())
	// What scriptlets find on Debian alone.
	c.run("rm", "/usr/bin/deb-systemd-helper", "/usr/bin/deb-systemd-invoke")
	r, before := &rpm{c: c}, c.files()
	c.parts(t,
		part{"InstalledDisabled", func(*container) { r.testInstalledDisabled(before) }},
		part{"Installed", func(*container) { r.testInstalled() }},
		part{"Limits", (*container).testLimits},
	)
	c.parts(t, life...)
	c.parts(t,
		part{"Upgrade", func(c *container) { c.testUpgrade(r.install) }},
		part{"UpgradeDisabled", func(c *container) { c.testUpgradeDisabled(r.install) }},
		part{"UpgradeStopped", func(*container) { r.testUpgradeStopped() }},
		part{"Removed", func(*container) { r.testRemoved(before) }},
	)
}

// rpm installs, upgrades and removes packages as the program of that name does.
// It would not do so on a Debian, to which the packages that this one needs
// are unknown.
type rpm struct {
	c         *container
	installed *packageSet // nil when there is none
}

// install installs a package, in place of the one that there is.
func (r *rpm) install(s *packageSet) {
	r.c.t.Helper()
	if r.installed == nil {
		r.unpack(s)
		r.scriptlet(s, "POSTIN", "1")
	} else {
		r.unpack(s, "--nonmatching", "*/etc/*") // where an administrator may have changed them
		r.scriptlet(s, "POSTIN", "2")
		r.scriptlet(r.installed, "PREUN", "1")
		r.scriptlet(r.installed, "POSTUN", "1")
	}
	r.installed = s
}

// remove removes the package.
func (r *rpm) remove() {
	r.c.t.Helper()
	r.scriptlet(r.installed, "PREUN", "0")
	files := strings.Fields(r.query(r.installed, "[%{FILENAMES}\n]"))
	slices.Reverse(files) // a folder comes before what is in it
	r.c.run(append([]string{"sh", "-c", `for file; do if [ -d "$file" ]; then rmdir "$file"; else rm "$file"; fi; done`, "sh"}, files...)...)
	r.scriptlet(r.installed, "POSTUN", "0")
	r.installed = nil
}

// query is what the header of a package says.
func (r *rpm) query(s *packageSet, format string) string {
	r.c.t.Helper()
	out, err := exec.Command("rpm", "--query", "--package", "--nosignature", "--queryformat", format, s.file(r.c.t, "rpm")).Output()
	if err != nil {
		r.c.t.Fatalf("rpm --query: %v", err)
	}
	return string(out)
}

// scriptlet runs a scriptlet as rpm does. It is told how many packages of the
// name there will be.
func (r *rpm) scriptlet(s *packageSet, tag, packages string) {
	c := r.c
	c.t.Helper()
	if program := r.query(s, "%{"+tag+"PROG}"); program != "/bin/sh" {
		c.t.Fatalf("the scriptlet %s is for %q", tag, program)
	}
	const path = "/var/tmp/rpm-tmp"
	c.write(path, r.query(s, "%{"+tag+"}"))
	c.run("/bin/sh", path, packages)
	c.run("rm", path)
}

// unpack unpacks the files of a package over the system, but for those that
// cpio is told to leave out.
func (r *rpm) unpack(s *packageSet, but ...string) {
	c := r.c
	c.t.Helper()
	// The status of rpm2cpio says whether the archive is as long as the package
	// has noted. What nfpm notes is how long the files in it are together, so
	// only words of rpm2cpio count, and that cpio finds the archive's end.
	var complaints bytes.Buffer
	convert := exec.Command("rpm2cpio", s.file(c.t, "rpm"))
	convert.Stderr = &complaints
	payload, err := convert.Output()
	if complaints.Len() > 0 || len(payload) == 0 {
		c.t.Fatalf("rpm2cpio: %v\n%s", err, &complaints)
	}
	options := append([]string{"--extract", "--make-directories", "--unconditional", "--quiet", "--directory=/"}, but...)
	cmd := c.command(append([]string{"cpio"}, options...)...)
	cmd.Stdin = bytes.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		c.t.Fatalf("cpio: %v\n%s", err, out)
	}
}

// preset has the distribution enable the service when it is installed, or not.
func (r *rpm) preset(verb string) {
	r.c.t.Helper()
	r.c.write("/etc/systemd/system-preset/10-test.preset", verb+" connmonitor.service\n")
}

// testInstalledDisabled installs and removes the package where the distribution
// enables no services.
func (r *rpm) testInstalledDisabled(before []string) {
	c := r.c
	r.preset("disable")
	r.install(&current)
	c.wants("UnitFileState", "disabled", "ActiveState", "inactive", "MainPID", "0")
	c.hasAccount()
	c.ownsLogs()
	r.remove()
	r.gone(before)
}

// testInstalled has the service up and enabled after the installation, where
// the distribution enables it.
func (r *rpm) testInstalled() {
	r.preset("enable")
	r.install(&current)
	r.c.running()
	r.c.wants("UnitFileState", "enabled")
	r.c.hasAccount()
	r.c.ownsLogs()
}

// testUpgradeStopped upgrades a service that is enabled, and that somebody has
// stopped all the same.
func (r *rpm) testUpgradeStopped() {
	r.install(&older)
	r.c.run("systemctl", "enable", unit)
	r.c.run("systemctl", "stop", unit)
	r.install(&current)
	r.c.wants("UnitFileState", "enabled", "ActiveState", "inactive", "MainPID", "0")
}

// testRemoved removes the package while the service runs. What was measured
// stays, and what an administrator has written.
func (r *rpm) testRemoved(before []string) {
	c := r.c
	c.write(etcFile, example)
	c.run("systemctl", "start", unit)
	c.running()
	log := c.read(logFile)
	r.remove()
	r.gone(before)
	if got := c.read(etcFile); got != example {
		c.t.Errorf("%s is %q after the removal, want %q", etcFile, got, example)
	}
	if got := c.read(logFile); log == "" || !strings.HasPrefix(got, log) {
		c.t.Errorf("the log of %d bytes has %d after the removal", len(log), len(got))
	}
}

// gone checks what is left of the package: the logs, the configuration and the
// account that they belong to.
func (r *rpm) gone(before []string) {
	c := r.c
	c.t.Helper()
	c.wants("LoadState", "not-found", "ActiveState", "inactive")
	if out, err := c.try("pidof", "connmonitor"); err == nil {
		c.t.Errorf("the process is left: %s", out)
	}
	c.hasAccount()
	c.ownsLogs()
	for _, file := range c.files() {
		stays := strings.HasPrefix(file, logFile) || strings.HasPrefix(file, errFile) || file == etcFile || file == "/var/lib/connmonitor"
		if !stays && !slices.Contains(before, file) {
			c.t.Errorf("%s is left", file)
		}
	}
}

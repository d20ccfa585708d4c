// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstallBelowAPrefix installs where an administrator does by hand: systemd
// looks below /usr/local too, and the unit has to name the program there.
func TestInstallBelowAPrefix(t *testing.T) {
	bin := t.TempDir()
	for prefix, lib := range map[string]string{"/usr": "/usr/lib", "/usr/local": "/usr/local/lib", "/opt/connmonitor": "/usr/local/lib"} {
		t.Run(prefix, func(t *testing.T) {
			files := install(t, bin, prefix)
			for _, path := range []string{
				prefix + "/bin/connmonitor", prefix + "/bin/connvitals",
				prefix + "/share/man/man8/connmonitor.8.gz", prefix + "/share/doc/connmonitor/LICENSE",
				lib + "/sysctl.d/10-connmonitor.conf", lib + "/sysusers.d/connmonitor.conf", lib + "/tmpfiles.d/connmonitor.conf",
				"/etc/default/connmonitor", "/etc/logrotate.d/connmonitor",
			} {
				if _, ok := files[path]; !ok {
					t.Errorf("%s is missing", path)
				}
			}
			unit := string(files[lib+"/systemd/system/connmonitor.service"].content)
			if !strings.Contains(unit, "\nExecStart="+prefix+"/bin/connmonitor --log ") {
				t.Errorf("the unit does not start %s/bin/connmonitor:\n%s", prefix, unit)
			}
		})
	}
}

// TestInstallKeepsConfiguration installs over what an administrator changed.
func TestInstallKeepsConfiguration(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	makeInstall(t, root, bin, "/usr")
	for _, path := range configurations {
		path = filepath.Join(root, path)
		if err := os.WriteFile(path, []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	makeInstall(t, root, bin, "/usr")
	for _, path := range configurations {
		if got := read(t, filepath.Join(root, path)); got != "mine\n" {
			t.Errorf("%s was overwritten: %q", path, got)
		}
	}
}

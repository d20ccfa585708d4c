// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"archive/tar"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

func checkDeb(t *testing.T, file, arch string, installed map[string]entry) {
	need(t, "dpkg-deb")
	got, want := readDeb(t, file), maps.Clone(installed)
	// What Debian wants otherwise.
	for _, name := range []string{"copyright", "changelog.Debian.gz"} {
		want["/usr/share/doc/connmonitor/"+name] = entry{mode: 0o644, content: got["/usr/share/doc/connmonitor/"+name].content}
	}
	delete(want, "/usr/share/doc/connmonitor/LICENSE")
	for _, name := range []string{"_connmonitor", "_connvitals"} {
		want["/usr/share/zsh/vendor-completions/"+name] = want["/usr/share/zsh/site-functions/"+name]
		delete(want, "/usr/share/zsh/site-functions/"+name)
	}
	checkFiles(t, arch, got, want)
	checkPrograms(t, arch, got)
	fields := map[string]string{"Package": "connmonitor", "Version": version(t) + "-1", "Architecture": architectures[arch].deb, "Section": "net"}
	for field, value := range fields {
		if got := strings.TrimSpace(output(t, "dpkg-deb", "--field", file, field)); got != value {
			t.Errorf("%s: %q, want %q", field, got, value)
		}
	}
	if got := strings.Fields(output(t, "dpkg-deb", "--info", file, "conffiles")); !slices.Equal(got, configurations) {
		t.Errorf("conffiles %q, want %q", got, configurations)
	}
	for script, source := range map[string]string{"postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"} {
		if output(t, "dpkg-deb", "--info", file, script) != read(t, "scripts/"+source+".sh") {
			t.Errorf("%s is not scripts/%s.sh", script, source)
		}
	}
}

// readDeb reads the files of a Debian package.
func readDeb(t *testing.T, file string) map[string]entry {
	t.Helper()
	files := make(map[string]entry)
	archive := tar.NewReader(strings.NewReader(output(t, "dpkg-deb", "--fsys-tarfile", file)))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			if h.FileInfo().Mode().Perm() != 0o755 || h.Uname+"/"+h.Gname != "root/root" {
				t.Errorf("the folder %s has mode %v and belongs to %s/%s", h.Name, h.FileInfo().Mode(), h.Uname, h.Gname)
			}
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[path.Clean("/"+h.Name)] = entry{mode: h.FileInfo().Mode(), owner: h.Uname + "/" + h.Gname, content: content}
	}
}

func checkRPM(t *testing.T, file, arch string, installed map[string]entry) {
	got := readRPM(t, file)
	checkFiles(t, arch, got, installed)
	checkPrograms(t, arch, got)
	need(t, "rpm")
	query := func(format string) string {
		return output(t, "rpm", "--query", "--package", "--nosignature", "--qf", format, file)
	}
	if got, want := query("%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE} %{BUILDHOST} %{BUILDTIME}"),
		"connmonitor "+version(t)+" 1 "+architectures[arch].rpm+" Apache-2.0 localhost "+epoch; got != want {
		t.Errorf("header %q, want %q", got, want)
	}
	// What the scriptlets call; nfpm adds nothing of itself.
	requires := strings.Fields(output(t, "rpm", "--query", "--package", "--nosignature", "--requires", file))
	if want := []string{"/bin/sh", "coreutils", "/usr/bin/getent", "/usr/sbin/groupadd", "/usr/sbin/useradd"}; !slices.Equal(requires, want) {
		t.Errorf("requires %q, want %q", requires, want)
	}
	var config []string
	for line := range strings.Lines(query("[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEUSERNAME}/%{FILEGROUPNAME}\n]")) {
		words := strings.Fields(line)
		if words[len(words)-1] != "root/root" {
			t.Errorf("ownership %q", line)
		}
		if words[1] == "cn" { // config, noreplace
			config = append(config, words[0])
		}
	}
	if !slices.Equal(config, configurations) {
		t.Errorf("config(noreplace) of %q, want %q", config, configurations)
	}
	for tag, source := range map[string]string{"POSTIN": "postinstall", "PREUN": "preremove", "POSTUN": "postremove"} {
		if query("%{"+tag+"}") != read(t, "scripts/"+source+".sh") {
			t.Errorf("%%%s is not scripts/%s.sh", tag, source)
		}
	}
}

// readRPM unpacks an RPM package; cpio says what belongs to whom there, the
// files themselves the rest.
func readRPM(t *testing.T, file string) map[string]entry {
	t.Helper()
	need(t, "rpm2cpio", "cpio")
	root := t.TempDir()
	run := func(options string) string {
		command := exec.CommandContext(t.Context(), "sh", "-c", `rpm2cpio "$1" | cpio --quiet `+options, "sh", file)
		command.Dir = root
		command.Env = append(os.Environ(), "LC_ALL=C")
		out, err := command.Output()
		if err != nil {
			t.Fatalf("rpm2cpio %s: %v", file, err)
		}
		return string(out)
	}
	run("--extract --make-directories --no-absolute-filenames --preserve-modification-time")
	files := make(map[string]entry)
	for line := range strings.Lines(run("--list --verbose")) {
		// -rw-r--r-- 1 root root 504 Jan 1 1970 /etc/default/connmonitor
		words := strings.Fields(line)
		if line[0] == 'd' {
			continue
		}
		name := words[len(words)-1]
		info, err := os.Stat(path.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = entry{mode: modeOf(t, words[0], info), owner: words[2] + "/" + words[3], content: []byte(read(t, path.Join(root, name)))}
	}
	return files
}

// modeOf compares the mode that cpio tells with that of the unpacked file, and
// returns the former: a umask must not have made it.
func modeOf(t *testing.T, text string, info os.FileInfo) os.FileMode {
	t.Helper()
	var mode os.FileMode
	for i, c := range text[1:10] {
		if c != '-' {
			mode |= 1 << (8 - i)
		}
	}
	if text[0] != '-' || !info.Mode().IsRegular() {
		t.Errorf("%s is no regular file", info.Name())
	}
	return mode
}

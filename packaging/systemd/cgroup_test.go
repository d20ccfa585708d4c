// SPDX-License-Identifier: Apache-2.0

package systemd_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makeCgroups makes a cgroup below this process' own in each hierarchy that
// systemd uses to tell units by, or to limit them. A container that has not its
// own would share them with the next.
func makeCgroups(t *testing.T, name string) []string {
	t.Helper()
	paths, err := cgroupPaths()
	if err != nil {
		unavailable(t, err)
	}
	for i, path := range paths {
		// Of tests that were killed; one that is in use cannot be removed.
		old, _ := filepath.Glob(filepath.Join(path, prefix+"*"))
		removeCgroups(slices.DeleteFunc(old, inUse))
		paths[i] = filepath.Join(path, name)
		if err := os.Mkdir(paths[i], 0o755); err != nil {
			unavailable(t, err)
		}
	}
	return paths
}

// prefix is how the names of our containers and cgroups begin; the number of
// the process that has made them follows.
const prefix = "connmonitor-"

// inUse tells whether the process that has made a cgroup still runs.
func inUse(path string) bool {
	number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), "-")
	return exists("/proc/" + number)
}

// hierarchies are those that containers use: version 2, and of version 1 the
// named one and those of the controllers for which the unit has a limit.
var hierarchies = []string{"", "name=systemd", "memory", "pids"}

// version is how a container's systemd sees cgroups. The filters of addresses
// are in force with version 2 only, the limits where their controllers are.
type version string

// The values are those of SYSTEMD_NSPAWN_UNIFIED_HIERARCHY.
const (
	version1 version = "0"
	version2 version = "1"
)

// versionWithLimits is the version whose hierarchies have the controllers.
func versionWithLimits() version {
	if exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") {
		return version1
	}
	return version2
}

// cgroupPaths are this process' cgroups in those of the hierarchies that there
// are.
func cgroupPaths() ([]string, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(string(own)) {
		words := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(words) < 3 || !slices.Contains(hierarchies, words[1]) {
			continue
		}
		if mounted := cgroupMount(string(mounts), words[1]); mounted != "" {
			paths = append(paths, filepath.Join(mounted, words[2]))
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("no cgroup hierarchy of systemd is mounted")
	}
	return paths, nil
}

// cgroupMount is where the hierarchy is mounted: fields 5, and, behind a dash,
// the type and the options of the file system (proc_pid_mountinfo(5)).
func cgroupMount(mounts, hierarchy string) string {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 {
			continue
		}
		unified := hierarchy == "" && kind[0] == "cgroup2"
		named := hierarchy != "" && kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), hierarchy)
		if unified || named {
			return place[4]
		}
	}
	return ""
}

// removeCgroups removes the cgroups with all below them, and reports whether
// they are gone. One that has a process left cannot be removed.
func removeCgroups(paths []string) bool {
	gone := true
	for _, path := range paths {
		var folders []string
		_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil // what is gone already needs no removal
		})
		for _, folder := range slices.Backward(folders) {
			_ = os.Remove(folder)
		}
		_, err := os.Stat(path)
		gone = gone && errors.Is(err, fs.ErrNotExist)
	}
	return gone
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReopenLosesNothing rotates a file while it is written to.
func TestReopenLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, f)
	var log sink
	o := NewOutput(f, NewLog(&log, false), Options{Name: path})
	stop := start(o)
	const records, rotations = 20_000, 50
	for i := range records {
		o.Append(line(i))
		if i%(records/rotations) == 0 {
			if err := os.Rename(path, fmt.Sprintf("%s.%02d", path, i*rotations/records)); err != nil {
				t.Fatal(err)
			}
			if err := f.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	var got []byte
	for i := range rotations {
		old := contents(t, fmt.Sprintf("%s.%02d", path, i))
		if len(old)%len(line(0)) != 0 {
			t.Errorf("file %d ends in a part of a record", i)
		}
		got = append(got, old...)
	}
	got = append(got, contents(t, path)...)
	var want []byte
	for i := range records {
		want = append(want, line(i)...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	wantLines(t, &log)
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReopenThatFails keeps the old file.
func TestReopenThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, f)
	moved := dir + ".moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if _, err := f.Write(line(1)); err != nil {
		t.Error(err)
	}
	if got := contents(t, filepath.Join(moved, "log")); !bytes.Equal(got, line(1)) {
		t.Errorf("%q", got)
	}
}

func TestOpenFile(t *testing.T) {
	if _, err := OpenFile(t.TempDir()); err == nil {
		t.Error("a directory was opened")
	}
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("after\n")); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got := string(contents(t, path)); got != "before\nafter\n" {
		t.Errorf("%q", got)
	}
}

// TestCut takes back the end of a file, with and without O_APPEND, and only
// where that is safe.
func TestCut(t *testing.T) {
	for _, flag := range []int{0, os.O_APPEND} {
		path := filepath.Join(t.TempDir(), "log")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, f)
		write := func(s string) {
			if _, err := f.WriteString(s); err != nil {
				t.Fatal(err)
			}
		}
		write("whole\npart")
		if !cut(f, 4) {
			t.Error("not cut")
		}
		write("next\n")
		if got := string(contents(t, path)); got != "whole\nnext\n" {
			t.Errorf("%q", got)
		}
		if cut(f, 100) {
			t.Error("cut more than there is")
		}
		other, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, other)
		if _, err := other.WriteString("of somebody else\n"); err != nil {
			t.Fatal(err)
		}
		if cut(f, 2) {
			t.Error("cut what somebody else has written")
		}
	}
}

// TestRealFullDisk fills a file system of 64 KiB: what is on it then are whole
// records, and when there is room again the rest follows.
func TestRealFullDisk(t *testing.T) {
	file, filler := smallDisk(t)
	if _, err := filler.Write(make([]byte, 40<<10)); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 4)
	log := scripted(func(p []byte) (int, error) {
		said <- string(p)
		return len(p), nil
	})
	o := NewOutput(file, NewLog(log, false), Options{Name: "log"})
	var want []byte
	for i := range 2800 { // 39 kB, for which there are 24 KiB
		o.Append(line(i))
		want = append(want, line(i)...)
	}
	stop := start(o)
	if got := <-said; !strings.HasPrefix(got, "EE: Output: log: write "+file.Name()+": no space left on device; ") {
		t.Error(got)
	}
	torn := make([]byte, len(want)+1)
	if n, _ := file.ReadAt(torn, 0); n%len(line(0)) != 0 {
		t.Errorf("%d bytes are not whole records", n)
	}

	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := <-said; !strings.HasPrefix(got, "WW: log: can be written again, 0 records were lost (after ") {
		t.Error(got)
	}
	got := make([]byte, len(want)+1)
	if n, _ := file.ReadAt(got, 0); !bytes.Equal(got[:n], want) {
		t.Errorf("%d bytes, want %d", n, len(want))
	}
	wantStats(t, o, 2800, 0)
}

// smallDisk opens two files on a tmpfs of 64 KiB that only a thread of this
// test can see.
func smallDisk(t *testing.T) (first, second *os.File) {
	t.Helper()
	dir := t.TempDir()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with this goroutine, and its name
		// space with it.
		runtime.LockOSThread()
		if err = mountSmall(dir); err != nil {
			return
		}
		if first, err = os.OpenFile(filepath.Join(dir, "first"), os.O_CREATE|os.O_RDWR, 0o644); err != nil {
			return
		}
		second, err = os.OpenFile(filepath.Join(dir, "second"), os.O_CREATE|os.O_RDWR, 0o644)
	}()
	<-done
	if err != nil {
		t.Skipf("no file system of our own: %v", err)
	}
	t.Cleanup(func() {
		_ = first.Close()
		_ = second.Close()
	})
	return first, second
}

// mountSmall mounts the tmpfs in a mount name space of this thread's own.
func mountSmall(dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
}

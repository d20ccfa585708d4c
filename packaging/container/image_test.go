// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// image is what a Containerfile describes.
type image struct {
	copies   []layer
	uid, gid uint32
	volumes  []string
	entry    []string // the program and its first arguments
	command  []string // further ones, which a user may replace
}

// layer is one COPY: files of the build context, and where they go.
type layer struct {
	from []string
	to   string
}

// parse reads a Containerfile; an instruction that it does not know is an
// error, for the tests would not see what it does.
func parse(text string) (*image, error) {
	im := &image{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		instruction, rest, _ := strings.Cut(line, " ")
		if err := im.instruct(instruction, strings.TrimSpace(rest)); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
	}
	if im.uid == 0 || im.gid == 0 || len(im.entry) == 0 {
		return nil, errors.New("there is no user other than root, or no entry point")
	}
	return im, nil
}

func (im *image) instruct(instruction, rest string) error {
	switch instruction {
	case "FROM":
		if rest != "scratch" {
			return errors.New("want scratch")
		}
	case "COPY":
		words := strings.Fields(rest)
		if len(words) < 2 || strings.HasPrefix(rest, "-") {
			return errors.New("want files and a folder")
		}
		im.copies = append(im.copies, layer{words[:len(words)-1], words[len(words)-1]})
	case "USER":
		return im.user(rest)
	case "VOLUME":
		return json.Unmarshal([]byte(rest), &im.volumes)
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &im.entry)
	case "CMD":
		return json.Unmarshal([]byte(rest), &im.command)
	default:
		return errors.New("unknown instruction")
	}
	return nil
}

// user reads numbers: there are no names in an empty image.
func (im *image) user(text string) error {
	user, group, _ := strings.Cut(text, ":")
	uid, err := strconv.ParseUint(user, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(group, 10, 32)
	im.uid, im.gid = uint32(uid), uint32(gid)
	return err
}

// build makes the root file system of the image in a folder that every user may
// enter. context is what COPY copies from.
func (im *image) build(t *testing.T, context string) (root string) {
	t.Helper()
	root = t.TempDir()
	var errs error
	for _, dir := range []string{filepath.Dir(root), root} {
		errs = errors.Join(errs, os.Chmod(dir, 0o755))
	}
	for _, volume := range im.volumes {
		errs = errors.Join(errs, os.MkdirAll(filepath.Join(root, volume), 0o755))
	}
	for _, c := range im.copies {
		for _, from := range c.from {
			errs = errors.Join(errs, copyFile(filepath.Join(context, from), filepath.Join(root, target(c.to, from))))
		}
	}
	if errs != nil {
		t.Fatal(errs)
	}
	return root
}

// target is the name that a file gets: one in a folder, when to ends in "/".
func target(to, from string) string {
	if strings.HasSuffix(to, "/") {
		return path.Join(to, path.Base(from))
	}
	return to
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// load reads the Containerfile and builds its programs, and the image.
func load(t *testing.T) (im *image, root string) {
	t.Helper()
	text, err := os.ReadFile("../Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	if im, err = parse(string(text)); err != nil {
		t.Fatal(err)
	}
	return im, im.build(t, context)
}

// files lists what is in a root file system.
func files(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// context is a folder with bin/, as `make build` leaves it; TestMain makes it.
var context string

// makePrograms builds both programs into context/bin.
func makePrograms() error {
	for _, program := range []string{"connmonitor", "connvitals"} {
		command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(context, "bin", program), "connmonitor/cmd/"+program)
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", program, err, out)
		}
	}
	return nil
}

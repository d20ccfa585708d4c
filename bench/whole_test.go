// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// whole is what a program that ends by itself came to, from its start to its
// end.
type whole struct {
	wall           time.Duration
	cpu            time.Duration // of the process, and of the children that it waited for
	probes         uint64        // echo requests and UDP datagrams that its network sent
	stdout, stderr string
	status         error // nil: it exited with 0
}

// wholeLimit bounds how long such a program may take.
const wholeLimit = 2 * time.Minute

// runWhole runs a program to its end. What it prints goes to a file: by a pipe
// this process would take part.
func (h *harness) runWhole(n *network, argv []string) (w whole, err error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return w, fmt.Errorf("%w (make benchsetup installs it)", err)
	}
	if err := n.steer(h.others); err != nil {
		return w, err
	}
	out, err := os.Create(filepath.Join(h.dir, "output"))
	if err != nil {
		return w, err
	}
	defer out.Close() //nolint:errcheck // read again by its name
	before, err := n.counts()
	if err != nil {
		return w, err
	}
	begun := time.Now()
	p, err := start(command{net: n, cpu: proberCPU, name: argv[0], args: argv[1:], stdout: out})
	if err != nil {
		return w, err
	}
	ended := p.finish(wholeLimit)
	w.wall = time.Since(begun)
	after, err := n.counts()
	if err != nil {
		return w, err
	}
	w.probes = after.sent - before.sent + after.datagrams - before.datagrams
	return w, w.take(p, ended, out.Name())
}

// take notes what the process leaves.
func (w *whole) take(p *process, ended error, output string) error {
	w.stderr = strings.TrimSpace(p.stderr.String())
	if _, exited := errors.AsType[*exec.ExitError](ended); ended != nil && !exited {
		return fmt.Errorf("%w: %s", ended, firstLine(w.stderr))
	}
	w.status = ended
	w.cpu = p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	text, err := os.ReadFile(output)
	w.stdout = string(text)
	return err
}

// figures are those of any whole run that found so many of what there is to
// find.
func (w *whole) figures(found, all int) (figures, error) {
	if found == 0 {
		return nil, fmt.Errorf("it found nothing: %w: %s", orNone(w.status), firstLine(w.stderr))
	}
	f := figures{
		wallTime:   w.wall.Seconds() * 1e3,
		cpuTime:    w.cpu.Seconds() * 1e3,
		foundShare: 100 * float64(found) / float64(all),
		cleanShare: 0,
	}
	if w.status == nil && w.stderr == "" {
		f[cleanShare] = 100
	}
	return f, nil
}

// argv makes a command line, its program first, that does something to hosts.
type argv func(h *harness, hosts []string) ([]string, error)

// ours is connvitals with these flags.
func ours(flags ...string) argv {
	return func(h *harness, hosts []string) ([]string, error) {
		return slices.Concat([]string{h.connvitals}, flags, hosts), nil
	}
}

// named is another program that takes the hosts as its last arguments.
func named(words ...string) argv {
	return func(_ *harness, hosts []string) ([]string, error) {
		return slices.Concat(words, hosts), nil
	}
}

// listed is one whose last argument is a file with the hosts.
func listed(words ...string) argv {
	return func(h *harness, hosts []string) ([]string, error) {
		path, err := h.file("hosts", strings.Join(hosts, "\n")+"\n")
		return append(slices.Clone(words), path), err
	}
}

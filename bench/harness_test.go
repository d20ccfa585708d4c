// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// harness is what all measurements share.
type harness struct {
	t      *testing.T
	o      options
	others uint64 // CPUs that are not the prober's
	dir    string // of what is made for one run

	connmonitor, connvitals, floor string

	networks map[string]*network
}

func newHarness(t *testing.T, o options) *harness {
	t.Helper()
	others, err := otherCPUs()
	if err != nil {
		t.Fatal(err)
	}
	if err := keepTo(others); err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, o: o, others: others, dir: t.TempDir(), networks: make(map[string]*network)}
	// Copies, so that a build during the run does not change what is measured.
	h.connmonitor, h.connvitals = h.copyProgram("connmonitor"), h.copyProgram("connvitals")
	h.floor = filepath.Join(h.dir, "floor")
	if out, err := exec.CommandContext(t.Context(), "gcc", "-O2", "-Wall", "-o", h.floor, "floor/floor.c").CombinedOutput(); err != nil {
		t.Fatalf("compile floor/floor.c: %v (make benchsetup installs what is missing)\n%s", err, out)
	}
	return h
}

func (h *harness) copyProgram(name string) string {
	h.t.Helper()
	from, err := os.Open(filepath.Join(h.o.bin, name))
	if err != nil {
		h.t.Fatalf("%v (make build makes it)", err)
	}
	defer from.Close() //nolint:errcheck // only read
	path := filepath.Join(h.dir, name)
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		h.t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// network is the one of that name, made when it is first asked for.
func (h *harness) network(name string, make func(*testing.T) *network) *network {
	h.t.Helper()
	if h.networks[name] == nil {
		h.networks[name] = make(h.t)
	}
	return h.networks[name]
}

func (h *harness) farm() *network    { return h.network("farm", newFarm) }
func (h *harness) delayed() *network { return h.network("delayed", newDelayedFarm) }
func (h *harness) chain() *network   { return h.network("chain", newChain) }
func (h *harness) served() *network  { return h.network("served", newServed) }

// file writes a file of this run.
func (h *harness) file(name, text string) (string, error) {
	path := filepath.Join(h.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// anyOther is one of the CPUs that are not the prober's.
func (h *harness) anyOther() int {
	cpu := 0
	for h.others&(1<<cpu) == 0 {
		cpu++
	}
	return cpu
}

// state is what is read of a process and its network at the two ends of a
// window.
type state struct {
	cpu    time.Duration
	counts counts
}

func read(p *process, n *network) (s state, err error) {
	if s.cpu, err = p.cpu(); err != nil {
		return s, err
	}
	s.counts, err = n.counts()
	return s, err
}

// watch lets a program settle, then takes the CPU that it spends for each echo
// reply that its network receives, and its memory.
func watch(p *process, n *network, settle, window time.Duration) (figures, error) {
	if err := p.after(settle); err != nil {
		return nil, err
	}
	before, err := read(p, n)
	if err != nil {
		return nil, err
	}
	if err := p.after(window); err != nil {
		return nil, err
	}
	after, err := read(p, n)
	if err != nil {
		return nil, err
	}
	resident, _, err := p.rss()
	if err != nil {
		return nil, err
	}
	sent, echoed := after.counts.sent-before.counts.sent, after.counts.echoed-before.counts.echoed
	if echoed == 0 {
		return nil, fmt.Errorf("no echo reply within %v, of %d requests", window, sent)
	}
	return figures{
		cpuPerEcho: float64(after.cpu-before.cpu) / 1e3 / float64(echoed),
		sentRate:   float64(sent) / window.Seconds(),
		answered:   100 * float64(echoed) / float64(sent),
		residentMB: float64(resident) / 1e6,
	}, nil
}

// The metrics, with their units.
const (
	cpuPerEcho   = "CPU us/echo"
	besideMetric = "CPU beside the floor's"
	sentRate     = "requests/s"
	answered     = "answered %"
	residentMB   = "RSS MB"
	wakesMetric  = "wakes/s"
	rateMetric   = "hosts"
	medianError  = "median error us"
	tailError    = "p99 error us"
	firstProbe   = "first probe s"
	probedShare  = "probed %"
	peakShare    = "peak x share"
	peakTime     = "peak at s"
	wallTime     = "wall ms"
	cpuShare     = "CPU %"
	unmatchedPct = "unmatched %"

	cpuTime       = "CPU ms"
	cpuPerProbe   = "CPU us/probe"
	cpuPerService = "CPU us/service"
	probeCount    = "probes"
	foundShare    = "found %"
	cleanShare    = "clean %" // 100: exit status 0, and nothing on standard error
)

// describe lists figures for the progress of a run.
func (f figures) describe() string {
	var parts []string
	for _, name := range sortedKeys(f) {
		parts = append(parts, name+" "+number(f[name], 2))
	}
	return strings.Join(parts, ", ")
}

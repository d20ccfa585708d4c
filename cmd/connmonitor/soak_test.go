// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soakEnv is the environment variable that says how long TestSoak measures; 20
// s without it, so that all that it shows is shown by every run of the tests.
const soakEnv = "SOAK"

func soakLength(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(soakEnv)
	if text == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 10*time.Second {
		t.Fatalf("%s=%q: want a duration of 10s or more", soakEnv, text)
	}
	return d
}

// TestSoak runs the program for a long time against all that networks do: hosts
// that are dead, lossy or jittery, routes that move, web servers that are
// hostile. It does so in both forms and both syntaxes at the same time, while
// the configuration changes, and reads every record (contract 1.1, 1.3 to 1.8).
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	t.Parallel()
	length := soakLength(t)
	r := newSoakRun(t)
	r.warmUp()
	r.run(length)
	r.windDown()
	r.check()
}

// soakRun is one run of TestSoak.
type soakRun struct {
	t        *testing.T
	lab      *soakLab
	begun    time.Time
	json     *soaked // the per-host form in JSON
	text     *soaked // the same in plain text
	bundled  *soaked // the global form in plain text
	watched  []*soaked
	witness  *soaked // is not asked for records but for its goroutines
	together []*soaked
	plan     soakPlan
	sleeper  *sleeper
}

func newSoakRun(t *testing.T) *soakRun {
	t.Helper()
	r := &soakRun{t: t, lab: newSoakLab(t), sleeper: newSleeper(t)}
	json := func(p soakPlan) string { return r.separate("json=1", p) + r.counted(p) }
	text := func(p soakPlan) string { return r.separate("json=0", p) + r.counted(p) }
	r.json = soak(t, r.lab, "json", shape{json: true}, json, setup{})
	r.text = soak(t, r.lab, "text", shape{}, text, setup{})
	r.bundled = soak(t, r.lab, "bundled", shape{bundled: true}, r.global, setup{})
	r.watched = []*soaked{r.json, r.text, r.bundled}
	r.witness = r.newWitness("witness")
	r.together = append(r.together, r.json, r.text, r.bundled, r.witness)
	return r
}

// newWitness is a process that will end by telling its goroutines.
func (r *soakRun) newWitness(name string) *soaked {
	r.t.Helper()
	dump, err := os.Create(filepath.Join(r.t.ArtifactDir(), name+".dump"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = dump.Close() })
	with := setup{args: []string{"--err", os.DevNull}, stderr: dump, env: []string{"GOTRACEBACK=all"}}
	text := func(p soakPlan) string { return r.separate("json=1", p) }
	return soak(r.t, r.lab, name, shape{json: true}, text, with)
}

// separate is the configuration of the per-host form.
func (r *soakRun) separate(defaults string, plan soakPlan) string {
	text := "* " + defaults + "\n" +
		both(steady, "ping=1000 numpings=1 trace=500") +
		both(usual, "") +
		both(quick, "ping=50 numpings=5 interval=10 payload=1337") +
		both(large, "ping=250 numpings=1 payload=20000") +
		both(dead, "timeout=800 trace=300 hops=8") +
		both(moving, "ping=100 numpings=5 trace=100") +
		both(ghost, "ping=0 trace=100 timeout=300 hops=8") +
		// On a line a frame may have to wait for this test, which is not what
		// is tried.
		both(lossy, "ping=20 numpings=20 interval=5 trace=200 timeout=3000") +
		both(shaky, "ping=100 trace=200 timeout=3000")
	if plan.guest {
		text += both(guest, "ping=100 trace=100")
	}
	if !plan.scans {
		return text
	}
	if r.lab.hasNginx {
		text += both(nginx, "ping=0 scan=300")
	}
	for i := range rogueDeeds {
		text += both(rogue(i), "ping=0 scan=300")
	}
	return text
}

// counted is what those measure of whom every ping is accounted for.
func (r *soakRun) counted(plan soakPlan) string {
	text := both(exact, "ping=20 numpings=20 interval=5 timeout=3000")
	if plan.last {
		text += both(last, "ping=60000 numpings=60 interval=100")
	}
	return text
}

// both are the lines of both addresses of a host.
func both(h pair, options string) string {
	return h[0] + " " + options + "\n" + h[1] + " " + options + "\n"
}

// rogue is the host of a deed.
func rogue(i int) pair {
	return pair{fmt.Sprintf(rogues[0], i+1), fmt.Sprintf(rogues[1], i+1)}
}

// global is the configuration of the global form; it scans from the beginning.
func (r *soakRun) global(plan soakPlan) string {
	text := fmt.Sprintf("1 1 1 %d 41 8 0 200\n", bundledPings)
	hosts := []pair{steady, dead, moving, ghost, lossy}
	if r.lab.hasNginx {
		hosts = append(hosts, nginx)
	}
	for i := range rogueDeeds {
		hosts = append(hosts, rogue(i))
	}
	if plan.guest {
		hosts = append(hosts, guest)
	}
	for _, h := range hosts {
		text += h[0] + "\n" + h[1] + "\n"
	}
	return text
}

// bundledPings is the number of pings of a round of the global form.
const bundledPings = 5

// warmUp waits until everybody has found the routes, and begins the scans.
func (r *soakRun) warmUp() {
	r.t.Helper()
	r.routed()
	for _, p := range r.together {
		p.first = p.descriptors()
	}
	r.plan.scans = true
	r.reload()
	r.begun = time.Now()
}

func (r *soakRun) reload() {
	r.t.Helper()
	for _, p := range r.watched {
		p.reload(r.plan)
	}
	// The witness logs nothing to wait for; it needs none.
	write(r.t, r.witness.path, r.witness.text(r.plan))
	r.witness.signal(syscall.SIGHUP)
}

// routed waits until everybody has told of every move.
func (r *soakRun) routed() {
	r.t.Helper()
	for _, p := range r.watched {
		for _, h := range []pair{moving, ghost} {
			for _, a := range h {
				what := fmt.Sprintf("%s: the route to %s after %d moves", p.name, a, r.lab.moved)
				p.until(what, func() bool { return p.routes.count(a) > r.lab.moved })
			}
		}
	}
}

// run moves routes and changes the configuration. A route rests after a move
// was told, so that what is told twice is seen.
func (r *soakRun) run(length time.Duration) {
	r.t.Helper()
	rest := min(max(length/10, 2*time.Second), 8*time.Second)
	change := min(max(length/6, 2*time.Second), 30*time.Second)
	nextMove, nextChange, changes := rest, change, 0
	for at := time.Duration(0); at < length; at = time.Since(r.begun) {
		switch {
		case at > nextMove:
			r.lab.move()
			r.routed()
			nextMove = time.Since(r.begun) + rest
		case at > nextChange:
			r.change(changes)
			changes++
			nextChange = at + change
		}
		for _, p := range r.together {
			p.sample(time.Since(r.begun))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// change is one of the changes of the configuration, in turn.
func (r *soakRun) change(n int) {
	r.t.Helper()
	if n%3 == 2 {
		for _, p := range r.watched {
			p.typo()
		}
		return
	}
	r.plan.guest = n%3 == 0
	r.reload()
}

// windDown ends the scans, after which there is nothing that there was not
// before them, and then the processes while a long burst is in flight.
func (r *soakRun) windDown() {
	r.t.Helper()
	r.plan = soakPlan{}
	r.reload()
	young := r.newWitness("young")
	for _, p := range []*soaked{r.json, r.text, r.witness} {
		p.until(p.name+": the descriptors from before the scans", func() bool { return p.descriptors() <= p.first })
	}
	r.countGoroutines(young)
	r.plan.last = true
	r.reload()
	for _, p := range r.watched {
		// The long bursts have begun when one that was due after them has ended.
		p.out.has(moving[1], p.out.count(moving[1])+6)
	}
	for _, p := range r.watched {
		p.terminated = len(p.out.text())
		p.signal(syscall.SIGTERM)
	}
	for _, p := range r.watched {
		p.exits(exitGood)
		write(r.t, filepath.Join(r.t.ArtifactDir(), p.name+".out"), p.out.text())
		write(r.t, filepath.Join(r.t.ArtifactDir(), p.name+".err"), p.err.text())
	}
}

// goroutines counts those of a dump that the runtime did not make for itself.
func goroutines(dump string) int {
	return 1 + strings.Count(dump, "\ncreated by ") - strings.Count(dump, "\ncreated by runtime.")
}

// countGoroutines compares the witness with one that has just begun.
func (r *soakRun) countGoroutines(young *soaked) {
	r.t.Helper()
	young.out.has(`"name":"`+steady[1], 2)
	var n [2]int
	for i, p := range []*soaked{r.witness, young} {
		p.signal(syscall.SIGQUIT)
		p.exits(2)
		dump, err := os.ReadFile(p.cmd.Stderr.(*os.File).Name())
		if err != nil {
			r.t.Fatal(err)
		}
		n[i] = goroutines(string(dump))
		if n[i] == 1 {
			r.t.Fatalf("%s: no goroutine in %q", p.name, strings.ToValidUTF8(string(dump[:min(len(dump), 400)]), "?"))
		}
	}
	r.t.Logf("goroutines: %d after the soak, %d in a process that has just begun", n[0], n[1])
	if n[0] != n[1] {
		r.t.Errorf("%d goroutines after the soak, want %d", n[0], n[1])
	}
}

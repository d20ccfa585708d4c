// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"connmonitor/internal/executable"
	"connmonitor/internal/netlab"
)

// again is what the log says after a reload that worked.
const again = "configuration read again: "

// TestDefect27ReloadOfChangedFile adds a host, removes one, and changes nothing
// of a third, which keeps its route memory.
func TestDefect27ReloadOfChangedFile(t *testing.T) {
	t.Parallel()
	path := config(t, "127.0.0.1 ping=20 numpings=1 trace=20 json=1\n127.0.0.2 ping=20 numpings=1 json=1\n")
	p := start(t, netlab.Loopback(t), setup{args: []string{path}})
	p.out.has(`"name":"127.0.0.1"`, 5)
	p.out.has(`"name":"127.0.0.2"`, 5)
	write(t, path, "# moved\n\n127.0.0.3 ping=20 numpings=1 json=1\n127.0.0.1 ping=20 numpings=1 trace=20 json=1\n")
	p.signal(syscall.SIGHUP)
	p.err.has(again+"1 targets added, 1 removed, 1 unchanged", 1)
	p.out.has(`"name":"127.0.0.3"`, 5) // by now nothing of the removed one is in flight
	gone, stays := p.out.count(`"name":"127.0.0.2"`), p.out.count(`"name":"127.0.0.1"`)
	p.out.has(`"name":"127.0.0.1"`, stays+10)
	if now := p.out.count(`"name":"127.0.0.2"`); now != gone {
		t.Errorf("%d records of the removed host after its end", now-gone)
	}
	p.terminates()
	checkForms(t, shape{json: true}.records(t, p.out.text())) // the route was told once
	if es := p.told(); len(es) != 1 {
		t.Errorf("standard error %+v, want one warning", es)
	}
}

// TestReloadFinishesRemoved removes a host in the middle of a burst, which is
// printed whole, and no other.
func TestReloadFinishesRemoved(t *testing.T) {
	t.Parallel()
	path := config(t, "127.0.0.1 ping=50 numpings=10 interval=50 json=1\n127.0.0.2 ping=10 numpings=1 json=1\n")
	p := start(t, netlab.Loopback(t), setup{args: []string{path}})
	p.out.has(`"name":"127.0.0.2"`, 3) // the burst has begun, and lasts 450 ms
	write(t, path, "127.0.0.2 ping=10 numpings=1 json=1\n")
	p.signal(syscall.SIGHUP)
	p.err.has(again+"0 targets added, 1 removed, 1 unchanged", 1)
	if p.out.count(`"name":"127.0.0.1"`) > 0 {
		t.Skip("this machine was too slow: the burst was over before the reload")
	}
	p.out.has(`"name":"127.0.0.1"`, 1)
	others := p.out.count(`"name":"127.0.0.2"`)
	p.out.has(`"name":"127.0.0.2"`, others+60) // longer than another burst would take
	p.terminates()
	rs := of(shape{json: true}.records(t, p.out.text()), "127.0.0.1")
	if len(rs) != 1 || rs[0].ping[4] != 0 {
		t.Errorf("records of the removed host: %+v, want one burst without loss", rs)
	}
}

// TestReloadOfBrokenFile goes on with what it has: a typo must not end a
// monitor.
func TestReloadOfBrokenFile(t *testing.T) {
	t.Parallel()
	path := config(t, "127.0.0.1 ping=20 trace=20\n")
	p := start(t, netlab.Loopback(t), setup{args: []string{path}})
	p.out.has("127.0.0.1\n", 2)
	for i, text := range []string{"127.0.0.1 ping=20 trace=20\n127.0.0.2 pnig=3\n", "# nobody\n"} {
		write(t, path, text)
		p.signal(syscall.SIGHUP)
		p.err.has("going on with the one before", i+1)
	}
	p.out.has("127.0.0.1\n", p.out.count("127.0.0.1\n")+5)
	p.terminates()
	checkForms(t, shape{}.records(t, p.out.text()))
	es := p.told()
	if len(es) != 3 || es[0].typ != "ConfigError" || !strings.HasPrefix(es[0].text, path+`:2:11: option "pnig": `) {
		t.Errorf("standard error %+v, want the line of the fault", es)
	}
}

// TestReloadOfUnreadableFile ends the monitor, cleanly, with an error.
func TestReloadOfUnreadableFile(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	for name, spoil := range map[string]func(path string) error{
		"missing":   os.Remove,
		"directory": func(path string) error { return os.Rename(filepath.Dir(emptied(path)), path) },
	} {
		path := config(t, "127.0.0.1 ping=5000 numpings=5 interval=50 json=1\n127.0.0.2 ping=10 numpings=1 json=1\n")
		p := start(t, n, setup{args: []string{path}})
		p.out.has(`"name":"127.0.0.2"`, 2)
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		p.signal(syscall.SIGHUP)
		p.exits(exitError)
		if es := p.told(); len(es) != 1 || es[0].typ != "ReloadError" || !strings.Contains(es[0].text, path) {
			t.Errorf("%s: standard error %+v", name, es)
		}
		rs := of(shape{json: true}.records(t, p.out.text()), "127.0.0.1")
		if len(rs) != 1 || rs[0].ping[4] != 0 {
			t.Errorf("%s: the burst that ran: %+v, want it whole", name, rs)
		}
	}
}

// TestReloadOfForbiddenFile is a file that may not be read any more.
func TestReloadOfForbiddenFile(t *testing.T) {
	t.Parallel()
	user, n := executable.Nobody(t), netlab.Loopback(t)
	n.AllowPings()
	path := config(t, "127.0.0.1 ping=20 numpings=1\n")
	p := start(t, n, setup{args: []string{path}, user: user})
	p.out.has("127.0.0.1\n", 2)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.exits(exitError)
	if es := p.told(); len(es) != 1 || !strings.HasSuffix(es[0].text, "permission denied") {
		t.Errorf("standard error %+v", es)
	}
}

// TestReloadOfStandardInput is an error, and the monitor goes on.
func TestReloadOfStandardInput(t *testing.T) {
	t.Parallel()
	p := start(t, netlab.Loopback(t), setup{stdin: "127.0.0.1 ping=20 trace=20\n"})
	p.out.has("127.0.0.1\n", 2)
	p.signal(syscall.SIGHUP)
	p.err.has("EE: ReloadError: ", 1)
	p.out.has("127.0.0.1\n", p.out.count("127.0.0.1\n")+5)
	p.terminates()
	checkForms(t, shape{}.records(t, p.out.text()))
	if es := p.told(); len(es) != 1 {
		t.Errorf("standard error %+v, want one line", es)
	}
}

// TestPain10ReloadsLeaveNothing reloads thirty times, exchanging all hosts each
// time: descriptors, threads and memory do not grow.
func TestPain10ReloadsLeaveNothing(t *testing.T) {
	t.Parallel()
	texts := [2]string{}
	for i := range texts {
		texts[i] = fmt.Sprintf("* ping=20 numpings=1 trace=50 scan=50 dscp=%d\n127.%d.0.1-127.%d.0.50\n::1\n", i, i+1, i+1)
	}
	path := config(t, texts[0])
	p := start(t, netlab.Loopback(t), setup{args: []string{path}, env: []string{"GOMAXPROCS=2"}})
	p.out.has("127.1.0.50\n", 1)
	settled := 0
	for i := 1; i <= 30; i++ {
		write(t, path, texts[i%2])
		p.signal(syscall.SIGHUP)
		p.err.has(again, i)
		p.out.has(fmt.Sprintf("127.%d.0.50\n", i%2+1), i/2+1)
		if i == 5 {
			settled = p.descriptors()
		}
	}
	// Scans hold sockets while they run; between them there are none.
	p.t.Logf("descriptors %d, then %d; threads %d", settled, p.descriptors(), p.threads())
	p.until("the descriptors of the beginning", func() bool { return p.descriptors() <= 18 })
	if n := p.threads(); n > 40 {
		t.Errorf("%d threads", n)
	}
	p.terminates()
	shape{}.records(t, p.out.text())
	entries(t, p.err.text())
}

// emptied makes a folder whose place can be taken; it returns a path in it.
func emptied(path string) string {
	_ = os.Remove(path)
	dir := path + ".d"
	_ = os.Mkdir(dir, 0o755)
	return filepath.Join(dir, "x")
}

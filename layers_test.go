// SPDX-License-Identifier: Apache-2.0

package connmonitor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "connmonitor"

// floors is the house: a room imports rooms of lower floors, never its
// siblings or what is above it. A change of this list is a change of the
// architecture, and its reason belongs in the commit. Rooms of floors 4 to 6
// that have no code yet are listed so that they arrive where they belong.
var floors = [][]string{
	// privilege stands beside rawsock, not in it: it gives up what is of no use
	// any more, and that is the programs' knowledge, not the sockets'.
	{"vitals", "wire", "alarm", "heartbeat", "privilege"},
	{"rawsock", "onset"},
	{"prober", "resolve"},
	{"ping", "trace", "pmtu", "service"},
	// vantage is what connmonitor and connvitals share: the sockets by
	// privilege, the plans by settings. Without it both would wire the rooms
	// below it, each in its own way.
	// supervisor and mmdb are as high as a room must be for a dependency.
	{"vantage", "report", "history", "events", "supervisor", "mmdb"},
	{"alert", "remote"},
	{"web"},
	{"config"},
	{"monitor"},
	{"cmd/connmonitor", "cmd/connvitals"},
}

// netlab builds the networks of the tests, simnet plays one in fake time,
// executable builds a program of ours and looks at it while it runs, bench
// measures the programs from outside. They stand beside the house: no program
// may contain them.
const (
	netlab     = "netlab"
	simnet     = "simnet"
	executable = "executable"
	bench      = "bench"
	// packages, services and containers are made of tests, of what packaging
	// holds.
	packages   = "packaging"
	services   = "packaging/systemd"
	containers = "packaging/container"
)

// testsOnly are the rooms beside the house.
var testsOnly = []string{netlab, simnet, executable, bench, packages, services, containers}

// small is the program that shall stay small and start at once: what it is made
// of, and all rooms of the first smallFloors floors, use the standard library
// and golang.org/x only.
const (
	small       = module + "/cmd/connvitals"
	smallFloors = 4
)

// smallReads is what the small program uses besides: without the file of AS
// numbers it could ask for them by DNS only, which tells a third party what is
// being looked at.
var smallReads = map[string]string{"mmdb": "github.com/oschwald/maxminddb-golang/v2"}

// unsafeRooms lists who may use package unsafe: system calls take pointers.
var unsafeRooms = []string{"rawsock", "alarm", "privilege", netlab}

// vagueNames are package names that say nothing about what is inside.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "base", "manager", "misc", "lib"}

// pkg is what `go list -json` says about a package, as far as the rules need it.
type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
}

// room names the room that a package of this module belongs to: "ping" for
// internal/ping and all below it, "cmd/connvitals", or "" for the root.
func room(importPath string) string {
	path := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	head, rest, _ := strings.Cut(path, "/")
	name, _, _ := strings.Cut(rest, "/")
	if head == "internal" {
		return name
	}
	if name == "" {
		return head
	}
	return head + "/" + name
}

// floor is the number of a room's floor; false when the house has no such room.
func floor(room string) (int, bool) {
	for number, rooms := range floors {
		if slices.Contains(rooms, room) {
			return number, true
		}
	}
	return 0, false
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// isStandard tells a package of the standard library by what all others have:
// a dot in the first element of the path.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && !ours(importPath)
}

// reach returns the packages of this module that start imports, directly or
// through others, and start itself.
func reach(pkgs []pkg, start string) map[string]bool {
	reached := make(map[string]bool)
	todo := []string{start}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		i := slices.IndexFunc(pkgs, func(p pkg) bool { return p.ImportPath == path })
		if i < 0 || reached[path] {
			continue
		}
		reached[path] = true
		todo = append(todo, pkgs[i].Imports...)
	}
	return reached
}

// checkHouse returns each violation of the rules about who imports what, as
// sentences.
func checkHouse(pkgs []pkg) []string {
	var broken []string
	within := reach(pkgs, small)
	for _, p := range pkgs {
		broken = append(broken, checkName(p)...)
		for _, imported := range p.Imports {
			broken = append(broken, checkFloor(p, imported)...)
			broken = append(broken, checkOutside(p, imported, within[p.ImportPath])...)
			broken = append(broken, checkUnsafe(p, imported)...)
		}
	}
	return broken
}

func checkName(p pkg) []string {
	var broken []string
	last := p.ImportPath[strings.LastIndexByte(p.ImportPath, '/')+1:]
	if slices.Contains(vagueNames, p.Name) || slices.Contains(vagueNames, last) {
		broken = append(broken, p.ImportPath+": the name says nothing about what is inside")
	}
	in := room(p.ImportPath)
	if _, ok := floor(in); !ok && in != "" && !slices.Contains(testsOnly, in) {
		broken = append(broken, p.ImportPath+": the house has no such room; give it a floor in layers_test.go")
	}
	return broken
}

func checkFloor(p pkg, imported string) []string {
	if !ours(imported) {
		return nil
	}
	from, to := room(p.ImportPath), room(imported)
	switch {
	case from == to:
		return nil
	case slices.Contains(testsOnly, to):
		return []string{p.ImportPath + ": imports " + to + ", which is for tests only"}
	case from == bench:
		return []string{p.ImportPath + ": imports " + to + "; bench is made of tests and sees programs from outside"}
	case slices.Contains(testsOnly, from):
		return nil
	}
	fromFloor, ok := floor(from)
	toFloor, known := floor(to)
	if !ok || !known || toFloor < fromFloor {
		return nil
	}
	if toFloor == fromFloor {
		return []string{fmt.Sprintf("%s: imports its sibling %s on floor %d", p.ImportPath, to, toFloor)}
	}
	return []string{fmt.Sprintf("%s: on floor %d, imports %s of floor %d", p.ImportPath, fromFloor, to, toFloor)}
}

// checkOutside looks at what is imported from outside; small tells that the
// package is a part of the small program.
func checkOutside(p pkg, imported string, small bool) []string {
	number, ok := floor(room(p.ImportPath))
	if !small && (!ok || number >= smallFloors) {
		return nil
	}
	if ours(imported) || isStandard(imported) || strings.HasPrefix(imported, "golang.org/x/") {
		return nil
	}
	if lib, ok := smallReads[room(p.ImportPath)]; ok && imported == lib {
		return nil
	}
	return []string{p.ImportPath + ": imports " + imported + "; connvitals and the rooms below floor 4 use the standard library and golang.org/x only"}
}

func checkUnsafe(p pkg, imported string) []string {
	in := room(p.ImportPath)
	switch imported {
	case "C":
		return []string{p.ImportPath + ": imports C; the programs are pure Go"}
	case "unsafe":
		if !slices.Contains(unsafeRooms, in) {
			return []string{p.ImportPath + ": imports unsafe; only rawsock does"}
		}
	}
	return nil
}

// TestHouse holds every package of the tree to the rules.
func TestHouse(t *testing.T) {
	pkgs := listPackages(t)
	if len(pkgs) < 2 {
		t.Fatalf("go list found %d packages", len(pkgs))
	}
	for _, broken := range checkHouse(pkgs) {
		t.Error(broken)
	}
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-buildvcs=false", "-json=ImportPath,Name,Imports", "./...")
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return pkgs
		case err != nil:
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// TestHouseRulesBite shows, with packages that do not exist, that each rule
// finds what it forbids and lets pass what it allows.
func TestHouseRulesBite(t *testing.T) {
	tests := []struct {
		name    string
		path    string
		pkgName string
		imports string
		want    string // a part of the only violation; "" is none
	}{
		{"up", "internal/prober", "prober", "connmonitor/internal/ping", "on floor 2, imports ping of floor 3"},
		{"up from below a room", "internal/wire/ipv4", "ipv4", "connmonitor/internal/rawsock", "on floor 0, imports rawsock of floor 1"},
		{"sibling", "internal/trace", "trace", "connmonitor/internal/ping", "imports its sibling ping"},
		{"sibling programs", "cmd/connvitals", "main", "connmonitor/cmd/connmonitor", "imports its sibling"},
		{"only monitor and cmd know config", "internal/report", "report", "connmonitor/internal/config", "imports config of floor 7"},
		{"monitor knows config", "internal/monitor", "monitor", "connmonitor/internal/config", ""},
		{"cmd knows config", "cmd/connmonitor", "main", "connmonitor/internal/config", ""},
		{"down", "internal/ping", "ping", "connmonitor/internal/vitals", ""},
		{"within a room", "internal/wire/ipv4", "ipv4", "connmonitor/internal/wire/checksum", ""},
		{"the lab in a program", "internal/monitor", "monitor", "connmonitor/internal/netlab", "imports netlab"},
		{"the played network in a program", "internal/monitor", "monitor", "connmonitor/internal/simnet", "imports simnet"},
		{"the played network may use prober", "internal/simnet", "simnet", "connmonitor/internal/prober", ""},
		{"the played network makes no system calls", "internal/simnet", "simnet", "unsafe", "imports unsafe"},
		{"the program under test in a program", "internal/monitor", "monitor", "connmonitor/internal/executable", "imports executable, which is for tests only"},
		{"the program under test leaves networks to the lab", "internal/executable", "executable", "connmonitor/internal/netlab", "imports netlab, which is for tests only"},
		{"the program under test needs no pointers", "internal/executable", "executable", "os/exec golang.org/x/sys/unix unsafe", "imports unsafe"},
		{"the lab may use all", "internal/netlab", "netlab", "connmonitor/internal/prober golang.org/x/sys/unix unsafe", ""},
		{"the measurements in a program", "internal/monitor", "monitor", "connmonitor/bench", "imports bench, which is for tests only"},
		{"the measurements, but for their tests", "bench", "bench", "connmonitor/internal/prober", "sees programs from outside"},
		{"the measurements", "bench", "bench", "", ""},
		{"unknown room", "internal/cache", "cache", "", "the house has no such room"},
		{"unknown program", "cmd/connprobe", "main", "", "the house has no such room"},
		{"unknown place", "tools", "tools", "", "the house has no such room"},
		{"the root", "", "connmonitor", "", ""},
		{"dependency below", "internal/ping", "ping", "github.com/x/y", "imports github.com/x/y"},
		{"dependency of connvitals", "cmd/connvitals", "main", "github.com/x/y", "imports github.com/x/y"},
		{"golang.org/x below", "internal/report", "report", "golang.org/x/term encoding/json", ""},
		{"dependency above", "internal/web", "web", "github.com/x/y", ""},
		{"unsafe where it is needed", "internal/rawsock", "rawsock", "golang.org/x/sys/unix unsafe", ""},
		{"unsafe", "internal/wire", "wire", "unsafe", "imports unsafe"},
		{"cgo", "internal/rawsock", "rawsock", "C", "imports C"},
		{"vague name", "internal/ping/util", "util", "", "says nothing"},
		{"vague name of a package", "internal/ping/kit", "helpers", "", "says nothing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := strings.TrimSuffix(module+"/"+test.path, "/")
			got := checkHouse([]pkg{{ImportPath: path, Name: test.pkgName, Imports: strings.Fields(test.imports)}})
			wantOne(t, path, got, test.want)
		})
	}
}

// TestSmallProgramBites follows imports: what connvitals reaches is held to
// the same rule as itself, the same room beside it is not.
func TestSmallProgramBites(t *testing.T) {
	report := pkg{ImportPath: module + "/internal/report", Name: "report", Imports: []string{"go.uber.org/zap"}}
	vitals := pkg{ImportPath: small, Name: "main", Imports: []string{report.ImportPath}}
	other := pkg{ImportPath: module + "/cmd/connmonitor", Name: "main", Imports: []string{report.ImportPath}}
	wantOne(t, "a part of connvitals", checkHouse([]pkg{report, vitals}), "internal/report: imports go.uber.org/zap")
	wantOne(t, "a part of connmonitor alone", checkHouse([]pkg{report, other}), "")
	file := pkg{ImportPath: module + "/internal/mmdb", Name: "mmdb", Imports: []string{smallReads["mmdb"]}}
	vitals.Imports = []string{file.ImportPath}
	wantOne(t, "the file of AS numbers", checkHouse([]pkg{file, vitals}), "")
	file.Imports = []string{"github.com/oschwald/geoip2-golang"}
	wantOne(t, "another library", checkHouse([]pkg{file, vitals}), "internal/mmdb: imports github.com/oschwald/geoip2-golang")
}

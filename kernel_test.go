// SPDX-License-Identifier: Apache-2.0

package connmonitor_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kernel lists the rooms that make system calls, and why. rawsock is the room
// for them; each other one has a single narrow reason.
var kernel = map[string]string{
	"rawsock":   "the sockets of all probes",
	"alarm":     "the timer that the loops sleep by",
	"service":   "SO_BINDTODEVICE and late binding, for the source of a scan's connections",
	"privilege": "capabilities, and whether files can be opened without them",
	"report":    "poll, so that a reader that is stuck holds nobody up",
	netlab:      "namespaces, links and TUN devices of the tests",
	executable:  "the users and capabilities that programs under test are run with",
}

// namesOnly matches what every room may take from the packages of system
// calls: error numbers, signals and the flags of os.OpenFile are names for
// values, not calls.
var namesOnly = regexp.MustCompile(`^(E[A-Z0-9]+|Errno|SIG[A-Z0-9]+|Signal|O_[A-Z]+)$`)

// checkSystemCalls returns what a file uses of the packages of system calls
// without its room having leave to. Tests may: they stop processes and read
// what the kernel says.
func checkSystemCalls(path, text string) []string {
	if _, ok := kernel[room(module+"/"+filepath.ToSlash(filepath.Dir(path)))]; ok || strings.HasSuffix(path, "_test.go") {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil // checkSource says so
	}
	names := systemPackages(file)
	var broken []string
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := selector.X.(*ast.Ident)
		if ok && slices.Contains(names, of.Name) && !namesOnly.MatchString(selector.Sel.Name) {
			broken = append(broken, fmt.Sprintf("%s: uses %s.%s; system calls are in rawsock", path, of.Name, selector.Sel.Name))
		}
		return true
	})
	return broken
}

// systemPackages returns the names by which a file knows the packages of
// system calls.
func systemPackages(file *ast.File) []string {
	var names []string
	for _, imported := range file.Imports {
		path := strings.Trim(imported.Path.Value, `"`)
		if path != "syscall" && path != "golang.org/x/sys/unix" {
			continue
		}
		if imported.Name != nil {
			names = append(names, imported.Name.Name)
			continue
		}
		names = append(names, path[strings.LastIndexByte(path, '/')+1:])
	}
	return names
}

func TestSystemCalls(t *testing.T) {
	files := readTree(t, ".go")
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, broken := range checkSystemCalls(path, files[path]) {
			t.Error(broken)
		}
	}
}

// TestKernelReasons keeps the list of exceptions honest: every room on it is
// in the house, or beside it.
func TestKernelReasons(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(kernel)) {
		if _, ok := floor(name); !ok && !slices.Contains(testsOnly, name) {
			t.Errorf("%s: has leave to make system calls, but the house has no such room", name)
		}
	}
}

func TestSystemCallRulesBite(t *testing.T) {
	const (
		call    = "package p\n\nimport \"syscall\"\n\nvar f = syscall.Kill\n"
		xsys    = "package p\n\nimport \"golang.org/x/sys/unix\"\n\nvar f = unix.Poll\n"
		renamed = "package p\n\nimport u \"golang.org/x/sys/unix\"\n\nvar f = u.Poll\n"
		named   = "package p\n\nimport \"syscall\"\n\nvar e syscall.Errno = syscall.ENOSPC\n\nvar s = syscall.SIGHUP\n"
		another = "package p\n\nimport \"example.org/unix\"\n\nvar f = unix.Poll\n"
	)
	tests := []struct{ name, path, text, want string }{
		{"call", "internal/ping/p.go", call, "uses syscall.Kill"},
		{"x/sys", "internal/config/p.go", xsys, "uses unix.Poll"},
		{"another name", "cmd/connmonitor/p.go", renamed, "uses u.Poll"},
		{"a program", "cmd/connvitals/main.go", call, "uses syscall.Kill"},
		{"numbers and signals", "cmd/connmonitor/main.go", named, ""},
		{"where they are", "internal/rawsock/p.go", xsys, ""},
		{"leave", "internal/service/p.go", call, ""},
		{"below a room with leave", "internal/rawsock/deep/p.go", xsys, ""},
		{"a test", "internal/ping/p_test.go", call, ""},
		{"another package", "internal/ping/p.go", another, ""},
	}
	for _, test := range tests {
		wantOne(t, test.name, checkSystemCalls(test.path, test.text), test.want)
	}
}

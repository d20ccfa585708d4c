// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCompletionsNameEveryOption compares what the shells offer with what the
// programs print as their usage, both ways.
func TestCompletionsNameEveryOption(t *testing.T) {
	bin := t.TempDir()
	for _, program := range []string{"connmonitor", "connvitals"} {
		t.Run(program, func(t *testing.T) {
			path := filepath.Join(bin, program)
			output(t, "go", "build", "-buildvcs=false", "-o", path, "../cmd/"+program)
			want := options(output(t, path, "--help"))
			if len(want) < 8 {
				t.Fatalf("the usage has only the options %q", want)
			}
			if got := ofZsh(read(t, "completions/"+program+".zsh")); !slices.Equal(got, want) {
				t.Errorf("zsh offers %q, want %q", got, want)
			}
			if got := slices.Sorted(slices.Values(bashOffers(t, program, "-"))); !slices.Equal(got, want) {
				t.Errorf("bash offers %q, want %q", got, want)
			}
		})
	}
}

// options are those that a usage names at the beginnings of its lines.
func options(usage string) []string {
	found := make(map[string]bool)
	for _, line := range regexp.MustCompile(`(?m)^ +((?:--?[A-Za-z0-9-]+(?:, )?)+)`).FindAllStringSubmatch(usage, -1) {
		for option := range strings.SplitSeq(line[1], ",") {
			found[strings.TrimSpace(option)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// ofZsh are the options that the arguments of _arguments stand for:
// '(-6)-4[...]', '--rate=[...]', '(...)'{-p+,--pings=}'[...]'.
func ofZsh(text string) []string {
	found := make(map[string]bool)
	for _, spec := range regexp.MustCompile(`(?m)^\t'(?:\([^)]*\))?(?:'\{([^}]*)\}|(-[^\[]*)\[)`).FindAllStringSubmatch(text, -1) {
		for option := range strings.SplitSeq(spec[1]+spec[2], ",") {
			found[strings.TrimRight(option, "+=")] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// bashOffers completes the last of the words behind a program's name.
func bashOffers(t *testing.T, program string, words ...string) []string {
	t.Helper()
	need(t, "bash")
	script := `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _$1; printf '%s\n' "${COMPREPLY[@]}"`
	arguments := append([]string{"-c", script, "bash", "completions/" + program + ".bash", program}, words...)
	return strings.Fields(output(t, "bash", arguments...))
}

// TestBashCompletesValues has nothing offered where a number is wanted, files
// where a file is, and options by their beginnings.
func TestBashCompletesValues(t *testing.T) {
	tests := []struct {
		program string
		words   []string
		want    []string
	}{
		{"connmonitor", []string{"--rate", ""}, nil},
		{"connmonitor", []string{"--q"}, []string{"--quiet"}},
		{"connmonitor", []string{"--quiet", "nfpm.y"}, []string{"nfpm.yaml"}},
		{"connmonitor", []string{"--log", "nfpm.y"}, []string{"nfpm.yaml"}},
		{"connmonitor", []string{"--log", "-"}, nil},
		{"connvitals", []string{"-p", "-"}, nil},
		{"connvitals", []string{"--pa"}, []string{"--payload-size"}},
		{"connvitals", []string{"--source", "nowhe"}, nil},
	}
	for _, test := range tests {
		if got := bashOffers(t, test.program, test.words...); !slices.Equal(got, test.want) {
			t.Errorf("%s %q: bash offers %q, want %q", test.program, test.words, got, test.want)
		}
	}
}

// TestShellFilesAreValid has the shells read what is theirs.
func TestShellFilesAreValid(t *testing.T) {
	for shell, pattern := range map[string]string{"sh": "scripts/*.sh", "bash": "completions/*.bash", "zsh": "completions/*.zsh"} {
		t.Run(shell, func(t *testing.T) {
			need(t, shell)
			files, err := filepath.Glob(pattern)
			if err != nil || len(files) == 0 {
				t.Fatalf("no %s (%v)", pattern, err)
			}
			for _, file := range files {
				output(t, shell, "-n", file)
			}
		})
	}
}

// TestShellcheck has no finding in the scripts that run as root elsewhere.
func TestShellcheck(t *testing.T) {
	need(t, "shellcheck")
	files, err := filepath.Glob("scripts/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	bash, err := filepath.Glob("completions/*.bash")
	if err != nil {
		t.Fatal(err)
	}
	for shell, files := range map[string][]string{"sh": files, "bash": append(bash, "../scripts/package.sh")} {
		command := exec.CommandContext(t.Context(), "shellcheck", append([]string{"--shell=" + shell}, files...)...)
		command.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("shellcheck: %v\n%s", err, out)
		}
	}
}

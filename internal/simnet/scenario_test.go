// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScenarioErrors: each names its line and what is wrong.
func TestScenarioErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"# nothing\n\n  # at all", ""},
		{"host 10.0.0.1 rtt 20ms loss 0.1 # a comment", ""},
		{"host 10.0.0.1\nhosts 10.0.0.2", "scenario line 2: \"hosts\" is no statement"},
		{"host", "something is missing"},
		{"host 10.0.0", "is no address"},
		{"host ::ffff:10.0.0.1", "is no address"},
		{"host 10.0.0.1 rtt", "something is missing"},
		{"host 10.0.0.1 rtt 20", "is no duration"},
		{"host 10.0.0.1 rtt -20ms", "negative"},
		{"host 10.0.0.1 loss 1.5", "is no part"},
		{"host 10.0.0.1 loss NaN", "is no part"},
		{"host 10.0.0.1 refuse EWHAT", "is no error"},
		{"host 10.0.0.1 fast", "a host has no"},
		{"router r 10.1.0.1 limit -1", "is no number"},
		{"router r 10.1.0.1 fast", "a router has no"},
		{"path 10.0.0.1 silent", "there is no host"},
		{"host 10.0.0.1\npath 10.0.0.1 r1@1ms", "there is no router"},
		{"host 10.0.0.1\npath 10.0.0.1 r1", "is no hop"},
		{"host 10.0.0.1\nrouter r 2001:db8::1\npath 10.0.0.1 r@1ms", "another family"},
		{"host 10.0.0.1\npath 10.0.0.1" + strings.Repeat(" silent", 255), "at most 254"},
		{"host 10.0.0.1 unreachable 256", "is no code"},
		{"host 10.0.0.1 unreachable nobody", "is no code"},
		{"host 10.0.0.1 unreachable prohibited open", ""},
		{"router r 10.1.0.1 labels", "something is missing"},
		{"router r 10.1.0.1 labels 1048576", "is no label"},
		{"router r 10.1.0.1 labels 16/8", "is no label"},
		{"router r 10.1.0.1 labels 16/7/256", "is no label"},
		{"router r 10.1.0.1 labels 16/7/255/1", "is no label"},
		{"router r 10.1.0.1 labels 16,", "is no label"},
		{"router r 10.1.0.1 labels 16,17/1,18/7/255 unmeasured zero uncounted unreachable net", ""},
		{"host 10.0.0.1\nrouter r 10.1.0.1\npath 10.0.0.1 r@1ms silent loop 2", ""},
		{"host 10.0.0.1\npath 10.0.0.1 silent loop 2", "2 of 1 routers cannot loop"},
		{"host 10.0.0.1\npath 10.0.0.1 silent loop 0", "cannot loop"},
		{"host 10.0.0.1\npath 10.0.0.1 silent or silent silent", ""},
		{"host 10.0.0.1\npath 10.0.0.1 silent and silent and silent", "more than two"},
		{"host 10.0.0.1\npath 10.0.0.1 silent and" + strings.Repeat(" silent", 255), "at most 254"},
		{"host 10.0.0.1\ntunnel 10.0.0.1 2 3 uniform\ntunnel 10.0.0.1 5 5 pipe", ""},
		{"host 10.0.0.1\ntunnel 10.0.0.1 3 2 uniform", "cannot lead"},
		{"host 10.0.0.1\ntunnel 10.0.0.1 0 2 uniform", "cannot lead"},
		{"host 10.0.0.1\ntunnel 10.0.0.1 1 2 long", "uniform or pipe"},
		{"tunnel 10.0.0.1 1 2 pipe", "there is no host"},
		{"host 10.0.0.1\nnat 10.0.0.1 2 to 10.0.0.2 from 10.0.0.3 port 7 off 65535 hides", ""},
		{"host 10.0.0.1\nnat 10.0.0.1 2 to 2001:db8::1", "another family"},
		{"host 10.0.0.1\nnat 10.0.0.1 2 port 65536", "is no number"},
		{"host 10.0.0.1\nnat 10.0.0.1 2 shows", "a nat has no"},
		{"nat 10.0.0.1 2 hides", "there is no host"},
		{"host 10.0.0.1\nforge 10.0.0.1 lies 1", "cannot be forged"},
		{"forge 10.0.0.1 nonce 1", "there is no host"},
		{"at 5s", "something is missing"},
		{"at 5s at 5s step 1h", "cannot stand behind"},
		{"at 5s step 1h", ""},
		{"step 1h 2h", "is too much"},
		{"stall lunch 1h", "cannot be stalled"},
		{"deny raw tcp", "no kind of socket"},
		{"unstamped both", "neither tx nor rx"},
		{"seed 7\ndrops 4294967295\nbuffer 10\nfull 1s\nfail EPERM 3\nsurface EPERM\nbusy 1ms\ndeny raw\nunstamped tx\nunstamped rx", ""},
	}
	for _, test := range tests {
		_, err := New(1, test.text)
		switch {
		case test.want == "" && err != nil, test.want != "" && err == nil:
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		case err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
}

// TestFiles reads the scenarios that other tests use.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.net")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(1, string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func FuzzScenario(f *testing.F) {
	f.Add("router r 10.1.0.1 silent limit 3 quote 8\nhost 10.0.0.1 rtt 20ms\npath 10.0.0.1 r|r@1ms silent\nat 1s step -3h")
	f.Add("host 10.0.0.1\nrouter r 10.1.0.1 labels 16/7/255,17\npath 10.0.0.1 r@1ms loop 1 or silent\ntunnel 10.0.0.1 1 2 uniform\nnat 10.0.0.1 2 to 10.0.0.2")
	f.Add("deny raw\nstall send 1s\nforge 10.0.0.1 nonce 1")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := New(1, text); err == nil && n == nil {
			t.Error("neither a network nor an error")
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

func TestReadResponse(t *testing.T) {
	long := strings.Repeat("n", 300)
	tests := []struct {
		name, text     string
		code, software string // code "" is an error
	}{
		{"plain", "HTTP/1.1 200 OK\r\nServer: gws\r\n\r\n", "200", "gws"},
		{"lone LF", "HTTP/1.1 200 OK\nServer: gws\n\n", "200", "gws"},
		{"no reason", "HTTP/1.1 204\r\n\r\n", "204", unknown},
		{"empty reason", "HTTP/1.1 204 \r\n\r\n", "204", unknown},
		{"two blanks", "HTTP/1.1  200 OK\r\n\r\n", "200", unknown},
		{"HTTP/2", "HTTP/2 200\r\n\r\n", "200", unknown},
		{"no fields", "HTTP/1.1 200 OK\r\n\r\n", "200", unknown},
		{"TestDefect26 case of names", "HTTP/1.1 200 OK\r\nsErVeR: x\r\n\r\n", "200", "x"},
		{"no blank", "HTTP/1.1 200 OK\r\nServer:x\r\n\r\n", "200", "x"},
		{"blanks around", "HTTP/1.1 200 OK\r\nServer \t: \t x y \t\r\n\r\n", "200", "x y"},
		{"empty", "HTTP/1.1 200 OK\r\nServer: \r\n\r\n", "200", unknown},
		{"first of two", "HTTP/1.1 200 OK\r\nServer: one\r\nServer: two\r\n\r\n", "200", "one"},
		{"folded", "HTTP/1.1 200 OK\r\nServer: one\r\n\ttwo\r\nX: y\r\n z\r\n\r\n", "200", "one two"},
		{"folded from the start", "HTTP/1.1 200 OK\r\nServer:\r\n one\r\n\r\n", "200", "one"},
		{"fold without a field", "HTTP/1.1 200 OK\r\n x\r\nServer: s\r\n\r\n", "200", "s"},
		{"line without colon", "HTTP/1.1 200 OK\r\nnonsense\r\nServer: s\r\n\r\n", "200", "s"},
		{"name within another", "HTTP/1.1 200 OK\r\nX-Server: no\r\nServers: no\r\n\r\n", "200", unknown},
		{"long value", "HTTP/1.1 200 OK\r\nServer: " + long + "\r\n\r\n", "200", long[:maxText]},
		{"line over the buffer", "HTTP/1.1 200 OK\r\nServer: " + strings.Repeat("n", 9000) + "\r\nServer: no\r\n\r\n", "200", long[:maxText]},
		{"status line over the buffer", "HTTP/1.1 200 " + strings.Repeat("n", 9000) + "\r\nServer: s\r\n\r\n", "200", "s"},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 999 x\r\n\r\n", "999", unknown},
		{"upgrade is final", "HTTP/1.1 101 Switching\r\n\r\n", "101", unknown},
		{"as many interims as allowed", strings.Repeat("HTTP/1.1 102 P\r\n\r\n", maxInterim) + "HTTP/1.1 200 OK\r\n\r\n", "200", unknown},

		{"one interim more", strings.Repeat("HTTP/1.1 102 P\r\n\r\n", maxInterim+1) + "HTTP/1.1 200 OK\r\n\r\n", "", ""},
		{"nothing", "", "", ""},
		{"no end of line", "HTTP/1.1 200 OK", "", ""},
		{"no empty line", "HTTP/1.1 200 OK\r\nServer: s\r\n", "", ""},
		{"only an empty line", "\r\n", "", ""},
		{"code 099", "HTTP/1.1 099 x\r\n\r\n", "", ""},
		{"two digits", "HTTP/1.1 20 x\r\n\r\n", "", ""},
		{"four digits", "HTTP/1.1 2000 x\r\n\r\n", "", ""},
		{"sign", "HTTP/1.1 +20 x\r\n\r\n", "", ""},
		{"letters", "HTTP/1.1 2xx x\r\n\r\n", "", ""},
		{"no version", "HTTP/ 200 OK\r\n\r\n", "", ""},
		{"odd version", "HTTP/1x1 200 OK\r\n\r\n", "", ""},
		{"long version", "HTTP/1.11 200 OK\r\n\r\n", "", ""},
		{"lower case", "http/1.1 200 OK\r\n\r\n", "", ""},
		{"other protocol", "RTSP/1.0 200 OK\r\n\r\n", "", ""},
		{"a code alone", "200\r\n\r\n", "", ""},
		{"no code", "HTTP/1.1\r\n\r\n", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readResponse(bufio.NewReader(strings.NewReader(test.text)))
			if (err != nil) != (test.code == "") || got.code != test.code || got.software != test.software {
				t.Errorf("readResponse = %+v, %v; want %q %q", got, err, test.code, test.software)
			}
		})
	}
}

func TestSoftwareOfKeepsRunesWhole(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", unknown},
		{"x", "x"},
		{strings.Repeat("a", 255) + "ä", strings.Repeat("a", 255)},
		{strings.Repeat("a", 254) + "äb", strings.Repeat("a", 254) + "ä"},
		{strings.Repeat("\x80", 300), strings.Repeat("\x80", 252)},
	} {
		if got := softwareOf(test.in); got != test.want {
			t.Errorf("softwareOf(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// FuzzResponse holds the parser to its bounds, and to net/http's: an answer
// that net/http accepts is accepted, and means the same.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		simpleAnswer,
		"HTTP/1.0 404 Not Found\nserver:  a\n b\n\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n c\r\nServer: d\r\n\r\n",
		"HTTP/1.1 200\r\nServer: \xff\x1b\r\nServer: e\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readResponse(bufio.NewReader(strings.NewReader(text)))
		if err == nil && (len(got.code) != 3 || got.software == "" || len(got.software) > maxText) {
			t.Fatalf("answer = %+v", got)
		}
		want, wantErr := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), &http.Request{Method: http.MethodHead})
		if wantErr != nil || len(text) > 4096 || want.StatusCode < 100 || want.StatusCode < 200 && want.StatusCode != 101 {
			return
		}
		_ = want.Body.Close() // there is none
		if err != nil {
			t.Fatalf("net/http accepts %q, we do not: %v", text, err)
		}
		software := softwareOf(strings.Trim(want.Header.Get("Server"), " \t"))
		if got.code != want.Status[:3] || got.software != software {
			t.Fatalf("%q: got %+v, want %q %q", text, got, want.Status[:3], software)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"io"
	"strings"
	"testing"

	"connmonitor/internal/vitals"
)

const (
	helloV10 = "\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff"
	helloV9  = "\x093.20.32a\x00\x01\x00\x00\x00abcdefgh\x00"
)

func TestParseHandshake(t *testing.T) {
	tests := []struct{ name, payload, want string }{
		{"version 10", simpleHello[4:], "8.0.36"},
		{"before 4.1", helloV10, "8.0.36"},
		{"version 9", helloV9, "3.20.32a"},
		{"MariaDB", strings.Replace(helloV10, "8.0.36", "5.5.5-10.11.6-MariaDB-0+deb12u1", 1), "10.11.6-MariaDB-0+deb12u1"},
		{"MariaDB 11", strings.Replace(helloV10, "8.0.36", "11.4.2-MariaDB", 1), "11.4.2-MariaDB"},
		{"MySQL 5.5.5", strings.Replace(helloV10, "8.0.36", "5.5.5-m3-log", 1), "5.5.5-m3-log"},
		{"only the prefix", strings.Replace(helloV10, "8.0.36", "5.5.5-", 1), "5.5.5-"},
		{"TestDefect26 not cut", strings.Replace(helloV10, "8.0.36", "8.0.25-15-57-log", 1), "8.0.25-15-57-log"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseHandshake([]byte(test.payload)); err != nil || got != test.want {
				t.Errorf("parseHandshake = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestHandshakeErrors accepts the errors with which a server refuses us.
func TestHandshakeErrors(t *testing.T) {
	for _, payload := range []string{
		"\xff\x69\x04Host '192.0.2.1' is blocked because of many connection errors",
		"\xff\x10\x04#08004Too many connections",
		"\xff\x6a\x04Host '192.0.2.1' is not allowed to connect to this MariaDB server",
		"\xff\xe8\x03",
	} {
		for _, sequence := range []string{"\x00", "\x01"} {
			port := serve(t, greets(string(rune(len(payload)))+"\x00\x00"+sequence+payload))
			wantRefusal(t, ask(t, "mysql", port, patient))
		}
	}
}

func TestNotAHandshake(t *testing.T) {
	for name, payload := range map[string]string{
		"empty":             "",
		"one byte":          "\x0a",
		"version 8":         "\x08" + helloV10[1:],
		"no NUL":            "\x0a8.0.36",
		"empty version":     "\x0a\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff",
		"short":             helloV10[:len(helloV10)-1],
		"filler":            strings.Replace(helloV10, "h\x00", "h\x01", 1),
		"version 9 short":   "\x093.20\x00\x01\x00\x00\x00",
		"version 9 no NUL":  helloV9[:len(helloV9)-1],
		"version 9 longer":  helloV9 + "x",
		"error without":     "\xff\x10",
		"error too low":     "\xff\xe7\x03message",
		"progress report":   "\xff\xff\xff\x01\x01",
		"OK packet":         "\x00\x00\x00\x02\x00\x00\x00",
		"auth switch":       "\xfemysql_native_password\x00",
		"a line":            "\x0a\x0a\x0a\x0a",
		"NULs":              strings.Repeat("\x00", 100),
		"HTTP in a payload": "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseHandshake([]byte(payload)); !errors.Is(err, errNotMySQL) || got != "" {
				t.Errorf("parseHandshake = %q, %v", got, err)
			}
		})
	}
}

func TestReadPacket(t *testing.T) {
	tests := []struct {
		name, stream string
		want         string
		err          error
	}{
		{"packet", "\x03\x00\x00\x00abcde", "abc", nil},
		{"sequence 1", "\x01\x00\x00\x01a", "a", nil},
		{"largest", "\x00\x10\x00\x00" + strings.Repeat("a", maxHandshake), strings.Repeat("a", maxHandshake), nil},
		{"larger", "\x01\x10\x00\x00" + strings.Repeat("a", maxHandshake+1), "", errNotMySQL},
		{"16 MiB", "\xff\xff\xff\x00a", "", errNotMySQL},
		{"empty", "\x00\x00\x00\x00", "", errNotMySQL},
		{"sequence 2", "\x01\x00\x00\x02a", "", errNotMySQL},
		{"nothing", "", "", io.EOF},
		{"half a header", "\x01\x00", "", io.ErrUnexpectedEOF},
		{"half a payload", "\x02\x00\x00\x00a", "", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readPacket(strings.NewReader(test.stream))
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("readPacket = %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

// TestDefect20OpenPort3306 lets MySQL, and what is not, listen on the port: the
// original's scans of that host ended either way.
func TestDefect20OpenPort3306(t *testing.T) {
	wantOpen(t, ask(t, "mysql", serve(t, greets(simpleHello)), patient), "", "8.0.36")
	wantClosed(t, ask(t, "mysql", serve(t, greets("220 ftp ready\r\n")), patient))
	wantClosed(t, ask(t, "mysql", serve(t, silent), brief))
}

func TestLongVersionIsBounded(t *testing.T) {
	payload := strings.Replace(helloV10, "8.0.36", strings.Repeat("v", 3000), 1)
	stream := string([]byte{byte(len(payload)), byte(len(payload) >> 8), 0, 0}) + payload
	wantOpen(t, ask(t, "mysql", serve(t, greets(stream)), patient), "", strings.Repeat("v", maxText))
}

// FuzzHandshake reads a stream as the scan does.
func FuzzHandshake(f *testing.F) {
	for _, seed := range []string{
		simpleHello,
		string(rune(len(helloV10))) + "\x00\x00\x00" + helloV10,
		string(rune(len(helloV9))) + "\x00\x00\x00" + helloV9,
		"\x10\x00\x00\x01\xff\x69\x04Host blocked!",
		"SSH-2.0-OpenSSH\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		payload, err := readPacket(strings.NewReader(string(stream)))
		if err != nil {
			if payload != nil {
				t.Fatalf("an error and a payload: %q", payload)
			}
			return
		}
		version, err := parseHandshake(payload)
		switch {
		case err != nil && version != "":
			t.Fatalf("an error and a version: %q", version)
		case err == nil && version == "" && payload[0] != 0xff:
			t.Fatalf("a handshake without version: %q", payload)
		case strings.Contains(version, "\x00") || len(version) > len(payload):
			t.Fatalf("version %q", version)
		}
	})
}

// wantRefusal is a server that tells no more than why.
func wantRefusal(t *testing.T, got vitals.Service) {
	t.Helper()
	wantState(t, got, vitals.ServiceOpen, "refuses with 1")
	if got.Software != unknown {
		t.Errorf("got %+v, want no version", got)
	}
}

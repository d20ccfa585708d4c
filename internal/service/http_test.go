// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRequestOnTheWire checks what a server sees of us, by net/http's own
// parser and byte for byte.
func TestRequestOnTheWire(t *testing.T) {
	seen := make(chan *http.Request, 1)
	port := serve(t, func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err == nil {
			seen <- request
			_, _ = io.WriteString(conn, simpleAnswer)
		}
	})
	wantOpen(t, ask(t, "http", port, patient), "200", "test")
	r := <-seen
	if r.Method != "HEAD" || r.RequestURI != "/" || r.Proto != "HTTP/1.1" || r.Host != "host.example" || !r.Close {
		t.Errorf("request = %+v", r)
	}
	const want = "HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: connmonitor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	if got := requestHead("a"); got != want {
		t.Errorf("request = %q, want %q", got, want)
	}
}

// TestDefect25HostIsTheName: with the address instead, virtual hosts answer for
// somebody else.
func TestDefect25HostIsTheName(t *testing.T) {
	for name, want := range map[string]string{
		"www.example.org":  "www.example.org",
		"www.example.org.": "www.example.org.",
		"WWW.Example.org":  "WWW.Example.org",
		"192.0.2.1":        "192.0.2.1",
		"2001:db8::1":      "[2001:db8::1]",
		"fe80::1%eth0":     "[fe80::1]",
		"::ffff:192.0.2.1": "[::ffff:192.0.2.1]",
		"[2001:db8::1]":    "[2001:db8::1]",
	} {
		if got := hostHeader(name); got != want {
			t.Errorf("hostHeader(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestDefect19ServerHeaderIsKeptWhole: an injected key came through to the
// JSON. Here the value arrives as it was sent, quotes and escapes and all, in one
// field, for report to escape.
func TestDefect19ServerHeaderIsKeptWhole(t *testing.T) {
	for _, evil := range []string{
		`x"},"injected":{"a":"b`,
		"\x1b[31mred\x1b[0m",
		"a\rb",
		"\xff\xfe",
		"tab\there, comma, 100.000",
	} {
		port := serve(t, says("HTTP/1.1 200 OK\r\nServer: "+evil+"\r\n\r\n"))
		wantOpen(t, ask(t, "http", port, patient), "200", evil)
	}
}

// TestDefect21EveryScanConnectsAnew has a server that closes after one answer:
// every second record had the code \0\0\0.
func TestDefect21EveryScanConnectsAnew(t *testing.T) {
	var connections atomic.Int32
	port := serve(t, func(conn net.Conn) {
		connections.Add(1)
		says(simpleAnswer)(conn)
	})
	for range 4 {
		wantOpen(t, ask(t, "http", port, patient), "200", "test")
	}
	if got := connections.Load(); got != 4 {
		t.Errorf("%d connections for 4 scans", got)
	}
}

// TestDefect22LongHeaders: what was behind the first 1,024 bytes was the next
// scan's answer.
func TestDefect22LongHeaders(t *testing.T) {
	long := "X-Long: " + strings.Repeat("a", 20000) + "\r\n"
	port := serve(t, says("HTTP/1.1 301 Moved\r\n"+long+"Server: behind\r\n"+long+"\r\n"))
	for range 2 {
		wantOpen(t, ask(t, "http", port, patient), "301", "behind")
	}
	port = serve(t, says("HTTP/1.1 200 OK\r\nServer: before\r\n"+strings.Repeat(long, 4)+"\r\n"))
	wantClosed(t, ask(t, "http", port, patient))
}

// TestDefect24FarServer answers after the 80 ms that the original waited.
func TestDefect24FarServer(t *testing.T) {
	port := serve(t, func(conn net.Conn) {
		time.Sleep(100 * time.Millisecond)
		says(simpleAnswer)(conn)
	})
	wantOpen(t, ask(t, "http", port, patient), "200", "test")
}

func TestHTTPServers(t *testing.T) {
	tests := []struct {
		name           string
		answer         string
		code, software string // code "" is not open
	}{
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nServer: old\r\n\r\n", "200", "old"},
		{"body in spite of HEAD", "HTTP/1.1 200 OK\r\nServer: b\r\nContent-Length: 5\r\n\r\nhello" + strings.Repeat("x", 100000), "200", "b"},
		{"error", "HTTP/1.1 500 Internal Server Error\r\nServer: e\r\n\r\n", "500", "e"},
		{"interim", "HTTP/1.1 103 Early Hints\r\nServer: interim\r\n\r\nHTTP/1.1 404 Not Found\r\nServer: final\r\n\r\n", "404", "final"},
		{"odd transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nServer: t\r\n\r\n", "200", "t"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nServer: l\r\n\r\n", "200", "l"},
		{"400 from a TLS server on 80", "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", "400", "nginx"},
		{"TLS alert on 80", "\x15\x03\x01\x00\x02\x02\x0a", "", ""},
		{"HTTP/2 preface", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", "", ""},
		{"shoutcast", "ICY 200 OK\r\n\r\n", "", ""},
		{"HTTP/0.9", "<html></html>", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ask(t, "http", serve(t, says(test.answer)), patient)
			if test.code == "" {
				wantClosed(t, got)
			} else {
				wantOpen(t, got, test.code, test.software)
			}
		})
	}
}

// TestAnswerBeforeRequest closes after an answer that did not wait for the
// request: the write may fail, and the answer counts.
func TestAnswerBeforeRequest(t *testing.T) {
	conn := &refusing{Reader: strings.NewReader("HTTP/1.1 503 Busy\r\n\r\n")}
	c := newConversation(conn, maxHead, "a", nil)
	if err := talkHTTP(c); err != nil || c.got.Code != "503" || c.got.Software != unknown {
		t.Errorf("talkHTTP = %+v, %v", c.got, err)
	}
	conn.Reader = strings.NewReader("")
	if err := talkHTTP(newConversation(conn, maxHead, "a", nil)); err == nil || !strings.Contains(err.Error(), errRead.Error()) {
		t.Errorf("err = %v, want both errors", err)
	}
}

// refusing is a connection that cannot be written.
type refusing struct {
	net.Conn
	io.Reader
}

func (r *refusing) Read(p []byte) (int, error) { return r.Reader.Read(p) }

func (r *refusing) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", errRead) }

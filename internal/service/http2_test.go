// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2/hpack"

	"connmonitor/internal/vitals"
)

// offering is a server's configuration that speaks these in TLS.
func offering(t *testing.T, protocols ...string) *tls.Config {
	t.Helper()
	config := tlsServerConfig(t)
	config.NextProtos = protocols
	return config
}

// serveHTTPS runs net/http's server, and tells of the requests it gets.
func serveHTTPS(t *testing.T, config *tls.Config, protocols func(*http.Protocols)) (uint16, <-chan *http.Request) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan *http.Request, 8)
	server := &http.Server{TLSConfig: config, Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Server", "first")
		w.Header().Set("Location", "https://elsewhere.example/")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusFound)
	})}
	protocols(server.Protocols)
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(listener, "", "") }) // until it is closed
	t.Cleanup(func() {
		closeQuietly(server)
		running.Wait()
	})
	return portOf(listener.Addr()), seen
}

// TestHTTPSVersions lets a server choose, and one that has only one.
func TestHTTPSVersions(t *testing.T) {
	tests := map[string]struct {
		protocols  func(*http.Protocols)
		alpn, http string
	}{
		"both":        {func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "h2", "HTTP/2"},
		"HTTP/2 only": {func(p *http.Protocols) { p.SetHTTP2(true) }, "h2", "HTTP/2"},
		"HTTP/1 only": {func(p *http.Protocols) { p.SetHTTP1(true) }, "http/1.1", "HTTP/1.1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			port, seen := serveHTTPS(t, tlsServerConfig(t), test.protocols)
			got := ask(t, "https", port, patient)
			wantOpen(t, got, "302", "first")
			if got.HTTP != test.http || got.TLS == nil || got.TLS.ALPN != test.alpn || got.Redirect != "https://elsewhere.example/" {
				t.Errorf("got %+v, TLS %+v", got, got.TLS)
			}
			r := <-seen
			if r.Method != "HEAD" || r.RequestURI != "/" || r.Host != "host.example" || r.UserAgent() != "connmonitor" || len(r.Header) > 3 {
				t.Errorf("request = %+v", r)
			}
			if got := askPort(t, auto, port, patient); got.Protocol != "https" || got.HTTP != test.http || got.Software != "first" {
				t.Errorf("auto: %+v", got)
			}
		})
	}
}

// frameOf is a frame as a server sends it.
func frameOf(kind, flags byte, stream uint32, payload string) string {
	header := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(header, flags), stream)) + payload
}

// fieldsOf compresses names and values.
func fieldsOf(fields ...string) string {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for pair := range slices.Chunk(fields, 2) {
		_ = encoder.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]})
	}
	return block.String()
}

// utters sends the text inside TLS, and then no more. It reads on: to close a
// connection of which something is unread resets it.
func utters(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
		_ = conn.(*tls.Conn).CloseWrite()
		silent(conn)
	}
}

// TestHTTP2Frames reads what a server may say after the handshake.
func TestHTTP2Frames(t *testing.T) {
	settings := frameOf(frameSettings, 0, 0, "\x00\x03\x00\x00\x00\x64")
	block := fieldsOf(":status", "200", "server", "x")
	head := frameOf(frameHeaders, flagEndHeaders|flagEndStream, 1, block)
	tests := []struct {
		name, says string
		reason     string // "" is an answer of x
	}{
		{"plain", settings + head, ""},
		{"padded, with priority", settings + frameOf(frameHeaders, flagEndHeaders|flagPadded|flagPriority, 1, "\x02\x00\x00\x00\x00\x10"+block+"\x00\x00"), ""},
		{"continued", settings + frameOf(frameHeaders, 0, 1, block[:1]) + frameOf(frameContinuation, 0, 1, "") + frameOf(frameContinuation, flagEndHeaders, 1, block[1:]), ""},
		{"after others", settings + frameOf(0x8, 0, 0, "\x00\x00\x10\x00") + frameOf(0x6, 0, 0, "12345678") + frameOf(0x42, 0, 7, "?") + head, ""},
		{"before it goes away", settings + frameOf(frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00") + head, ""},
		{"informational first", settings + frameOf(frameHeaders, flagEndHeaders, 1, fieldsOf(":status", "103")) + head, ""},
		{"only informational", settings + strings.Repeat(frameOf(frameHeaders, flagEndHeaders, 1, "\x08\x03100"), maxInterim+1), errInterim.Error()},

		{"no settings", head, errHTTP2.Error()},
		{"an acknowledgement first", frameOf(frameSettings, flagAck, 0, "") + head, errHTTP2.Error()},
		{"HTTP/1.1", simpleAnswer, errHTTP2.Error()},
		{"no status", settings + frameOf(frameHeaders, flagEndHeaders, 1, fieldsOf("server", "x")), errHTTP2.Error()},
		{"odd status", settings + frameOf(frameHeaders, flagEndHeaders, 1, fieldsOf(":status", "20x")), errHTTP2.Error()},
		{"no compression", settings + frameOf(frameHeaders, flagEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), errHTTP2.Error()},
		{"half a field", settings + frameOf(frameHeaders, flagEndHeaders, 1, "\x08\x03"), errHTTP2.Error()},
		{"more padding than frame", settings + frameOf(frameHeaders, flagEndHeaders|flagPadded, 1, "\xff"+block), errHTTP2.Error()},
		{"padded, and empty", settings + frameOf(frameHeaders, flagEndHeaders|flagPadded, 1, ""), errHTTP2.Error()},
		{"a frame between", settings + frameOf(frameHeaders, 0, 1, block[:1]) + frameOf(frameSettings, 0, 0, ""), errHTTP2.Error()},
		{"a stream of its own", settings + frameOf(frameHeaders, flagEndHeaders, 2, block), errHTTP2.Error()},
		{"a push", settings + frameOf(framePushPromise, flagEndHeaders, 1, "\x00\x00\x00\x02"+block), errHTTP2.Error()},
		{"a frame that is too long", settings + "\x00\x40\x01" + strings.Repeat("\x00", 1<<15), errHTTP2.Error()},
		{"reset", settings + frameOf(frameReset, 0, 1, "\x00\x00\x00\x07"), "refuses with HTTP/2 error 7"},
		{"a short reset", settings + frameOf(frameReset, 0, 1, ""), errHTTP2.Error()},
		{"goes away", settings + frameOf(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x0bcalm"), "refuses with HTTP/2 error 11"},
		{"goes away at once", frameOf(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x0b"), "refuses with HTTP/2 error 11"},
		{"goes away without a word", settings + frameOf(frameGoAway, 0, 0, ""), errHTTP2.Error()},
		{"hangs up", settings, "hung up before the answer was complete"},
		{"half a frame", settings + head[:len(head)-1], "hung up before the answer was complete"},
		{"pings for ever", settings + strings.Repeat(frameOf(0x6, 0, 0, "12345678"), (maxHead+maxTLS)/17+1), errFlood.Error()},
		{"a head without end", settings + frameOf(frameHeaders, 0, 1, "") + strings.Repeat(frameOf(frameContinuation, 0, 1, block), (maxHead+maxTLS)/9+1), errFlood.Error()},
	}
	config := offering(t, alpnHTTP2)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, "https", serve(t, secured(t, config, utters(test.says))), patient)
			if test.reason == "" {
				wantOpen(t, got, "200", "x")
				return
			}
			wantState(t, got, vitals.ServiceError, test.reason)
		})
	}
}

// TestHTTP11Required: a server that wants this request by HTTP/1.1 gets it so,
// once, whether it says so of the stream or of the connection.
func TestHTTP11Required(t *testing.T) {
	for name, says := range map[string]string{
		"stream":     frameOf(frameSettings, 0, 0, "") + frameOf(frameReset, 0, 1, "\x00\x00\x00\x0d"),
		"connection": frameOf(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x0d"),
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			both, never := offering(t, alpnHTTP2, alpnHTTP1), offering(t, alpnHTTP2)
			answer := func(conn net.Conn) {
				connections.Add(1)
				text := says
				if conn.(*tls.Conn).HandshakeContext(t.Context()) == nil && conn.(*tls.Conn).ConnectionState().NegotiatedProtocol == alpnHTTP1 {
					text = simpleAnswer
				}
				utters(text)(conn)
			}
			got := ask(t, "https", serve(t, secured(t, both, answer)), patient)
			wantOpen(t, got, "200", "test")
			if got.HTTP != "HTTP/1.1" || got.TLS.ALPN != alpnHTTP1 || connections.Load() != 2 {
				t.Errorf("got %+v, TLS %+v over %d connections", got, got.TLS, connections.Load())
			}
			wantClosed(t, ask(t, "https", serve(t, secured(t, never, answer)), patient))
			got = askPort(t, auto, serve(t, secured(t, never, answer)), patient)
			if got.Protocol != "https" || got.Software != unknown {
				t.Errorf("auto: %+v", got)
			}
		})
	}
}

// FuzzHTTP2 reads any stream as the frames of a server.
func FuzzHTTP2(f *testing.F) {
	settings := frameOf(frameSettings, 0, 0, "")
	block := fieldsOf(":status", "200", "server", "x", "location", "/")
	f.Add([]byte(settings + frameOf(frameHeaders, flagEndHeaders, 1, block)))
	f.Add([]byte(settings + frameOf(frameHeaders, flagPadded|flagPriority, 1, "\x01\x00\x00\x00\x00\x10"+block[:2]+"\x00") + frameOf(frameContinuation, flagEndHeaders, 1, block[2:])))
	f.Add([]byte(settings + frameOf(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x0b")))
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := newConversation(&played{in: bytes.NewReader(stream)}, maxHead, "a", newVerifier())
		a, err := c.readHTTP2()
		switch {
		case err != nil && a != answer{}:
			t.Fatalf("an error and an answer: %+v", a)
		case err == nil && (len(a.code) != 3 || a.code[0] == '1' || a.software == "" || len(a.software) > maxText || len(a.redirect) > maxText):
			t.Fatalf("answer = %+v", a)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"flag"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connmonitor/internal/vitals"
)

func TestMain(m *testing.M) {
	// These tests wait for somebody, most of the time: how many run side by
	// side is no question of processors.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patient is a time-out that only a hang uses up.
const patient = 30 * time.Second

// brief is a time-out for servers that use it up.
const brief = 200 * time.Millisecond

var loopback = netip.MustParseAddr("127.0.0.1")

// serve runs handle for each connection to a port of 127.0.0.1, which it
// returns. When the test ends the connections are closed, and handle must
// return.
func serve(t *testing.T, handle func(net.Conn)) uint16 {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", handle)
}

func serveAt(t *testing.T, address string, handle func(net.Conn)) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.Map
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, nil)
			running.Go(func() {
				defer conns.Delete(conn)
				defer closeQuietly(conn)
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		closeQuietly(listener)
		conns.Range(func(conn, _ any) bool {
			closeQuietly(conn.(net.Conn))
			return true
		})
		running.Wait()
	})
	return portOf(listener.Addr())
}

func portOf(addr net.Addr) uint16 { return addr.(*net.TCPAddr).AddrPort().Port() }

func closeQuietly(c io.Closer) { _ = c.Close() }

// silent says nothing and waits for the other side to hang up.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// says reads what begins like a request and sends the text.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
	}
}

// greets sends the text at once, as MySQL does.
func greets(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		silent(conn)
	}
}

// at redirects services to ports.
func at(ports map[string]uint16) Options {
	return Options{Port: func(service string) uint16 { return ports[service] }}
}

// ask scans one service at a port of 127.0.0.1.
func ask(t *testing.T, name string, port uint16, timeout time.Duration) vitals.Service {
	t.Helper()
	return askAs(t, Request{Name: "host.example", Addr: loopback, Timeout: timeout, Services: []string{name}}, port)
}

func askAs(t *testing.T, r Request, port uint16) vitals.Service {
	t.Helper()
	s := New(Options{Port: func(string) uint16 { return port }})
	scan, err := s.Scan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(scan.Services) != 1 || scan.Services[0].Name != r.Services[0] {
		t.Fatalf("services = %+v, want one %s", scan.Services, r.Services[0])
	}
	return scan.Services[0]
}

func wantOpen(t *testing.T, got vitals.Service, code, software string) {
	t.Helper()
	if !got.Open() || got.Reason != "" || got.Code != code || got.Software != software || got.RTT <= 0 {
		t.Errorf("got %+v, want an open service, code %q, software %q, some RTT", got, code, software)
	}
}

func wantClosed(t *testing.T, got vitals.Service) {
	t.Helper()
	if got.Open() || got.Reason == "" || got.RTT != 0 || got.Code != "" || got.Software != "" || got.Redirect != "" {
		t.Errorf("got %+v, want nothing of a server, and why", got)
	}
}

// askPort scans one service at a port of 127.0.0.1 that the request says.
func askPort(t *testing.T, name string, port uint16, timeout time.Duration) vitals.Service {
	t.Helper()
	return askAs(t, Request{
		Name: "host.example", Addr: loopback, Timeout: timeout, Services: []string{portName(port) + "/" + name},
	}, port)
}

// wantState also checks that there is no identity without an open service.
func wantState(t *testing.T, got vitals.Service, state vitals.ServiceState, reason string) {
	t.Helper()
	if got.State != state || !strings.Contains(got.Reason, reason) {
		t.Errorf("got %+v, want %v, %q", got, state, reason)
	}
	if state != vitals.ServiceOpen {
		wantClosed(t, got)
	}
}

// errRead is a reader's error that is not the end.
var errRead = errors.New("read error")

// freePort is a port of 127.0.0.1 that nobody listens at.
func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(listener)
	return portOf(listener.Addr())
}

// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tellsPeer answers with the address that the connection came from.
func tellsPeer(conn net.Conn) {
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	says("HTTP/1.1 200 OK\r\nServer: " + from.String() + "\r\n\r\n")(conn)
}

func TestSource(t *testing.T) {
	port := serve(t, tellsPeer)
	for source, want := range map[string]string{
		"":                 "127.0.0.1",
		"127.0.0.2":        "127.0.0.2",
		"::ffff:127.0.0.3": "127.0.0.3",
		"lo":               "127.0.0.1",
	} {
		t.Run(source, func(t *testing.T) {
			got := askAs(t, Request{Addr: loopback, Source: source, Timeout: patient, Services: []string{"http"}}, port)
			wantOpen(t, got, "200", want)
		})
	}
}

// TestSourceInterfaceWithoutPrivilege refuses to bind to the interface, as
// kernels before 5.7 do without CAP_NET_RAW.
func TestSourceInterfaceWithoutPrivilege(t *testing.T) {
	port := serve(t, tellsPeer)
	s := New(Options{Port: func(string) uint16 { return port }})
	s.bind = func(int, string) error { return os.NewSyscallError(bindCall, unix.EPERM) }
	scan, err := s.Scan(t.Context(), Request{Addr: loopback, Source: "lo", Timeout: patient, Services: []string{"http"}})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, scan.Services[0], "200", "127.0.0.1")

	_, err = s.Scan(t.Context(), Request{Addr: loopback, Source: "nosuch0", Timeout: patient, Services: []string{"http"}})
	if !errors.Is(err, errSource) {
		t.Errorf("err = %v, want one about the source", err)
	}
}

func TestSourceFaults(t *testing.T) {
	port := serve(t, tellsPeer)
	for source, want := range map[string]string{
		"192.0.2.1": "not an address of this machine",
		"nosuch0":   "neither an address nor an interface",
		"::1":       "different families",
	} {
		t.Run(source, func(t *testing.T) {
			s := New(Options{Port: func(string) uint16 { return port }})
			scan, err := s.Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Source: source, Timeout: patient})
			if err == nil || !strings.Contains(err.Error(), want) || scan.Services != nil {
				t.Errorf("Scan = %+v, %v; want an error with %q", scan, err, want)
			}
		})
	}
}

func TestInterfaceAddr(t *testing.T) {
	got, err := interfaceAddr("lo", loopback)
	if err != nil || !got.IsLoopback() || !got.Is4() {
		t.Errorf("interfaceAddr(lo) = %v, %v", got, err)
	}
	if got, err := interfaceAddr("lo", netip.MustParseAddr("169.254.1.1")); !errors.Is(err, errSource) {
		t.Errorf("a link-local address of lo = %v, %v", got, err)
	}
}

func TestIPv6(t *testing.T) {
	if _, err := interfaceAddr("lo", netip.IPv6Loopback()); err != nil {
		t.Skip("lo has no IPv6 address")
	}
	port := serveAt(t, "[::1]:0", tellsPeer)
	for _, source := range []string{"", "::1", "lo"} {
		got := askAs(t, Request{Name: "::1", Addr: netip.IPv6Loopback(), Source: source, Timeout: patient, Services: []string{"http"}}, port)
		wantOpen(t, got, "200", "::1")
	}
}

// TestDefect26RTTIncludesConnect delays the connect itself: the monitor's RTT
// left it out, that of connvitals did not.
func TestDefect26RTTIncludesConnect(t *testing.T) {
	const delay = 20 * time.Millisecond
	port := serve(t, says(simpleAnswer))
	s := New(Options{Port: func(string) uint16 { return port }})
	s.bind = func(int, string) error { time.Sleep(delay); return nil }
	scan, err := s.Scan(t.Context(), Request{Addr: loopback, Source: "lo", Timeout: patient, Services: []string{"http"}})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, scan.Services[0], "200", "test")
	if got := scan.Services[0].RTT; got < delay {
		t.Errorf("RTT = %v, without the %v of the connect", got, delay)
	}
}

func TestIsLocal(t *testing.T) {
	for err, want := range map[error]bool{
		unix.EMFILE: true, unix.ENFILE: true, unix.EPERM: true, unix.EACCES: true, unix.EADDRNOTAVAIL: true,
		unix.ENODEV: true, unix.ENOBUFS: true, unix.ENOMEM: true, unix.EAFNOSUPPORT: true, unix.EINVAL: true, errSource: true,
		unix.ECONNREFUSED: false, unix.ECONNRESET: false, unix.EHOSTUNREACH: false, unix.ENETUNREACH: false,
		unix.ETIMEDOUT: false, unix.EPIPE: false, unix.EHOSTDOWN: false, os.ErrDeadlineExceeded: false, errFlood: false,
	} {
		wrapped := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
		if got := isLocal(wrapped); got != want {
			t.Errorf("isLocal(%v) = %t, want %t", err, got, want)
		}
	}
	// ETIMEDOUT and the like have no advice.
	if got := advice(unix.ETIMEDOUT); got != "" {
		t.Errorf("advice = %q", got)
	}
}

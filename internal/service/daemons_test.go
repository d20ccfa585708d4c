// SPDX-License-Identifier: Apache-2.0

package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// daemon is one of Debian's servers.
type daemon struct {
	name    string
	program string // skips the test where it is missing
	// version is the package that its version is compared with: VERSION and
	// REVISION in what it is called stand for it.
	version string
	start   func(t *testing.T, r *rack, path string) (logs []string)
	serves  []served
	// more is what else there is to ask; nil is nothing.
	more func(t *testing.T, r *rack)
	// seen is what its log says of us, and never what it would say of a login.
	seen, never string
}

// served is one of its services, and what comes of asking.
type served struct {
	service  string
	port     uint16
	software string
	secured  bool
	// auto is what is recognised at an unusual port, with this software; "" is
	// nothing.
	auto string
	// at is what is recognised at the port itself, where that is more.
	at string
}

// root skips a test whose server insists on it.
func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the servers start as root only")
	}
}

// write makes a file in the directory and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// readable lets users other than root reach a directory of this test.
func readable(t *testing.T, dir string) {
	t.Helper()
	for _, path := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDaemons asks Debian's servers: each service by its protocol and by auto,
// on its own port and on one that says nothing. They start side by side.
func TestDaemons(t *testing.T) {
	var ports []uint16
	daemons := allDaemons()
	for _, d := range daemons {
		for _, s := range d.serves {
			ports = append(ports, s.port)
		}
	}
	r := newRack(t, ports)
	for _, d := range daemons {
		t.Run(d.name, func(t *testing.T) {
			path := find(t, d.program)
			version, revision := packageVersion(t, d.version)
			names := strings.NewReplacer("VERSION", version, "REVISION", revision)
			logs := d.start(t, r, path)
			t.Parallel() // from here on, when all have been started
			for _, s := range d.serves {
				if s.service == "dns" || s.service == "ntp" {
					r.awaitUDP(t, s.service, s.port)
				} else {
					r.await(t, s.port)
				}
			}
			for _, s := range d.serves {
				s.software = names.Replace(s.software)
				r.wantServed(t, s)
			}
			if d.more != nil {
				d.more(t, r)
			}
			wantLog(t, logs, d.seen, d.never)
		})
	}
}

// wantServed asks a service in all ways.
func (r *rack) wantServed(t *testing.T, s served) {
	t.Helper()
	ask := func(service string, port uint16, timeout time.Duration, want func(got vitals.Service)) func() {
		return func() { want(r.askWithin(t, service, port, timeout)) }
	}
	byName := func(got vitals.Service) {
		t.Helper()
		r.wantServer(t, got, s.software, s.secured)
		if got.Protocol != s.service {
			t.Errorf("protocol %q, want %q", got.Protocol, s.service)
		}
	}
	all := []func(){ask(s.service, s.port, patient, byName), ask(s.service, unusualPort(s.port), patient, byName)}
	if s.service != "dns" && s.service != "ntp" { // auto is for TCP
		// Who waits for more of a ClientHello uses up the first share of the
		// time, and who is not recognised all of it.
		known, stranger := patient, patient
		switch {
		case s.auto != "":
		case s.at != "":
			known, stranger = 4*time.Second, time.Second
		default:
			known, stranger = time.Second, time.Second
		}
		all = append(all, ask(auto, s.port, known, r.wantAuto(t, s, or(s.at, s.auto))), ask(auto, unusualPort(s.port), stranger, r.wantAuto(t, s, s.auto)))
	}
	together(all...)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// wantAuto checks what was recognised; TLS that has a name of its own holds no
// more than that.
func (r *rack) wantAuto(t *testing.T, s served, protocol string) func(got vitals.Service) {
	t.Helper()
	return func(got vitals.Service) {
		t.Helper()
		software, secured := s.software, s.secured
		switch protocol {
		case "":
			protocol, software, secured = tcp, unknown, false
			got.Reason = "" // it may have run out of time
		case "tls":
			software = unknown
		}
		if got.Protocol != protocol {
			t.Errorf("auto at %s: %+v, want %s", s.service, got, protocol)
		}
		r.wantServer(t, got, software, secured)
	}
}

func allDaemons() []daemon {
	return []daemon{
		rabbitMQ(), postgreSQL(), // which take longest
		nginx(), apache(), mariaDB(), openSSH(), exim(), dovecot(), vsftpd(), redis(), memcached(), mqttBroker(), slapd(), unbound(), chrony(),
	}
}

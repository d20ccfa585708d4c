// SPDX-License-Identifier: Apache-2.0

package service

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// beginnings are what hostile servers say first, to draw one protocol or another
// in deeper.
var beginnings = []string{
	"", "HTTP/1.1 200 OK\r\nX: ", "SSH-", "220-", "220 a ESMTP x\r\n250-", "* OK [CAPABILITY ", "* OK x\r\n", "+OK ", "$16384\r\n",
	"VERSION ", "\x30\x84\x00\x00\xff\xff", "\x01\x00\x00\x00\x00\x3f\xff", "E\x00\x00\x03\x00", "\x00\x10\x00\x00\x0a", "\xff\xff",
	"\x16\x03\x03\x40\x00",
}

// TestHostileToAll lets every protocol meet servers that begin like some
// protocol and then are silent, drip, flood, hang up or reset: one clear state,
// in the time that was granted.
func TestHostileToAll(t *testing.T) {
	ends := map[string]func(net.Conn){
		"silent": silent,
		"resets": reset,
		"ends":   func(net.Conn) {},
		"floods": flood("", "a"),
		"lines":  flood("", "a\r\n"),
		"zeros":  flood("", "\x00"),
		"drips":  drip(strings.Repeat("a", 100)),
	}
	for end, handle := range ends {
		t.Run(end, func(t *testing.T) {
			var services []string
			for _, beginning := range beginnings {
				port := serve(t, func(conn net.Conn) {
					_, _ = io.WriteString(conn, beginning)
					handle(conn)
				})
				for _, p := range table() {
					if p.network != udp && p.name != tcp {
						services = append(services, portName(port)+"/"+p.name)
					}
				}
			}
			// Who says nothing more uses up all the time that there is; all others
			// must come to an end before.
			timeout := patient
			if end == "silent" || end == "drips" {
				timeout = 3 * brief // connections by the hundred, to servers of this process
			}
			wantHostile(t, services, timeout)
		})
	}
}

func wantHostile(t *testing.T, services []string, timeout time.Duration) {
	t.Helper()
	scan, err := New(Options{}).Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Timeout: timeout, Services: services})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range scan.Services {
		switch {
		case got.State == vitals.ServiceError && got.Reason != "" && got.Software == "":
		case got.Open() && got.Software != "" && len(got.Software) <= maxText && len(got.Reason) <= 2*maxText:
			// what drips or floods may have said enough before
		default:
			t.Errorf("got %+v", got)
		}
	}
}

// TestFloodCostsLittle has a server that sends a header of a gigabyte, and
// counts what is allocated.
func TestFloodCostsLittle(t *testing.T) {
	rest := make([]byte, 1<<20)
	port := serve(t, func(conn net.Conn) {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: ")
		for range 1 << 10 {
			if err == nil {
				_, err = conn.Write(rest)
			}
		}
	})
	for range 2 { // the first time allocates what is allocated once
		cost := allocated(func() { wantState(t, ask(t, "http", port, patient), vitals.ServiceError, errFlood.Error()) })
		if cost > maxHead {
			t.Errorf("%d bytes, for an answer of at most %d", cost, maxHead)
		}
	}
}

// allocated is how many bytes a function allocates, and all that runs beside
// it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestFloodsCostLittle counts the same for every protocol, drawn in by every
// beginning: what is read is bounded, and little more than that is kept.
func TestFloodsCostLittle(t *testing.T) {
	const besides = 64 << 10 // the scan, the connection and its two buffers, TLS
	for _, beginning := range beginnings {
		port := serve(t, flood(beginning, "a\r\n"))
		for _, p := range table() {
			if p.network == udp || p.name == tcp {
				continue
			}
			cost := allocated(func() { askPort(t, p.name, port, patient) })
			if most := uint64(2*max(p.limit, maxMail) + besides); cost > most {
				t.Errorf("%s, %q: %d bytes, want at most %d", p.name, beginning, cost, most)
			}
		}
	}
}

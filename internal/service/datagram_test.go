// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net"
	"sync"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// serveUDP answers each datagram to a port of 127.0.0.1 by what answer returns.
func serveUDP(t *testing.T, answer func(request []byte) [][]byte) uint16 {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		request := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(request)
			if err != nil {
				return
			}
			for _, datagram := range answer(request[:n]) {
				_, _ = conn.WriteTo(datagram, from)
			}
		}
	})
	t.Cleanup(func() {
		closeQuietly(conn)
		running.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func freeUDP(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(conn)
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// TestDatagramStates: over UDP nothing tells that somebody listens but an
// answer.
func TestDatagramStates(t *testing.T) {
	for _, name := range []string{"dns", "ntp"} {
		t.Run(name, func(t *testing.T) {
			wantState(t, askPort(t, name, freeUDP(t), patient), vitals.ServiceClosed, "connection refused")
			silent := serveUDP(t, func([]byte) [][]byte { return nil })
			wantState(t, askPort(t, name, silent, brief), vitals.ServiceFiltered, "no answer in time")
			noise := serveUDP(t, func([]byte) [][]byte {
				var all [][]byte
				for range 2 * maxStrays {
					all = append(all, []byte("noise"))
				}
				return all
			})
			wantState(t, askPort(t, name, noise, brief), vitals.ServiceError, errStrays.Error())
		})
	}
}

// TestLostDatagram drops the first question of each kind.
func TestLostDatagram(t *testing.T) {
	var asked int
	port := serveUDP(t, func(request []byte) [][]byte {
		if asked++; asked == 1 {
			return nil
		}
		answer := make([]byte, ntpSize)
		answer[0], answer[1] = 0x24, 2
		copy(answer[ntpOrigin:], request[ntpSize-8:])
		return [][]byte{answer}
	})
	if got := askPort(t, "ntp", port, time.Second); !got.Open() || got.Reason != "" {
		t.Errorf("got %+v", got)
	}
}

func TestKissOfDeath(t *testing.T) {
	port := serveUDP(t, func(request []byte) [][]byte {
		answer := make([]byte, ntpSize)
		answer[0] = 0x24
		copy(answer[12:], "RATE")
		copy(answer[ntpOrigin:], request[ntpSize-8:])
		stranger := append([]byte(nil), answer...)
		stranger[ntpOrigin]++
		return [][]byte{stranger, answer}
	})
	wantState(t, askPort(t, "ntp", port, patient), vitals.ServiceOpen, "refuses with RATE")
}

// FuzzDNS reads any message as an answer.
func FuzzDNS(f *testing.F) {
	f.Add([]byte("\x00\x01\x80\x05\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x01\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x10\x00\x03\x00\x00\x00\x00\x00\x02\x01x"))
	f.Fuzz(func(t *testing.T, message []byte) {
		software, err := parseDNS(message, 1)
		if (err == nil) != (software != "") || len(software) > maxText {
			t.Fatalf("%q, %v", software, err)
		}
	})
}

// FuzzNTP reads any datagram as an answer.
func FuzzNTP(f *testing.F) {
	answer := make([]byte, ntpSize)
	answer[0] = 0x24
	f.Add(answer, "\x00\x00\x00\x00\x00\x00\x00\x00")
	f.Add(append(answer[:12:12], make([]byte, 100)...), "RATERATE")
	f.Fuzz(func(t *testing.T, answer []byte, cookie string) {
		kiss, ok := parseNTP(answer, cookie)
		if len(kiss) > 4 || !ok && kiss != "" || ok && (len(answer) < ntpSize || len(cookie) != 8) {
			t.Fatalf("%q, %t", kiss, ok)
		}
	})
}

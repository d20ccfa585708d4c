// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// scanSink takes scans.
type scanSink chan *vitals.Scan

func (scanSink) Pinged(uint32, *vitals.Ping, syscall.Errno)       {}
func (scanSink) Traced(uint32, *vitals.Path, bool, syscall.Errno) {}

func (s scanSink) Scanned(_ uint32, scan *vitals.Scan, _ error) { s <- scan }

// greeter greets who connects to it, in the words of an SSH server.
func greeter(t *testing.T, address, software string) (port uint16, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "SSH-2.0-%s\r\n", software)
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	})
	stop = sync.OnceFunc(func() {
		_ = listener.Close()
		served.Wait()
	})
	t.Cleanup(stop)
	return netip.MustParseAddrPort(listener.Addr().String()).Port(), stop
}

// TestScanTellsChanges restarts a server as another one between scans. A scan
// that is cut short tells of none.
func TestScanTellsChanges(t *testing.T) {
	t.Parallel()
	port, stop := greeter(t, "127.0.0.1:0", "old")
	sink := make(scanSink)
	point := New(Options{}, sink)
	target := &vitals.Target{Name: "127.0.0.1", Settings: &vitals.Settings{
		Form: vitals.Bundled, Scan: true, Timeout: hang, Ports: fmt.Sprintf("%d/ssh,%d-%d", port, port, port),
	}}
	w, err := point.Add(1, target, netip.MustParseAddr("127.0.0.1"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Remove()
	scan := func() *vitals.Scan {
		w.Start(time.Now())
		return <-sink
	}
	changes := func() []vitals.ServiceChange {
		s := scan()
		if s == nil {
			t.Fatal("a scan was spoiled")
		}
		return s.Changes
	}
	for range 2 {
		if got := changes(); got != nil {
			t.Errorf("changes of an unchanged server: %+v", got)
		}
	}
	stop()
	got := changes()
	if len(got) != 2 {
		t.Fatalf("changes when it ended: %+v", got)
	}
	for i, name := range []string{fmt.Sprintf("%d/ssh", port), fmt.Sprint(port)} {
		c := &got[i]
		if c.Name != name || !c.State || c.Identity || c.Certificate ||
			c.Before.State != vitals.ServiceOpen || c.After.State != vitals.ServiceClosed || c.Before.Software != "old" {
			t.Errorf("change when it ended: %+v", c)
		}
	}
	greeter(t, fmt.Sprintf("127.0.0.1:%d", port), "new")
	got = changes()
	if len(got) != 2 || !got[0].State || !got[0].Identity || got[0].Before.Software != "old" || got[0].After.Software != "new" ||
		got[1].Identity || got[1].After.Software != "new" {
		t.Errorf("changes when it came back: %+v", got)
	}
	point.endScans()
	if got := scan(); got != nil {
		t.Errorf("a scan that was cut short: %+v", got)
	}
}

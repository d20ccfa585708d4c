// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// peers serves HTTP on port 80 of a node and tells who came.
func peers(t *testing.T, n *netlab.Node) func() []netip.Addr {
	t.Helper()
	var listener net.Listener
	var err error
	n.Do(func() { listener, err = net.Listen("tcp", ":80") })
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var came []netip.Addr
	server := &http.Server{
		ReadHeaderTimeout: hang,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, err := netip.ParseAddrPort(r.RemoteAddr)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			came = append(came, from.Addr().Unmap())
			mu.Unlock()
			w.Header().Set("Server", "lab")
			w.WriteHeader(http.StatusTeapot)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return func() []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		return came
	}
}

// TestScanLeavesBySource: a scan of a real listener comes from the address, or
// by the interface, that was asked for, beside pings and traces of that host.
func TestScanLeavesBySource(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	addSources(top)
	top.Server.Route("10.77.0.1/32", top.Links[0].A.Addr4)
	top.Server.Route("fd77::1/128", top.Links[0].A.Addr6)
	came := peers(t, top.Server)
	for source, from := range map[string]netip.Addr{
		"": top.Links[0].A.Addr4, "10.77.0.1": netip.MustParseAddr("10.77.0.1"), "fd77::1": netip.MustParseAddr("fd77::1"),
		top.Links[0].A.Device: top.Links[0].A.Addr6,
	} {
		to := top.Host4(1)
		if from.Is6() {
			to = top.Host6(1)
		}
		s := pings(3, time.Hour)
		s.Trace, s.TracePause, s.Hops, s.Scan, s.ScanPause, s.Source = true, time.Hour, 30, true, time.Hour, source
		before := len(came())
		start, wait := process(t, top.Client, order{Hosts: []netip.Addr{to}, Settings: s, Results: 3})
		start()
		for _, r := range wait().Results {
			switch {
			case r.Traced:
				wantRoute(t, source, r, vitals.EndReached, to)
			case r.Scanned:
				wantTeapot(t, r)
			default:
				wantWhole(t, r, 3)
			}
		}
		if now := came(); len(now) != before+1 || now[before] != from {
			t.Errorf("source %q: came from %v, want %s", source, now[before:], from)
		}
	}
}

func wantTeapot(t *testing.T, r result) {
	t.Helper()
	if r.Scan == nil || len(r.Scan.Services) != 3 {
		t.Errorf("scan %+v, %s", r.Scan, r.Err)
		return
	}
	for i, want := range []vitals.Service{
		{Name: "http", Protocol: "http", State: vitals.ServiceOpen, Code: "418", Software: "lab", HTTP: "HTTP/1.1"},
		{Name: "https", Protocol: "https"},
		{Name: "mysql", Protocol: "mysql"},
	} {
		got := r.Scan.Services[i]
		if (got.RTT > 0) != want.Open() {
			t.Errorf("%s: RTT %v", got.Name, got.RTT)
		}
		if got.Reason == "" != want.Open() {
			t.Errorf("%s: reason %q", got.Name, got.Reason)
		}
		got.RTT, got.Connect, got.FirstByte, got.Reason = 0, 0, 0, ""
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

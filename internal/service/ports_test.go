// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"connmonitor/internal/vitals"
)

func TestParseItem(t *testing.T) {
	for text, want := range map[string]Item{
		"http":       {Label: "http", Service: "http", First: 80, Last: 80},
		"80/http":    {Label: "http", Service: "http", First: 80, Last: 80},
		"8443/https": {Label: "8443/https", Service: "https", First: 8443, Last: 8443},
		"08443/tls":  {Label: "8443/tls", Service: "tls", First: 8443, Last: 8443},
		"22":         {Label: "22", Service: auto, First: 22, Last: 22},
		"65535/auto": {Label: "65535/auto", Service: auto, First: 65535, Last: 65535},
		"022":        {Label: "22", Service: auto, First: 22, Last: 22},
		"020-25":     {Label: "20-25", Service: auto, First: 20, Last: 25, Ranged: true},
		"20-25":      {Label: "20-25", Service: auto, First: 20, Last: 25, Ranged: true},
		"7-7":        {Label: "7-7", Service: auto, First: 7, Last: 7, Ranged: true},
	} {
		if got, err := ParseItem(text); err != nil || got != want {
			t.Errorf("ParseItem(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseItemErrors(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrUnknown, "htp": ErrUnknown, "HTTP": ErrUnknown, "80/": ErrUnknown, "80/htp": ErrUnknown, "-5": ErrUnknown,
		"tls": ErrPortless, "tcp": ErrPortless, "auto": ErrPortless,
		"0": ErrPort, "65536": ErrPort, "99999999999999999999": ErrPort, "1-": ErrPort, "1-x": ErrPort, "1-0": ErrPort,
		"1-65536": ErrPort, "0/http": ErrPort, "1x": ErrPort, "1 ": ErrPort, "1-+2": ErrPort, "1-2-3": ErrPort,
		"5-4": ErrBackwards,
	} {
		if got, err := ParseItem(text); !errors.Is(err, want) {
			t.Errorf("ParseItem(%q) = %+v, %v, want %v", text, got, err, want)
		}
	}
}

func FuzzParseItem(f *testing.F) {
	for _, seed := range []string{"http", "80", "8443/https", "1-65535", "tls", "x/y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item, err := ParseItem(text)
		if err != nil {
			if item != (Item{}) {
				t.Fatalf("%q: an error and %+v", text, item)
			}
			return
		}
		if item.First == 0 || item.Last < item.First || item.Count() < 1 || (item.Count() > 1) && !item.Ranged {
			t.Fatalf("%q is %+v", text, item)
		}
		again, err := ParseItem(item.Label)
		again.Label = item.Label
		if err != nil || again != item {
			t.Fatalf("%q is %+v, its label %+v, %v", text, item, again, err)
		}
	})
}

// TestRangeShowsWhatIsOpen asks a range around one port that is open, and
// something else before and after it.
func TestRangeShowsWhatIsOpen(t *testing.T) {
	port := serve(t, silent)
	from, to := portName(max(port-3, 1)), portName(port+3)
	scan, err := New(Options{}).Scan(t.Context(), Request{
		Addr: loopback, Timeout: brief, Services: []string{from + "/tcp", from + "-" + to, to + "/tcp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]vitals.Service)
	for _, got := range scan.Services {
		names[got.Name] = got
	}
	ours := names[portName(port)]
	if len(scan.Services) < 3 || !ours.Open() || !ours.Ranged {
		t.Errorf("services = %+v", scan.Services)
	}
	last := scan.Services[len(scan.Services)-1]
	if scan.Services[0].Name != from+"/tcp" || last.Name != to+"/tcp" || last.Ranged {
		t.Errorf("services = %+v", scan.Services)
	}
}

// TestHostShare asks a host for more services than may be open to it, over two
// scans.
func TestHostShare(t *testing.T) {
	var open, peak atomic.Int32
	port := serve(t, func(conn net.Conn) {
		now := open.Add(1)
		for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
		}
		_, _ = conn.Read(make([]byte, 4096))
		open.Add(-1)
		_, _ = io.WriteString(conn, simpleAnswer)
	})
	s := New(Options{Parallel: 4 * perHost})
	services := make([]string, 2*perHost)
	for i := range services {
		services[i] = portName(port) + "/http"
	}
	done := make(chan error, 2)
	for range cap(done) {
		go func() {
			_, err := s.Scan(t.Context(), Request{Addr: loopback, Timeout: patient, Services: services})
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := peak.Load(); got > perHost {
		t.Errorf("%d sockets at once, want at most %d", got, perHost)
	}
}

func TestParallelRespectsDescriptors(t *testing.T) {
	if got := parallelOf(0); got < 1 || got > DefaultParallel {
		t.Errorf("parallelOf(0) = %d", got)
	}
	if got := parallelOf(1); got != 1 {
		t.Errorf("parallelOf(1) = %d", got)
	}
}

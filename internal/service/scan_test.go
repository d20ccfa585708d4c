// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

const (
	simpleAnswer = "HTTP/1.1 200 OK\r\nServer: test\r\n\r\n"
	simpleHello  = "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff" +
		"\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00mnopqrstuvwx\x00caching_sha2_password\x00"
)

func TestNames(t *testing.T) {
	want := []string{"http", "https", "mysql"}
	if got := Names(); !slices.Equal(got[:3], want) {
		t.Errorf("Names() = %q, want %q first", got, want)
	}
	items, err := New(Options{}).parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, port := range []uint16{80, 443, 3306} {
		if got := items[i]; got != (Item{Label: want[i], Service: want[i], First: port, Last: port}) {
			t.Errorf("%s is %+v, want port %d", want[i], got, port)
		}
	}
}

// TestScanAsksSideBySide has servers that answer only when all three have been
// asked, and shows the answers in order.
func TestScanAsksSideBySide(t *testing.T) {
	var asked atomic.Int32
	all := make(chan struct{})
	together := func(answer func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			if asked.Add(1) == 3 {
				close(all)
			}
			select {
			case <-all:
				answer(conn)
			case <-t.Context().Done():
			}
		}
	}
	tlsServer := secured(t, tlsServerConfig(t), says(simpleAnswer))
	s := New(at(map[string]uint16{
		"http":  serve(t, together(says(simpleAnswer))),
		"https": serve(t, together(tlsServer)),
		"mysql": serve(t, together(greets(simpleHello))),
	}))
	scan, err := s.Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Timeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	if len(scan.Services) != 3 {
		t.Fatalf("services = %+v", scan.Services)
	}
	wantOpen(t, scan.Services[0], "200", "test")
	wantOpen(t, scan.Services[1], "200", "test")
	wantOpen(t, scan.Services[2], "", "8.0.36")
	for i, name := range usual() {
		if scan.Services[i].Name != name {
			t.Errorf("service %d is %s, want %s", i, scan.Services[i].Name, name)
		}
	}
}

// TestFiftyServicesAreOneWait asks fifty services of one host, of which none
// answers before all have been asked: a scan takes as long as its slowest.
func TestFiftyServicesAreOneWait(t *testing.T) {
	const services = 50
	var asked atomic.Int32
	all := make(chan struct{})
	var request []string
	for range services {
		port := serve(t, func(conn net.Conn) {
			if asked.Add(1) == services {
				close(all)
			}
			select {
			case <-all:
				greets("SSH-2.0-x\r\n")(conn)
			case <-t.Context().Done():
			}
		})
		request = append(request, portName(port)+"/ssh")
	}
	scan, err := New(Options{}).Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Timeout: patient, Services: request})
	if err != nil || len(scan.Services) != services {
		t.Fatalf("%d services, %v", len(scan.Services), err)
	}
	for _, got := range scan.Services {
		wantOpen(t, got, "", "x")
	}
}

func TestScanKeepsTheOrderOfTheRequest(t *testing.T) {
	s := New(at(map[string]uint16{"http": serve(t, says(simpleAnswer)), "mysql": serve(t, greets(simpleHello))}))
	scan, err := s.Scan(t.Context(), Request{Addr: loopback, Timeout: patient, Services: []string{"mysql", "http"}})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, scan.Services[0], "", "8.0.36")
	wantOpen(t, scan.Services[1], "200", "test")
}

func TestScanRefusesBadRequests(t *testing.T) {
	tests := []struct {
		name    string
		request Request
		want    string
	}{
		{"no address", Request{Name: "a"}, "no address"},
		{"unknown service", Request{Addr: loopback, Services: []string{"htp"}}, `service "htp": "htp" is no known service; known are http, https, mysql`},
		{"header injection", Request{Name: "a\r\nX: y", Addr: loopback}, "Host header"},
		{"blank", Request{Name: "a b", Addr: loopback}, "Host header"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			scan, err := New(Options{}).Scan(t.Context(), test.request)
			if err == nil || !strings.Contains(err.Error(), test.want) || scan.Services != nil {
				t.Errorf("Scan = %+v, %v; want an error with %q", scan, err, test.want)
			}
		})
	}
}

// TestRequestDefaults checks that a request that says little is complete.
func TestRequestDefaults(t *testing.T) {
	r := Request{Addr: netip.MustParseAddr("::ffff:127.0.0.1")}
	if err := r.complete(); err != nil {
		t.Fatal(err)
	}
	if r.Addr != loopback || r.Name != "127.0.0.1" || r.Timeout != time.Second {
		t.Errorf("complete request = %+v", r)
	}
}

// TestHostileServers lets each service meet each way of not answering. All must
// end, as a result, in the time that was granted; flood and headers without end
// must not be kept.
func TestHostileServers(t *testing.T) {
	servers := map[string]func(net.Conn){
		"silent":          silent,
		"closes at once":  func(net.Conn) {},
		"resets at once":  reset,
		"resets midway":   func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nSer"); reset(conn) },
		"drips":           drip("HTTP/1.1 200 OK\r\nServer: slow\r\n\r\n"),
		"drips handshake": drip(simpleHello),
		"floods":          flood("", "\x00"),
		"floods a line":   flood("", "HTTP/1.1 200 "),
		"endless header":  flood("HTTP/1.1 200 OK\r\n", "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
		"endless value":   flood("HTTP/1.1 200 OK\r\nServer: ", "a"),
		"endless 100s":    flood("", "HTTP/1.1 100 Continue\r\n\r\n"),
		"endless fold":    flood("HTTP/1.1 200 OK\r\nServer: a\r\n", " b\r\n"),
		"endless records": flood("", "\x16\x03\x01\x00\x04\x02\x00\xff\xff"),
		"half a head":     says("HTTP/1.1 200 OK\r\nServer: half\r\n"),
		"ssh":             greets("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
		"smtp":            greets("220 mail.example ESMTP\r\n"),
		"lying length":    greets("\xff\xff\xff\x00\x0a8.0.36\x00"),
		"longer length":   greets("\x50\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff"),
	}
	for name, handle := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, handle)
			s := New(Options{Port: func(string) uint16 { return port }})
			scan, err := s.Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Timeout: brief})
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range scan.Services {
				wantClosed(t, got)
			}
		})
	}
}

func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

// drip sends the text a byte at a time, too slowly for anybody's patience.
func drip(text string) func(net.Conn) {
	return func(conn net.Conn) {
		ticker := time.NewTicker(brief / 10)
		defer ticker.Stop()
		for i := range len(text) {
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				return
			}
			<-ticker.C
		}
	}
}

// flood sends the head, and the rest again and again, and allocates nothing.
func flood(head, rest string) func(net.Conn) {
	again := []byte(strings.Repeat(rest, 4096))
	return func(conn net.Conn) {
		_, err := io.WriteString(conn, head)
		for err == nil {
			_, err = conn.Write(again)
		}
	}
}

// TestParallelBoundsSockets has more scans than sockets, and counts the
// connections that are open.
func TestParallelBoundsSockets(t *testing.T) {
	const most, scans = 2, 8
	var open, peak atomic.Int32
	port := serve(t, func(conn net.Conn) {
		now := open.Add(1)
		for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
		}
		_, _ = conn.Read(make([]byte, 4096))
		// Counted down before the answer: the scanner opens the next socket
		// only after it.
		open.Add(-1)
		_, _ = io.WriteString(conn, simpleAnswer)
	})
	s := New(Options{Parallel: most, Port: func(string) uint16 { return port }})
	done := make(chan error, scans)
	for range scans {
		go func() {
			scan, err := s.Scan(t.Context(), Request{Addr: loopback, Timeout: patient, Services: []string{"http", "http"}})
			for _, got := range scan.Services {
				if !got.Open() {
					err = errors.New("a service was not asked")
				}
			}
			done <- err
		}()
	}
	for range scans {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := peak.Load(); got > most {
		t.Errorf("%d sockets at once, want at most %d", got, most)
	}
}

// TestWaitingIsNotTimedOut has one socket for two services, of which the first
// uses up its time; the second has its own.
func TestWaitingIsNotTimedOut(t *testing.T) {
	t.Parallel()
	s := New(Options{Parallel: 1, Port: at(map[string]uint16{
		"mysql": serve(t, silent),
		"http":  serve(t, says(simpleAnswer)),
	}).Port})
	scan, err := s.Scan(t.Context(), Request{Addr: loopback, Timeout: time.Second, Services: []string{"mysql", "http"}})
	if err != nil {
		t.Fatal(err)
	}
	wantClosed(t, scan.Services[0])
	wantOpen(t, scan.Services[1], "200", "test")
}

// TestCancelEndsScan cancels while one service is being asked and another waits
// for a socket.
func TestCancelEndsScan(t *testing.T) {
	for _, parallel := range []int{1, 2} {
		ctx, cancel := context.WithCancel(t.Context())
		port := serve(t, func(conn net.Conn) { cancel(); silent(conn) })
		s := New(Options{Parallel: parallel, Port: func(string) uint16 { return port }})
		scan, err := s.Scan(ctx, Request{Addr: loopback, Timeout: patient, Services: []string{"http", "https"}})
		if !errors.Is(err, context.Canceled) || scan.Services != nil {
			t.Errorf("Scan = %+v, %v; want %v", scan, err, context.Canceled)
		}
		if len(s.limits.all) != 0 || len(s.limits.hosts) != 0 {
			t.Errorf("%d sockets of %d hosts are still taken", len(s.limits.all), len(s.limits.hosts))
		}
		if _, err := s.Scan(ctx, Request{Addr: loopback}); !errors.Is(err, context.Canceled) {
			t.Errorf("Scan with a cancelled context: %v", err)
		}
	}
}

// TestPanicIsTheScansError checks that one protocol's mistake is an error of
// that scan alone, and gives its socket back.
func TestPanicIsTheScansError(t *testing.T) {
	s := New(Options{Parallel: 1, Port: at(map[string]uint16{"http": serve(t, says(simpleAnswer)), "odd": serve(t, silent)}).Port})
	s.protocols = append(s.protocols, protocol{name: "odd", port: 1, limit: 1, talk: func(*conversation) error {
		var none []int
		return errors.New(string(rune(none[len(none)])))
	}})
	scan, err := s.Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Timeout: patient, Services: []string{"http", "odd"}})
	if err == nil || !strings.HasPrefix(err.Error(), "service: panic while asking odd of host.example: ") || scan.Services != nil {
		t.Errorf("Scan = %+v, %v", scan, err)
	}
	scan, err = s.Scan(t.Context(), Request{Addr: loopback, Timeout: patient, Services: []string{"http"}})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, scan.Services[0], "200", "test")
}

// exhaust uses up all descriptors, until release is called.
func exhaust(t *testing.T) (release func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	lowered := unix.Rlimit{Cur: 64, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lowered); err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		files = append(files, f)
	}
	release = sync.OnceFunc(func() {
		for _, f := range files {
			closeQuietly(f)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// TestDescriptorLimitIsAnError uses up all descriptors, for longer than they are
// waited for: what cannot be asked says nothing about the host.
func TestDescriptorLimitIsAnError(t *testing.T) {
	port := serve(t, silent)
	s := New(Options{Port: func(string) uint16 { return port }})
	s.patience = 3 * firstPause
	release := exhaust(t)
	_, err := s.Scan(t.Context(), Request{Addr: loopback, Timeout: patient})
	release()
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "LimitNOFILE") {
		t.Errorf("err = %v, want one about the descriptor limit", err)
	}
	if got := s.Stats(); got.Starved != 6 || got.Connections != 0 {
		t.Errorf("stats %+v, want two waits of each of three services, and no connection", got)
	}
}

// TestDescriptorIsWaitedFor: what is asked when all descriptors are in use is
// asked when one is free, and has its whole time then.
func TestDescriptorIsWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections for it
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(listener)
	name := portName(portOf(listener.Addr())) + "/tcp"
	s := New(Options{})
	s.patience = patient
	release := exhaust(t)
	done := make(chan error, 1)
	var got vitals.Scan
	go func() {
		var err error
		got, err = s.Scan(t.Context(), Request{Addr: loopback, Timeout: 20 * firstPause, Services: []string{name, name}})
		done <- err
	}()
	for s.Stats().Starved < 10 { // longer than the service's time
		runtime.Gosched()
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i := range got.Services {
		wantOpen(t, got.Services[i], "", unknown)
	}
}

func TestParallelOf(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	for _, test := range []struct {
		files        uint64
		wished, want int
	}{
		{1024, 0, DefaultParallel},
		{1024, 5, 5},
		{1024, 5000, 1024 - reserved},
		{200, 0, 100},
		{64, 0, 32},
	} {
		lowered := unix.Rlimit{Cur: test.files, Max: old.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lowered); err != nil {
			t.Fatal(err)
		}
		if got := parallelOf(test.wished); got != test.want {
			t.Errorf("parallelOf(%d) with %d files is %d, want %d", test.wished, test.files, got, test.want)
		}
	}
}

// TestNoRouteIsOurOwnFault asks a host that no route leads to, and one that a
// router does not know the way to: both end in the same error of the kernel.
func TestNoRouteIsOurOwnFault(t *testing.T) {
	lab := netlab.New(t)
	us, router := lab.Node("us"), lab.Node("router")
	link := lab.Veth(us, router)
	lab.Converge()
	us.Route("198.51.100.0/24", link.B.Addr4)
	connect := func(addr, network string) (err error) {
		us.Do(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			_, err = New(Options{}).connect(ctx, &Request{Addr: netip.MustParseAddr(addr)}, network, 80)
		})
		return err
	}
	for _, network := range []string{tcp, udp} {
		if err := connect("203.0.113.1", network); !errors.Is(err, errRoute) || !isLocal(err) {
			t.Errorf("%s: %v, want that there is no route", network, err)
		}
	}
	if err := connect("198.51.100.1", tcp); !isUnreachable(err) || isLocal(err) || stateOf(err) != vitals.ServiceFiltered {
		t.Errorf("%v, want what the router says", err)
	}
}

// TestDescriptorsAreGivenBack counts the descriptors before and after scans of
// all kinds of ends, and after the servers are gone.
func TestDescriptorsAreGivenBack(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	ask(t, "http", serve(t, silent), brief) // the runtime's own are open now
	before := count()
	t.Run("scans", func(t *testing.T) {
		for _, handle := range []func(net.Conn){says(simpleAnswer), reset, flood("", "x"), silent} {
			ask(t, "http", serve(t, handle), brief)
			ask(t, "https", serve(t, handle), brief)
		}
	})
	// The server that is still there may see its only connection close later.
	if after := count(); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestClosedPortIsAResult(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(listener.Addr())
	closeQuietly(listener)
	for _, name := range Names() {
		wantState(t, askPort(t, name, port, patient), vitals.ServiceClosed, "connection refused")
	}
}

// TestDefect20FilteredPortTimesOut connects to a port whose SYNs the kernel
// drops, because its queue is full: the scan waits for its own time-out, not for
// the kernel's.
func TestDefect20FilteredPortTimesOut(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(name.(*unix.SockaddrInet4).Port)
	dialer := net.Dialer{Timeout: brief}
	for range 8 { // a queue of 0 holds one or two
		conn, err := dialer.Dial("tcp", netip.AddrPortFrom(loopback, port).String())
		if err != nil {
			break
		}
		defer closeQuietly(conn)
	}
	for _, name := range append(usual(), "ssh", "tcp", auto) {
		wantState(t, askPort(t, name, port, brief), vitals.ServiceFiltered, "no answer in time")
	}
}

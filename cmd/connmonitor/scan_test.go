// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"connmonitor/internal/netlab"
)

// greetAll answers whoever connects to a port of any address of a node as an SSH
// server, and holds the connection until the other side hangs up.
func greetAll(t *testing.T, n *netlab.Node, port int) {
	t.Helper()
	var l net.Listener
	var err error
	n.Do(func() { l, err = net.Listen("tcp4", fmt.Sprintf(":%d", port)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(conn, "SSH-2.0-lab\r\n")
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
}

// TestScansQueueForDescriptors leaves a process that pings and scans forty hosts
// four descriptors for it: all services are found open, scan after scan, no ping
// is lost or spoiled, and a warning says what is short.
func TestScansQueueForDescriptors(t *testing.T) {
	t.Parallel()
	const hosts = 40
	n := netlab.Loopback(t)
	greetAll(t, n, 22)
	greetAll(t, n, 2222)
	text := fmt.Sprintf("* ping=50 numpings=2 json=1 scan=20\n127.0.1.1-127.0.1.%d ports=ssh,2222/ssh\n", hosts)
	p := start(t, n, setup{stdin: strings.ReplaceAll(text, "scan=20", "scan=0")})
	p.out.has("\n", 2*hosts)
	limit := p.descriptors() + 4
	p.terminates()
	p = start(t, n, setup{stdin: text, wrap: []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, limit)}})
	p.out.has(`"scan":`, 10*hosts)
	p.terminates()
	if all, whole := p.out.count(`"ping":{`), p.out.count(`"loss":0}`); whole != all {
		t.Errorf("%d of %d bursts lost nothing", whole, all)
	}
	if all, open := p.out.count(`"scan":{`), p.out.count(`"scan":{"ssh":{"rtt":`); open != all || p.out.count("None") > 0 {
		t.Errorf("%d of %d scans found ssh", open, all)
	}
	short := false
	for _, e := range p.told() {
		if e.typ != "" || !strings.HasPrefix(e.text, "scans wait for file descriptors") {
			t.Errorf("unexpected line %+v", e)
		}
		short = true
	}
	if !short {
		t.Errorf("nobody was told that %d descriptors are short", limit)
	}
}

// TestScanParallelIsTold when the limit of open files does not allow it.
func TestScanParallelIsTold(t *testing.T) {
	t.Parallel()
	n := netlab.Loopback(t)
	p := start(t, n, setup{
		stdin: "127.0.0.1 ping=20 numpings=1\n", args: []string{"--scan-parallel", "4096"},
		wrap: []string{"sh", "-c", `ulimit -n 1024 && exec "$0" "$@"`},
	})
	p.out.has("\n", 4)
	p.terminates()
	if told := p.told(); len(told) != 1 || told[0].text != "scans use 896 sockets at once in place of 4096: the limit of open files allows no more" {
		t.Errorf("told %+v", told)
	}
}

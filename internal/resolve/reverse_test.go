// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"connmonitor/internal/vitals"
)

// encodeName is a name as in RFC 1035 section 3.1, of labels that may hold
// anything but a dot.
func encodeName(name string) []byte {
	var b []byte
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// reverseZone answers PTR questions.
func reverseZone(name string, kind uint16) (data [][]byte, code uint16) {
	zone := map[string][]string{
		"1.2.0.192.in-addr.arpa": {"core1.example.net"},
		"2.2.0.192.in-addr.arpa": {"b.example.net", "a.example.net", "c.example.net"},
		"3.2.0.192.in-addr.arpa": {"a\x1b[2J.example.net", "fine.example.net"},
		"4.2.0.192.in-addr.arpa": {"a\x1b[2J.example.net", "white space.example.net"},
		"5.2.0.192.in-addr.arpa": {"Xe-0_1.R1.example.net"},
		"1.0.0.10.in-addr.arpa":  {"gateway.lan"},
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {"six.example.net"},
	}
	switch {
	case name == "6.2.0.192.in-addr.arpa":
		return nil, codeServFail
	case name == "7.2.0.192.in-addr.arpa" && kind == typePTR:
		return nil, 0 // the name exists, with records of another type
	case zone[name] == nil || kind != typePTR:
		return nil, codeNXDomain
	}
	for _, target := range zone[name] {
		data = append(data, encodeName(target))
	}
	return data, 0
}

// runBeside runs a room until the test ends.
func runBeside(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v on cancellation, want nil", err)
		}
	})
}

// What Go's own resolver makes of real answers.
func TestNamesOfRealAnswers(t *testing.T) {
	n := NewNames((&net.Resolver{PreferGo: true, Dial: dialer(serveDNS(t, reverseZone))}).LookupAddr, CacheOptions{})
	runBeside(t, n.Run)
	tests := []struct {
		addr, want string
		known      bool
	}{
		{"192.0.2.1", "core1.example.net", true},
		{"::ffff:192.0.2.1", "core1.example.net", true},
		{"192.0.2.2", "a.example.net", true},
		{"192.0.2.3", "fine.example.net", true},
		{"192.0.2.4", "", true},
		{"192.0.2.5", "Xe-0_1.R1.example.net", true},
		{"192.0.2.6", "", false},
		{"192.0.2.7", "", true},
		{"192.0.2.8", "", true},
		{"10.0.0.1", "gateway.lan", true},
		{"2001:db8::1", "six.example.net", true},
		{"2001:db8::1%eth0", "six.example.net", true},
		{"2001:db8::2", "", true},
	}
	addrs := []netip.Addr{{}}
	for _, test := range tests {
		addrs = append(addrs, netip.MustParseAddr(test.addr))
	}
	if err := n.Wait(t.Context(), addrs); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		if got, known := n.Lookup(netip.MustParseAddr(test.addr)); got != test.want || known != test.known {
			t.Errorf("Lookup(%s) = %q, %v, want %q, %v", test.addr, got, known, test.want, test.known)
		}
	}
	if name, known := n.Lookup(netip.Addr{}); name != "" || !known {
		t.Errorf("no address: %q, %v", name, known)
	}
	if s := n.Stats(); s.Failures != 1 || s.Entries != 11 || s.Lookups != 11 {
		t.Errorf("stats %+v, want 11 look-ups, one failed", s)
	}
}

// The system's resolver finds the loopback address in the hosts file.
func TestNamesOfTheSystem(t *testing.T) {
	addr, err := Once(t.Context(), nil, "localhost", vitals.Family4)
	if err != nil || addr != netip.MustParseAddr("127.0.0.1") {
		t.Skip("/etc/hosts has no line for 127.0.0.1 localhost")
	}
	n := NewNames(nil, CacheOptions{})
	runBeside(t, n.Run)
	if err := n.Wait(t.Context(), []netip.Addr{addr}); err != nil {
		t.Fatal(err)
	}
	if name, known := n.Lookup(addr); name == "" || !known {
		t.Errorf("Lookup(%v) = %q, %v, want a name", addr, name, known)
	}
}

func TestChooseName(t *testing.T) {
	long := strings.Repeat("a.", 126) + "b" // 253 bytes
	tests := []struct {
		names   []string
		current string
		want    string
	}{
		{nil, "", ""},
		{nil, "gone", ""},
		{[]string{"b.", "a."}, "", "a"},
		{[]string{"a.", "b."}, "b", "b"},
		{[]string{"a.", "b."}, "c", "a"},
		{[]string{"", ".", "...", "a..b", ".a"}, "", ""},
		{[]string{strings.Repeat("a", 63)}, "", strings.Repeat("a", 63)},
		{[]string{strings.Repeat("a", 64)}, "", ""},
		{[]string{long + "."}, "", long},
		{[]string{long + "b."}, "", ""},
		{[]string{"a b", "a\n", "a\x00", "é", "a\xff", "a\u202e", "<b>"}, "", ""},
		{append(slices.Repeat([]string{"\n"}, maxNames), "late"), "", ""},
	}
	for _, test := range tests {
		if got := chooseName(test.names, test.current); got != test.want {
			t.Errorf("chooseName(%q, %q) = %q, want %q", test.names, test.current, got, test.want)
		}
	}
}

// Errors of other lookups than Go's.
func TestReverse(t *testing.T) {
	tests := []struct {
		err  error
		want kind
	}{
		{nil, notFound},
		{errNotFound, notFound},
		{errServer, serverFailed},
		{errTimeout, timedOut},
		{context.DeadlineExceeded, timedOut},
		{errors.New("no permission"), otherFault},
		{&net.DNSError{Err: "DNS response contained records which contain invalid names"}, notFound},
	}
	for _, test := range tests {
		_, err := reverse(t.Context(), func(context.Context, string) ([]string, error) { return nil, test.err }, four1, "")
		if got := classify(err); got != test.want {
			t.Errorf("after %v: %v, kind %d, want %d", test.err, err, got, test.want)
		}
	}
}

// Whatever is answered, what is chosen was answered and can be shown.
func FuzzChooseName(f *testing.F) {
	f.Add("a.example.net.\nb.example.net.", "b.example.net")
	f.Add("\x1b[2J\n.", "")
	f.Fuzz(func(t *testing.T, list, current string) {
		names := strings.Split(list, "\n")
		got := chooseName(names, current)
		if got == "" {
			return
		}
		if len(got) > 253 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q chosen", got)
		}
		if !slices.Contains(names, got) && !slices.Contains(names, got+".") {
			t.Fatalf("%q is not among %q", got, names)
		}
	})
}

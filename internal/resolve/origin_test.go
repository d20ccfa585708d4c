// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"
)

// textRecord is a TXT record (RFC 1035 section 3.3.14) of strings of 255 bytes.
func textRecord(s string) []byte {
	var b []byte
	for len(s) > 255 {
		b, s = append(append(b, 255), s[:255]...), s[255:]
	}
	return append(append(b, byte(len(s))), s...)
}

// questions keeps what a name server was asked.
type questions struct {
	mu    sync.Mutex
	names map[string]int
}

func (q *questions) count(name string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.names[name]
}

// originZone answers TXT questions, and notes them.
func originZone(q *questions) answers {
	q.names = make(map[string]int)
	zone := map[string][]string{
		"0.108.90.216.origin.asn.example": {"23028 64512 | 216.90.108.0/24 | US | arin | 1998-09-25"},
		"0.109.90.216.origin.asn.example": {"64496 | 216.90.0.0/16 | US | arin |", "64497 | 216.90.109.0/24 | US", "64498 | 216.90.109.0/24"},
		"0.110.90.216.origin.asn.example": {"garbage", "64500 | 216.90.110.0/24 | US", "\x00|\xff"},
		"0.111.90.216.origin.asn.example": {"garbage", "64500 | 10.0.0.0/8 | of another place"},
		"0.112.90.216.origin.asn.example": {"64501 | 216.90.112.128/25 | US"},
		"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.b.0.6.8.4.1.0.0.2.origin6.asn.example": {"15169 | 2001:4860::/32 | US | arin | 2005-03-14"},
		"AS23028.asn.example": {"23028 | US | arin | 2002-01-04 | TEAM-CYMRU - Team Cymru Inc., US"},
		"AS64497.asn.example": {"64497 | ZZ | | | \x1b[31mred\n| and more"},
		"AS64500.asn.example": {"64501 | ZZ | | | of another"},
		"AS15169.asn.example": {"15169 | US | arin | 2000-03-30 | " + strings.Repeat("GOOGLE ", 90)},
	}
	return func(name string, kind uint16) (data [][]byte, code uint16) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.names[name]++
		if strings.HasPrefix(name, "0.113.90.216.") {
			return nil, codeServFail
		}
		if zone[name] == nil || kind != typeTXT {
			return nil, codeNXDomain
		}
		for _, s := range zone[name] {
			data = append(data, textRecord(s))
		}
		return data, 0
	}
}

// What a real name server is asked, and what becomes of its answers.
func TestOriginsOfRealAnswers(t *testing.T) {
	asked := new(questions)
	server := serveDNS(t, originZone(asked))
	g := NewOrigins((&net.Resolver{PreferGo: true, Dial: dialer(server)}).LookupTXT, "asn.example.", CacheOptions{})
	runBeside(t, g.Run)
	tests := []struct {
		addr  string
		want  AS
		known bool
	}{
		{"216.90.108.31", AS{23028, "TEAM-CYMRU - Team Cymru Inc., US", netip.MustParsePrefix("216.90.108.0/24"), []uint32{64512}}, true},
		{"::ffff:216.90.108.255", AS{23028, "TEAM-CYMRU - Team Cymru Inc., US", netip.MustParsePrefix("216.90.108.0/24"), []uint32{64512}}, true},
		{"216.90.109.1", AS{64497, "\ufffd[31mred\ufffd| and more", netip.MustParsePrefix("216.90.109.0/24"), nil}, true},
		{"216.90.110.1", AS{64500, "", netip.MustParsePrefix("216.90.110.0/24"), nil}, true},
		{"216.90.111.1", AS{}, false},
		{"216.90.112.1", AS{}, true},
		{"216.90.112.129", AS{64501, "", netip.MustParsePrefix("216.90.112.128/25"), nil}, true},
		{"216.90.113.1", AS{}, false},
		{"216.90.114.1", AS{}, true},
		{"2001:4860:b002::68", AS{15169, strings.TrimSpace(strings.Repeat("GOOGLE ", 90)[:255]), netip.MustParsePrefix("2001:4860::/32"), nil}, true},
		{"10.0.0.1", AS{}, true},
		{"fe80::1%eth0", AS{}, true},
	}
	var addrs []netip.Addr
	for _, test := range tests {
		addrs = append(addrs, netip.MustParseAddr(test.addr))
	}
	if err := g.Wait(t.Context(), addrs); err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		if got, known := g.Lookup(addrs[i]); !reflect.DeepEqual(got, test.want) || known != test.known {
			t.Errorf("Lookup(%s) = %+v, %v, want %+v, %v", test.addr, got, known, test.want, test.known)
		}
	}
	for _, name := range []string{"0.108.90.216.origin.asn.example", "AS23028.asn.example"} {
		if n := asked.count(name); n != 1 {
			t.Errorf("asked for %s %d times, want once", name, n)
		}
	}
	if networks, names := g.Stats(); networks.Entries != 8 || networks.Failures != 2 || names.Entries != 5 || names.Failures != 0 {
		t.Errorf("stats %+v and %+v, want 8 networks, two failed, and 5 names", networks, names)
	}
}

// The number is told while the name is still asked for.
func TestOriginsTellTheNumberFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewOrigins(func(_ context.Context, name string) ([]string, error) {
			switch name {
			case "0.8.8.8.origin.asn.cymru.com.":
				return []string{"15169 | 8.8.8.0/24"}, nil
			case "AS15169.asn.cymru.com.":
				time.Sleep(time.Second)
				return []string{"15169|US|arin|2000-03-30|GOOGLE, US"}, nil
			}
			return nil, errServer
		}, "", CacheOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		addr := netip.MustParseAddr("8.8.8.8")
		if as, known := g.Lookup(addr); as.Number != 0 || known {
			t.Errorf("%+v, %v before anything was asked", as, known)
		}
		pass(0)
		if as, known := g.Lookup(addr); as.Number != 15169 || known {
			t.Errorf("%+v, %v, want the number", as, known)
		}
		pass(time.Second)
		if as, known := g.Lookup(addr); as.Name != "GOOGLE, US" || !known {
			t.Errorf("%+v, %v, want the name too", as, known)
		}
		beats := 0
		g.Prove(func() { beats++ })
		synctest.Wait()
		if beats != 1 {
			t.Errorf("%d beats, want 1", beats)
		}
		deadline, done := context.WithTimeout(t.Context(), time.Second)
		defer done()
		if err := g.Wait(deadline, []netip.Addr{addr, netip.MustParseAddr("9.9.9.9")}); err != nil {
			t.Errorf("a failure was waited for: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		if err := g.Wait(deadline, []netip.Addr{netip.MustParseAddr("1.1.1.1")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", err)
		}
	})
}

// Of these addresses no question may leave the machine; of those beside them it
// may.
func TestPrivateAddressesAreNotAskedFor(t *testing.T) {
	g := NewOrigins(func(_ context.Context, name string) ([]string, error) {
		t.Errorf("asked for %s", name)
		return nil, errServer
	}, "", CacheOptions{})
	runBeside(t, g.Run)
	var addrs []netip.Addr
	for _, s := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255",
		"192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::ffff:192.168.0.1", "64:ff9b::a00:1",
		"64:ff9b:1::1", "100::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:a00:1::1", "3fff::1", "5f00::1",
	} {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	for _, a := range append(addrs, netip.Addr{}) {
		if as, known := g.Lookup(a); as.Number != 0 || !known {
			t.Errorf("Lookup(%v) = %+v, %v, want none", a, as, known)
		}
	}
	if err := g.Wait(t.Context(), addrs); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "192.0.1.1", "223.255.255.255", "2001:200::1", "2400::1", "2a00::1", "::ffff:8.8.8.8"} {
		if _, ok := networkOf(netip.MustParseAddr(s)); !ok {
			t.Errorf("%s is taken for private", s)
		}
	}
}

func TestParseRoute(t *testing.T) {
	tests := []struct {
		text   string
		prefix string // "" is no route
		want   []uint32
	}{
		{"23028 | 216.90.108.0/24 | US | arin | 1998-09-25", "216.90.108.0/24", []uint32{23028}},
		{"23028 64512 | 216.90.108.0/24 | US | arin | 1998-09-25", "216.90.108.0/24", []uint32{23028, 64512}},
		{"4294967294|2001:4860::/32", "2001:4860::/32", []uint32{4294967294}},
		{"1 | 216.90.108.77/24", "216.90.108.0/24", []uint32{1}},
		{"1 2 3 4 5 6 7 8 9 10 | 10.0.0.0/8", "10.0.0.0/8", []uint32{1, 2, 3, 4, 5, 6, 7, 8}},
		{"", "", nil},
		{"|", "", nil},
		{" | 10.0.0.0/8", "", nil},
		{"NA | 10.0.0.0/8", "", nil},
		{"0 | 10.0.0.0/8", "", nil},
		{"4294967295 | 10.0.0.0/8", "", nil},
		{"4294967296 | 10.0.0.0/8", "", nil},
		{"-1 | 10.0.0.0/8", "", nil},
		{"AS1 | 10.0.0.0/8", "", nil},
		{"1 x | 10.0.0.0/8", "", nil},
		{"1 | 10.0.0.0", "", nil},
		{"1 | 10.0.0.0/33", "", nil},
		{"1 | fe80::1%eth0/64", "", nil},
		{"1", "", nil},
		{strings.Repeat(" ", maxText) + "1 | 10.0.0.0/8", "", nil},
	}
	for _, test := range tests {
		got, ok := parseRoute(test.text)
		if ok != (test.prefix != "") || ok && (got.prefix.String() != test.prefix || !reflect.DeepEqual(got.origins, test.want)) {
			t.Errorf("parseRoute(%q) = %+v, %v, want %v %v", test.text, got, ok, test.prefix, test.want)
		}
	}
}

// The longest prefix that covers the network is the one its addresses are
// routed by; one inside of it is of some of them only.
func TestChooseRoute(t *testing.T) {
	network := netip.MustParsePrefix("216.90.108.0/24")
	tests := []struct {
		texts []string
		want  string // "" is none
	}{
		{nil, ""},
		{[]string{"1 | 216.90.109.0/24", "2 | 2001:4860::/32"}, ""},
		{[]string{"1 | 216.90.0.0/16", "2 | 216.90.108.0/24", "3 | 216.0.0.0/8"}, "216.90.108.0/24"},
		{[]string{"1 | 216.90.108.0/25", "2 | 216.90.0.0/16"}, "216.90.0.0/16"},
		{[]string{"1 | 216.90.0.0/16", "2 | 216.90.108.0/25"}, "216.90.0.0/16"},
		{[]string{"1 | 216.90.108.0/25", "2 | 216.90.108.0/26"}, "216.90.108.0/26"},
		{append(make([]string, maxTexts), "1 | 216.90.108.0/24"), ""},
	}
	for _, test := range tests {
		got, ok := chooseRoute(test.texts, network)
		if ok != (test.want != "") || ok && got.prefix.String() != test.want {
			t.Errorf("chooseRoute(%q) = %v, %v, want %q", test.texts, got, ok, test.want)
		}
	}
}

func TestCleanName(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"", ""},
		{"  Example Networks, ZZ ", "Example Networks, ZZ"},
		{"Москва №1 株式会社", "Москва №1 株式会社"},
		{"a\tb\r\nc\x7f\u0085\u202e", "a\ufffdb\ufffd\ufffdc\ufffd\ufffd\ufffd"},
		{"\xff\xfe", "\ufffd"},
		{strings.Repeat("x", 300), strings.Repeat("x", 255)},
		{strings.Repeat("\x00", 300), strings.Repeat("\ufffd", 85)},
	}
	for _, test := range tests {
		if got := cleanName(test.raw); got != test.want {
			t.Errorf("cleanName(%q) = %q, want %q", test.raw, got, test.want)
		}
	}
}

// Whatever the records say, the route is of the network, its numbers are AS
// numbers and few, and the name can be shown.
func FuzzOriginText(f *testing.F) {
	f.Add("23028 64512 | 216.90.108.0/24 | US | arin | 1998-09-25", []byte{216, 90, 108, 31}, uint32(23028))
	f.Add("64496 | 216.90.0.0/16 |\n64497 | 216.90.109.0/24", []byte{216, 90, 109, 1}, uint32(1))
	f.Add("15169 | 2001:4860::/32 | US | arin | 2005-03-14", netip.MustParseAddr("2001:4860::1").AsSlice(), uint32(1))
	f.Add("23028 | US | arin | 2002-01-04 | TEAM-CYMRU \x1b\xff\u202e| US", []byte{8, 8, 8, 8}, uint32(23028))
	f.Fuzz(func(t *testing.T, list string, addr []byte, number uint32) {
		texts := strings.Split(list, "\n")
		if name := chooseASName(texts, number); len(name) > maxASName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("name %q", name)
		}
		a, _ := netip.AddrFromSlice(addr)
		network, ok := networkOf(a)
		if !ok {
			return
		}
		r, ok := chooseRoute(texts, network)
		if !ok {
			return
		}
		if !r.prefix.Overlaps(network) || r.prefix != r.prefix.Masked() || len(r.origins) == 0 || len(r.origins) > maxOrigins {
			t.Fatalf("route %+v of %v", r, network)
		}
		for _, n := range r.origins {
			if n == 0 || n == 1<<32-1 {
				t.Fatalf("AS %d", n)
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package mmdb

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"connmonitor/internal/resolve"
)

// The forms of the publishers, and others that must do no harm.
var (
	geolite = record{"autonomous_system_number", uint32(64500), "autonomous_system_organization", "Example Networks"}
	lite    = record{"asn", "AS64501", "as_name", "Example, Inc.", "as_domain", "example.net", "country", "Nowhere"}
	older   = record{"asn", "AS64502", "domain", "example.org", "name", "Example Org"}
	numeric = record{"asn", uint32(64503), "country_code", "ZZ", "org", "Example SA"}
	domain  = record{"asn", "as64504", "as_name", "", "as_domain", "example.com"}
	unnamed = record{"autonomous_system_number", uint32(4200000000)}
	country = record{"country", record{"iso_code", "ZZ"}}
)

// networks are those of the test files; the second is of IPv6.
func networks() map[string]record {
	return map[string]record{
		"198.51.100.0/24": geolite,
		"203.0.113.0/25":  lite,
		"192.0.2.0/28":    older,
		"192.0.2.16/28":   numeric,
		"192.0.2.32/32":   domain,
		"192.0.2.128/25":  unnamed,
		"10.0.0.0/8":      country,
		"100.64.0.0/16":   {"asn", ""},
		"100.65.0.0/16":   {"asn", "AS4294967295", "as_name", "reserved"},
		"100.66.0.0/16":   {"asn", record{"number", uint32(1)}, "as_name", "another form"},
		"100.67.0.0/16":   {"asn", "AS64505", "as_name", "a\x1b[2J\nb\xff"},
		"100.68.0.0/16":   {"asn", "AS64506", "as_name", strings.Repeat("é", 150)},
		"100.69.0.0/16":   {"autonomous_system_number", uint64(1 << 40)},
	}
}

// as is the AS that is expected in a network.
func as(number uint32, name, prefix string) resolve.AS {
	return resolve.AS{Number: number, Name: name, Prefix: netip.MustParsePrefix(prefix)}
}

func TestLookup(t *testing.T) {
	six := networks()
	six["2001:db8::/32"] = lite
	tests := []struct {
		addr string
		want resolve.AS
	}{
		{"198.51.100.1", as(64500, "Example Networks", "198.51.100.0/24")},
		{"::ffff:198.51.100.255", as(64500, "Example Networks", "198.51.100.0/24")},
		{"203.0.113.127", as(64501, "Example, Inc.", "203.0.113.0/25")},
		{"203.0.113.128", resolve.AS{}},
		{"192.0.2.1", as(64502, "Example Org", "192.0.2.0/28")},
		{"192.0.2.17", as(64503, "Example SA", "192.0.2.16/28")},
		{"192.0.2.32", as(64504, "example.com", "192.0.2.32/32")},
		{"192.0.2.129", as(4200000000, "", "192.0.2.128/25")},
		{"10.1.2.3", resolve.AS{}},
		{"100.64.0.1", resolve.AS{}},
		{"100.65.0.1", resolve.AS{}},
		{"100.66.0.1", resolve.AS{}},
		{"100.67.0.1", as(64505, "a\ufffd[2J\ufffdb\ufffd", "100.67.0.0/16")},
		{"100.68.0.1", as(64506, strings.Repeat("é", 127), "100.68.0.0/16")},
		{"100.69.0.1", resolve.AS{}},
		{"127.0.0.1", resolve.AS{}},
		{"2001:db8::1%eth0", as(64501, "Example, Inc.", "2001:db8::/32")},
		{"2001:db9::1", resolve.AS{}},
	}
	for _, l := range []layout{{24, 4, "A"}, {24, 6, "A"}, {28, 6, "A"}, {32, 6, "A"}} {
		content := build(l, networks())
		if l.ipVersion == 6 {
			content = build(l, six)
		}
		f, err := Open(write(t, content))
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			addr := netip.MustParseAddr(test.addr)
			if l.ipVersion == 4 && addr.Is6() && !addr.Is4In6() {
				test.want = resolve.AS{}
			}
			if got, known := f.Lookup(addr); !known || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v: Lookup(%s) = %+v, %v, want %+v", l, test.addr, got, known, test.want)
			}
		}
		if got, known := f.Lookup(netip.Addr{}); !known || got.Number != 0 {
			t.Errorf("no address: %+v, %v", got, known)
		}
		if f.Faults() != 0 {
			t.Errorf("%d faults in a sound file", f.Faults())
		}
		if err := f.Wait(t.Context(), []netip.Addr{netip.MustParseAddr("192.0.2.1")}); err != nil {
			t.Errorf("Wait: %v", err)
		}
	}
}

// A file that cannot serve is refused at once, with what is wrong and by name.
func TestOpenRefuses(t *testing.T) {
	sound := build(layout{24, 4, "A"}, networks())
	directory := t.TempDir()
	pipe := filepath.Join(directory, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	big := write(t, nil)
	if err := os.Truncate(big, maxSize+1); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, err string }{
		{"missing", filepath.Join(directory, "none\n"), `none\n": no such file or directory`},
		{"a directory", directory, `not a regular file`},
		{"a pipe that nobody writes into", pipe, `not a regular file`},
		{"a device", os.DevNull, `not a regular file`},
		{"too large", big, `larger than 512 MiB`},
		{"empty", write(t, nil), `not an MMDB file, or damaged`},
		{"text", write(t, []byte("AS64500,Example\n")), `not an MMDB file, or damaged`},
		{"cut off", write(t, sound[:len(sound)-200]), `not an MMDB file, or damaged`},
		{"of countries", write(t, build(layout{24, 4, "GeoLite2-Country"}, map[string]record{"192.0.2.0/24": country})), `no AS numbers in it, its type is "GeoLite2-Country"; a file like GeoLite2-ASN`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.path)
			if err == nil || !strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), fmt.Sprintf("AS number file %q: ", test.path)) {
				t.Errorf("error %v, want the path and %q", err, test.err)
			}
		})
	}
}

// wantNumber asserts what a file says of 198.51.100.1.
func wantNumber(t *testing.T, f *File, number uint32) {
	t.Helper()
	if got, _ := f.Lookup(netip.MustParseAddr("198.51.100.1")); got.Number != number {
		t.Errorf("AS %d, want %d", got.Number, number)
	}
}

// Whatever becomes of the file, what was read is used until a better one is.
func TestReload(t *testing.T) {
	l := layout{24, 4, "A"}
	path := write(t, build(l, networks()))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 100); err != nil { // of a mapped file this would be SIGBUS
		t.Fatal(err)
	}
	wantNumber(t, f, 64500)
	if err := f.Reload(); err == nil {
		t.Error("a file that was cut off was taken")
	}
	wantNumber(t, f, 64500)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err == nil {
		t.Error("no error without a file")
	}
	wantNumber(t, f, 64500)
	newer := build(l, map[string]record{"198.51.100.0/24": {"asn", "AS64999"}})
	if err := os.Rename(write(t, newer), path); err != nil {
		t.Fatal(err)
	}
	wantNumber(t, f, 64500)
	if err := f.Reload(); err != nil {
		t.Error(err)
	}
	wantNumber(t, f, 64999)
}

// Reload and Lookup meet on the way; the race detector looks on.
func TestReloadBesideLookups(t *testing.T) {
	f, err := Open(write(t, build(layout{28, 6, "A"}, networks())))
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 500 {
				wantNumber(t, f, 64500)
			}
		})
	}
	for range 50 {
		if err := f.Reload(); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
}

// Every length of a file that is cut off, and every byte that is another, is an
// error or an answer, and never the end.
func TestDamage(t *testing.T) {
	sound := build(layout{24, 4, "A"}, networks())
	for length := range sound {
		try(sound[:length])
	}
	for i := range sound {
		for _, mask := range []byte{0xff, 0x01, 0x80, 0x20} {
			damaged := slices.Clone(sound)
			damaged[i] ^= mask
			try(damaged)
		}
	}
}

// A search tree of 128 nodes whose sides meet again has 2^128 ways to nothing; one
// that leads back to itself, to nowhere. Neither may keep the process busy.
func TestTangledTrees(t *testing.T) {
	dense := &builder{layout: layout{32, 6, "A"}}
	for i := range 127 {
		dense.nodes = append(dense.nodes, [2]int{i + 1, i + 1})
	}
	dense.nodes = append(dense.nodes, [2]int{empty, empty})
	circle := &builder{layout: layout{32, 6, "A"}, nodes: [][2]int{{0, 0}}}
	for i, b := range []*builder{dense, circle} {
		if _, err := open(b.content()); err == nil {
			t.Errorf("tree %d was taken", i)
		}
	}
}

// The library is not known to panic; if it did, it would be an error like others.
func TestPanicIsAnError(t *testing.T) {
	err := func() (err error) {
		defer recovered(&err)
		panic("out of range")
	}()
	if err == nil || err.Error() != "damaged: out of range" {
		t.Errorf("error %v", err)
	}
}

// try opens a content and looks addresses up, unless it is refused.
func try(content []byte) {
	reader, err := open(content)
	if err != nil {
		return
	}
	f := new(File)
	f.reader.Store(reader)
	for _, a := range []string{"198.51.100.1", "203.0.113.1", "192.0.2.1", "192.0.2.129", "100.68.0.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::"} {
		as, known := f.Lookup(netip.MustParseAddr(a))
		if !known || len(as.Name) > 255 || as.Number == 0 && as.Name != "" {
			panic(fmt.Sprintf("Lookup(%s) = %+v, %v", a, as, known))
		}
	}
}

// Whatever is in a file, what is said of an address is bounded and consistent.
func FuzzFile(f *testing.F) {
	for _, l := range []layout{{24, 4, "A"}, {28, 6, "A"}, {32, 4, "A"}} {
		content := build(l, networks())
		f.Add(content)
		f.Add(bytes.Repeat(content, 2))
	}
	f.Add([]byte("\xab\xcd\xefMaxMind.com\xe0"))
	f.Fuzz(func(_ *testing.T, content []byte) { try(content) })
}

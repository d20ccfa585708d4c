// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// TestHopsDescribe: what is not known yet is left out and asked for, in all
// flows of a path; silent hops are nobody's.
func TestHopsDescribe(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2")
	names := NewNames(func(_ context.Context, addr string) ([]string, error) {
		return []string{map[string]string{one.String(): "one.example.", two.String(): "two.example."}[addr]}, nil
	}, CacheOptions{})
	h := NewHops(names, systems{one: {Number: 64500, Name: "ONE"}})
	path := func() *vitals.Path {
		return &vitals.Path{
			Hops:   []vitals.Hop{{}, {Addr: one}},
			Others: []vitals.Path{{Hops: []vitals.Hop{{Addr: two}}}},
		}
	}
	p := path()
	h.Describe(p)
	if hop := p.Hops[1]; hop.Name != "" || hop.AS.Number != 64500 || hop.AS.Name != "ONE" {
		t.Errorf("before anybody was asked: %+v", hop)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	p = path()
	if err := h.Wait(ctx, p); err != nil {
		t.Fatal(err)
	}
	h.Describe(p)
	if p.Hops[0].Name != "" || p.Hops[1].Name != "one.example" || p.Others[0].Hops[0].Name != "two.example" {
		t.Errorf("%+v", p)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(h.Loops()); n != 1 {
		t.Errorf("%d loops, want that of the names alone", n)
	}
}

// systems is an ASSource that knows.
type systems map[netip.Addr]AS

func (s systems) Lookup(a netip.Addr) (AS, bool)           { return s[a], true }
func (s systems) Wait(context.Context, []netip.Addr) error { return nil }

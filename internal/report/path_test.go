// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// answer is a hop that was asked once and answered.
func answer(addr string, rtt float64, reply vitals.Reply) vitals.Hop {
	h := hop(addr, rtt)
	h.Sent, h.Received, h.Reply = 1, 1, reply
	return h
}

// expiry is what a router says whose hop the TTL of a probe ended at.
func expiry(ttl uint8) vitals.Reply {
	return vitals.Reply{TTL: ttl, Quotes: true, QuotedTTL: 1, Type: 11}
}

// silence is a hop that was asked three times for nothing.
func silence() vitals.Hop { return vitals.Hop{Sent: 3} }

// documented is the record that the man pages show.
func documented() vitals.Record {
	gateway := hop("10.0.0.1", 0.5)
	gateway.Shared, gateway.Name = true, "gw.lan"
	labelled := answer("198.51.100.1", 9.25, expiry(253))
	labelled.AS = vitals.AS{Number: 64500, Name: "EX"}
	labelled.Reply.Labels = []vitals.Label{{Value: 24001, Bottom: true, TTL: 1}}
	spread := answer("198.51.100.2", 9.5, expiry(253))
	spread.AS, spread.Sent, spread.Received = labelled.AS, 3, 2
	spread.RTTs = []time.Duration{spread.RTT, 9750 * time.Microsecond}
	spread.Also = []netip.Addr{netip.MustParseAddr("198.51.100.6")}
	end := answer("203.0.113.9", 12.5, vitals.Reply{TTL: 61, Quotes: true, QuotedTTL: 1, Type: 3, Code: 3})
	end.AS = vitals.AS{Number: 64501, Name: "CO"}

	r := record("www.example.com", "203.0.113.9")
	r.Target.Details, r.Target.Method, r.Target.Flows, r.Target.MTU = true, vitals.MethodUDP, 2, true
	r.Path = &vitals.Path{
		Hops:   []vitals.Hop{gateway, silence(), labelled, end},
		End:    vitals.EndReached,
		Others: []vitals.Path{{Hops: []vitals.Hop{gateway, silence(), spread, end}, End: vitals.EndReached}},
		MTU:    &vitals.MTU{Size: 1400, Interface: 1500, Limit: vitals.LimitReported, Router: labelled.Addr, TTL: 3},
	}
	return r
}

// traced is a record of a trace with details.
func traced(addr string, method vitals.Method, p vitals.Path) vitals.Record {
	r := record("h", addr)
	r.Target.Details, r.Target.Method, r.Path = true, method, &p
	return r
}

// detailCases are traces of all kinds. Those that are hostile are wider than a
// terminal.
func detailCases() []goldenCase {
	return slices.Concat([]goldenCase{{"documented", documented()}}, answerCases(), wideCases(), flowCases(), mtuCases(), onsetCases(), []goldenCase{
		{"by UDP for want of privilege", traced("192.0.2.9", vitals.MethodICMP, vitals.Path{
			Hops: []vitals.Hop{answer("192.0.2.9", 1, vitals.Reply{TTL: 64, Type: 3, Code: 3})}, End: vitals.EndReached, UDP: true,
		})},
		{"hostile", hostileTrace()},
	})
}

// onsetCases are what the last traces tell.
func onsetCases() []goldenCase {
	path := func(o *vitals.Onset) *vitals.Path {
		limited, slow := answer("192.0.2.1", 1, expiry(64)), answer("192.0.2.2", 90, expiry(63))
		limited.Limited, slow.Slow = true, true
		silent := vitals.Hop{Sent: 1, Limited: true}
		return &vitals.Path{Hops: []vitals.Hop{limited, slow, silent, answer("192.0.2.9", 20, vitals.Reply{})}, End: vitals.EndReached, Onset: o}
	}
	since := time.UnixMilli(1_500_000_000_000)
	here, far := vitals.OnsetHop{}, vitals.OnsetHop{TTL: 4, Addr: netip.MustParseAddr("192.0.2.9")}
	near := vitals.OnsetHop{TTL: 1, Addr: netip.MustParseAddr("192.0.2.1")}
	loss := &vitals.OnsetFault{Fault: vitals.FaultLoss, Since: since, Before: here, At: near, Destination: 4, Lost: 7, Known: 48}
	shift := &vitals.OnsetFault{
		Fault: vitals.FaultShift, Since: since, Before: near, At: far, Destination: 4, Was: 10 * time.Millisecond, Is: 20500 * time.Microsecond,
	}
	var cases []goldenCase
	for _, c := range []struct {
		name  string
		onset *vitals.Onset
	}{
		{"no fault in one trace", &vitals.Onset{Traces: 1}},
		{"no fault", &vitals.Onset{Traces: 48}},
		{"loss", &vitals.Onset{Traces: 48, Loss: loss}},
		{"loss, and the route is new", &vitals.Onset{Traces: 1, Loss: loss}},
		{"loss and a shift", &vitals.Onset{Traces: 48, Loss: loss, Shift: shift}},
	} {
		cases = append(cases, goldenCase{"onset: " + c.name, traced("192.0.2.9", vitals.MethodICMP, *path(c.onset))})
	}
	return cases
}

// answerCases are hops that answer in all ways.
func answerCases() []goldenCase {
	v4 := vitals.Path{End: vitals.EndUnreachable}
	for _, r := range []vitals.Reply{
		{TTL: 64, Type: 11, Quotes: true},
		{TTL: 64, Type: 11, Quotes: true, QuotedTTL: 3},
		{TTL: 64, Type: 11, Code: 1, Quotes: true},
		{Type: 0},
		{Type: 3, Code: 0},
		{Type: 3, Code: 1},
		{Type: 3, Code: 4},
		{Type: 3, Code: 13},
		{Type: 3, Code: 77},
		{Type: 12},
		{Type: 3, Code: 1, Quotes: true, QuotedTTL: 1, Rewritten: netip.MustParseAddr("10.9.9.9")},
	} {
		v4.Hops = append(v4.Hops, answer("192.0.2.1", 1, r))
	}
	v6 := vitals.Path{End: vitals.EndUnreachable}
	for _, r := range []vitals.Reply{
		{TTL: 64, Type: 3, Quotes: true, QuotedTTL: 2}, {Type: 129}, {Type: 1, Code: 0}, {Type: 1, Code: 4}, {Type: 1, Code: 6}, {Type: 2}, {},
	} {
		v6.Hops = append(v6.Hops, answer("2001:db8::1", 1, r))
	}
	spoiled, shared := answer("192.0.2.2", 2, expiry(60)), hop("192.0.2.3", 3)
	spoiled.Sent, spoiled.Unknown = 3, 1
	shared.Shared = true
	counted := vitals.Path{Hops: []vitals.Hop{spoiled, shared, {Sent: 2, Unknown: 2}, {}}}
	tcp := vitals.Path{Hops: []vitals.Hop{answer("192.0.2.1", 1, expiry(64)), answer("192.0.2.9", 2, vitals.Reply{TTL: 63})}, End: vitals.EndReached}
	port := traced("192.0.2.9", vitals.MethodTCP, tcp)
	port.Target.Port = 8443
	return []goldenCase{
		{"answers over IPv4", traced("192.0.2.1", vitals.MethodICMP, v4)},
		{"answers over IPv6", traced("2001:db8::1", vitals.MethodICMP, v6)},
		{"counts", traced("192.0.2.9", vitals.MethodUDP, counted)},
		{"by TCP", traced("192.0.2.9", vitals.MethodTCP, tcp)},
		{"by TCP to a port", port},
		{"silent", traced("192.0.2.9", vitals.MethodICMP, vitals.Path{Hops: []vitals.Hop{silence(), silence()}})},
	}
}

// wideCases are what does not fit into the columns.
func wideCases() []goldenCase {
	long := answer("2001:db8:1111:2222:3333:4444:5555:6666", 123.456, vitals.Reply{TTL: 50, Type: 3, Quotes: true, QuotedTTL: 1})
	long.Name, long.AS = "xe-0-0-0.edge7.frankfurt3.example.net", vitals.AS{Number: 4200000000, Name: "Example Networks and Sons International"}
	short := answer("fe80::1%eth0", 0.25, vitals.Reply{TTL: 64, Type: 3, Quotes: true, QuotedTTL: 1})
	short.AS = vitals.AS{Number: 64500, Name: "EXAMPLE"}
	stack := answer("2001:db8::2", 12, vitals.Reply{TTL: 64, Type: 3, Quotes: true, QuotedTTL: 4})
	stack.Reply.Labels = []vitals.Label{{Value: 1048575, TrafficClass: 7, TTL: 255}, {Value: 16, TTL: 254}, {Value: 0, Bottom: true, TTL: 1}}
	stack.Also = []netip.Addr{netip.MustParseAddr("2001:db8::3"), netip.MustParseAddr("2001:db8::4")}
	p := vitals.Path{Hops: []vitals.Hop{short, long, stack, short}}
	all := record("everything", "2001:db8::9")
	all.Ping, all.Scan, all.Path = somePing(), someScan(), &p
	all.Target.Details = true
	return []goldenCase{{"wide", traced("2001:db8::9", vitals.MethodICMP, p)}, {"everything", all}}
}

// flowCases are traces of several flows.
func flowCases() []goldenCase {
	path := func(end vitals.End, addrs ...string) vitals.Path {
		p := vitals.Path{End: end}
		for _, addr := range addrs {
			if addr == "*" {
				p.Hops = append(p.Hops, silence())
			} else {
				p.Hops = append(p.Hops, answer(addr, 1, expiry(64)))
			}
		}
		return p
	}
	left := path(vitals.EndReached, "192.0.2.1", "192.0.2.2", "192.0.2.9")
	right := path(vitals.EndReached, "192.0.2.1", "192.0.2.3", "192.0.2.9")
	quiet := path(vitals.EndReached, "192.0.2.1", "*", "192.0.2.9")
	longer := path(vitals.EndReached, "192.0.2.1", "192.0.2.4", "192.0.2.5", "192.0.2.9")
	lost := path(vitals.EndHops, "192.0.2.1", "192.0.2.2", "*", "*")
	refused := path(vitals.EndUnreachable, "192.0.2.1", "192.0.2.7")
	alike, several := left, left
	alike.Others = []vitals.Path{left, quiet}
	several.Others = []vitals.Path{right, left, left, quiet, right, longer, lost, refused}
	lost.Others = []vitals.Path{left}
	return []goldenCase{
		{"flows of one path", traced("192.0.2.9", vitals.MethodUDP, alike)},
		{"flows of several paths", traced("192.0.2.9", vitals.MethodUDP, several)},
		{"a flow that gets through", traced("192.0.2.9", vitals.MethodUDP, lost)},
	}
}

// mtuCases are the ways in which a path MTU is limited.
func mtuCases() []goldenCase {
	router := netip.MustParseAddr("192.0.2.1")
	var cases []goldenCase
	for name, m := range map[string]vitals.MTU{
		"MTU 1: not known":           {Interface: 1500},
		"MTU 2: interface":           {Size: 1500, Interface: 1500},
		"MTU 3: reported":            {Size: 1400, Interface: 1500, Limit: vitals.LimitReported, Router: router, TTL: 1},
		"MTU 4: reported, no hop":    {Size: 1400, Interface: 1500, Limit: vitals.LimitReported, Router: router},
		"MTU 5: black hole":          {Size: 1280, Interface: 9000, Limit: vitals.LimitBlackHole, Router: router, TTL: 1},
		"MTU 6: black hole, nowhere": {Size: 1280, Limit: vitals.LimitBlackHole},
	} {
		cases = append(cases, goldenCase{name, traced("192.0.2.1", vitals.MethodICMP, vitals.Path{
			Hops: []vitals.Hop{answer("192.0.2.1", 1, vitals.Reply{TTL: 64})}, End: vitals.EndReached, MTU: &m,
		})})
	}
	slices.SortFunc(cases, func(a, b goldenCase) int { return strings.Compare(a.name, b.name) })
	return cases
}

// hostileTrace has what a name server and a file of AS numbers may hold.
func hostileTrace() vitals.Record {
	h := answer("fe80::1%\"a\tb\x1b", 1, expiry(64))
	h.Name, h.AS = "x)  AS1 GOOD  0%\n  2  192.0.2.2 ("+hostile, vitals.AS{Number: 64500, Name: "A  0%    1.000\n  9  " + hostile}
	h.Reply.Rewritten, h.Also = h.Addr, []netip.Addr{h.Addr}
	return traced("192.0.2.9", vitals.MethodUDP, vitals.Path{Hops: []vitals.Hop{h}, MTU: &vitals.MTU{Size: 1400, Limit: vitals.LimitReported, Router: h.Addr}})
}

func TestGoldenDetails(t *testing.T) {
	for name, asJSON := range map[string]bool{"details-json": true, "details-text": false} {
		t.Run(name, func(t *testing.T) {
			var got []byte
			for _, c := range detailCases() {
				got = append(got, "== "+c.name+"\n"...)
				got = AppendTable(got, with(c.record, vitals.Bundled, asJSON, false))
			}
			golden(t, name, got)
		})
	}
}

// TestDetailsAreJSON decodes every record, and has what the contract shows of
// it unchanged.
func TestDetailsAreJSON(t *testing.T) {
	for _, c := range detailCases() {
		detailed := with(c.record, vitals.Separate, true, true)
		plain := with(c.record, vitals.Separate, true, true)
		plain.Target.Details = false
		var got, want map[string]json.RawMessage
		if err := json.Unmarshal(AppendRecord(nil, detailed), &got); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := json.Unmarshal(AppendRecord(nil, plain), &want); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(got["path"]) == 0 || want["path"] != nil || !bytes.Equal(got["trace"], want["trace"]) || !bytes.Equal(got["ping"], want["ping"]) {
			t.Errorf("%s: %s with details, %s without", c.name, got, want)
		}
	}
}

// TestDetailsLeaveTextAlone holds the contract: details are a matter of JSON.
func TestDetailsLeaveTextAlone(t *testing.T) {
	for _, c := range slices.Concat(goldenCases(), detailCases()) {
		plain := with(c.record, vitals.Separate, false, true)
		detailed := with(c.record, vitals.Separate, false, true)
		plain.Target.Details, detailed.Target.Details = false, true
		if got, want := AppendRecord(nil, detailed), AppendRecord(nil, plain); !bytes.Equal(got, want) {
			t.Errorf("%s: %q with details, %q without", c.name, got, want)
		}
	}
}

func TestDetailsDoNotAllocate(t *testing.T) {
	r := with(documented(), vitals.Separate, true, true)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendRecord(buf[:0], r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

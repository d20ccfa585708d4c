// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// picture is what some traces have shown, in the words of a scenario. first tells
// that the first of them is the first of all, which is no change; many that it
// depends on the flow what a change was from and to.
func (c actors) picture(rs []record, first, many bool) string {
	var hops []map[string]bool // by TTL-1
	ends := map[string]bool{}
	var changes []string
	for i, r := range rs {
		if r.changed && (i > 0 || !first) {
			changes = append(changes, "\t"+c.change(r.path, many)+"\n")
		}
		if !r.changed && i == 0 && first {
			changes = append(changes, "\tnot told at first\n")
		}
		for _, p := range flowsOf(r.path) {
			ends[endOf(&p)] = true
			for k := range p.Hops {
				if k == len(hops) {
					hops = append(hops, map[string]bool{})
				}
				hops[k][c.hop(&p.Hops[k])] = true
			}
		}
	}
	var s strings.Builder
	for k := range hops {
		fmt.Fprintf(&s, "\t%d %s\n", k+1, joined(hops[k]))
	}
	s.WriteString(c.turns(flowsOf(rs[len(rs)-1].path)))
	fmt.Fprintf(&s, "\t%s\n", joined(ends))
	return s.String() + strings.Join(changes, "")
}

func flowsOf(p *vitals.Path) []vitals.Path {
	if p == nil {
		return []vitals.Path{{Hops: nil, End: spoiled}}
	}
	return append([]vitals.Path{*p}, p.Others...)
}

// spoiled stands for the end of no path.
const spoiled vitals.End = 99

func endOf(p *vitals.Path) string {
	return map[vitals.End]string{
		vitals.EndHops: "not reached", vitals.EndReached: "reached", vitals.EndUnreachable: "unreachable", spoiled: "spoiled",
	}[p.End]
}

func joined(set map[string]bool) string {
	var all []string
	for s := range set {
		all = append(all, s)
	}
	slices.SortFunc(all, natural)
	return strings.Join(all, " or ")
}

// hop is what one hop shows.
func (c actors) hop(h *vitals.Hop) string {
	if h.Silent() {
		return "*"
	}
	words := []string{c.name(h.Addr), h.RTT.Round(10 * time.Microsecond).String()}
	expired, mark := wire.TypeTimeExceeded, wire.Mark4
	if h.Addr.Is6() {
		expired, mark = wire.Type6TimeExceeded, wire.Mark6
	}
	if m := mark(h.Reply.Type, h.Reply.Code, 0); h.Reply.Quotes && m != "" {
		words = append(words, m)
	}
	if h.Reply.Quotes && h.Reply.Type == expired && c.name(h.Addr)[0] == 'H' {
		words = append(words, "expired")
	}
	if h.Reply.Quotes && h.Reply.QuotedTTL != 1 {
		words = append(words, fmt.Sprint("ttl=", h.Reply.QuotedTTL))
	}
	if h.Reply.Rewritten.IsValid() {
		words = append(words, "to="+c.name(h.Reply.Rewritten))
	}
	if h.Reply.Labels != nil {
		words = append(words, "mpls="+labels(h.Reply.Labels))
	}
	if h.Shared {
		words = append(words, "shared")
	}
	return strings.Join(words, " ")
}

func labels(stack []vitals.Label) string {
	var all []string
	for _, l := range stack {
		s := fmt.Sprintf("%d/%d/%d", l.Value, l.TrafficClass, l.TTL)
		if l.Bottom {
			s += "S"
		}
		all = append(all, s)
	}
	return strings.Join(all, ",")
}

// turns are the addresses that a flow crosses by turns, by TTL.
func (c actors) turns(flows []vitals.Path) string {
	var sets []map[string]bool
	for _, p := range flows {
		for k := range p.Hops {
			if k == len(sets) {
				sets = append(sets, nil)
			}
			if h := &p.Hops[k]; len(h.Also) > 0 {
				if sets[k] == nil {
					sets[k] = map[string]bool{}
				}
				sets[k][c.name(h.Addr)] = true
				for _, a := range h.Also {
					sets[k][c.name(a)] = true
				}
			}
		}
	}
	var s strings.Builder
	for k, set := range sets {
		if set != nil {
			fmt.Fprintf(&s, "\tby turns at %d: %s\n", k+1, joined(set))
		}
	}
	return s.String()
}

// change is a change of the route.
func (c actors) change(p *vitals.Path, many bool) string {
	if p == nil || p.Change == nil {
		return "changed, and it is not told how"
	}
	v := p.Change
	if many {
		return fmt.Sprintf("changed at %d", v.First)
	}
	return fmt.Sprintf("changed at %d: %s; to %s", v.First, c.route(v.Before, v.ReachedBefore), c.route(v.After, v.Reached))
}

func (c actors) route(addrs []netip.Addr, reached bool) string {
	var all []string
	for _, a := range addrs {
		if all = append(all, "*"); a.IsValid() {
			all[len(all)-1] = c.name(a)
		}
	}
	if !reached {
		all = append(all, "...")
	}
	return strings.Join(all, " ")
}

// name is what a scenario calls an address.
func (c actors) name(a netip.Addr) string {
	if n, ok := strings.CutPrefix(a.String(), c.routers); ok {
		return "R" + n
	}
	if n, ok := strings.CutPrefix(a.String(), c.hosts); ok {
		return "H" + n
	}
	return a.String()
}

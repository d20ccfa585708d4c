// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"connmonitor/internal/vitals"
	"connmonitor/internal/wire"
)

// The columns of a trace.
const (
	columnTTL = iota
	columnHop
	columnAS
	columnLoss
	columnRTT
	columnMark

	widestAS = 24
)

func formatOfTrace() format {
	return format{
		right: [columns]bool{columnTTL: true, columnLoss: true, columnRTT: true},
		most:  [columns]int{columnAS: widestAS}, flexible: columnHop,
	}
}

// appendTable appends a trace as a table, one row a hop, and the path MTU where
// it is known. Flows that take another path than the first follow with the hops
// where they differ from it.
func appendTable(dst []byte, p *vitals.Path) []byte {
	t := table{format: formatOfTrace()}
	t.rows = append(t.rows, heading(p))
	all := routes(p)
	for i := range all {
		hops := rowsOf(&all[i], p)
		if len(p.Others) > 0 {
			t.rows = append(t.rows, titleOf(&all[i], p, len(hops) > 0))
		}
		t.rows = append(t.rows, hops...)
	}
	dst = t.append(dst)
	switch {
	case known(p.MTU):
		dst = append(appendTextMTU(dst, p.MTU), '\n')
	case p.MTU != nil:
		dst = append(dst, "path MTU not found\n"...)
	}
	return dst
}

// route is the path that one or more flows of a trace took.
type route struct {
	flows []int // their numbers; the first flow of a trace is 0
	path  *vitals.Path
}

// routes tells which flows took which path, beginning with that of flow 0. A
// flow belongs to the first path that it does not contradict.
func routes(p *vitals.Path) []route {
	all := []route{{[]int{0}, p}}
	for i := range p.Others {
		other := &p.Others[i]
		at := slices.IndexFunc(all, func(r route) bool { return agree(r.path, other) })
		if at < 0 {
			at, all = len(all), append(all, route{path: other})
		}
		all[at].flows = append(all[at].flows, i+1)
	}
	return all
}

// agree reports whether two flows may have taken the same path: they ended
// alike, and no hop of the one contradicts that of the other.
func agree(a, b *vitals.Path) bool {
	if a.End != b.End || len(a.Hops) != len(b.Hops) {
		return false
	}
	for i := range a.Hops {
		if contradict(&a.Hops[i], &b.Hops[i]) {
			return false
		}
	}
	return true
}

// contradict reports whether two flows were answered by different routers at a
// TTL. Silence contradicts nothing, nor do two of the addresses among which a
// router spreads the packets of one flow.
func contradict(a, b *vitals.Hop) bool {
	return !a.Silent() && !b.Silent() && a.Addr != b.Addr &&
		!slices.Contains(a.Also, b.Addr) && !slices.Contains(b.Also, a.Addr)
}

// news reports whether a hop of another flow tells what the hop of the first
// with the same index does not.
func news(h *vitals.Hop, index int, first *vitals.Path) bool {
	if h.Silent() {
		return false
	}
	return index >= len(first.Hops) || first.Hops[index].Silent() || contradict(h, &first.Hops[index])
}

// rowsOf are the hops of the first route, or those of another that are news.
func rowsOf(r *route, first *vitals.Path) []row {
	var rows []row
	for i := range r.path.Hops {
		if h := &r.path.Hops[i]; r.path == first || news(h, i, first) {
			rows = append(rows, rowOf(h, i+1))
		}
	}
	return rows
}

// titleOf is the line above the hops of a route: "flows 1, 3-5:".
func titleOf(r *route, first *vitals.Path, hops bool) row {
	title := row{title: "flow", notes: ranges(r.flows)}
	if len(r.flows) > 1 {
		title.title = "flows"
	}
	if r.path.End != first.End {
		title.notes = append(title.notes, endText(r.path.End))
	}
	if hops {
		title.notes[len(title.notes)-1] += ":"
	}
	return title
}

// ranges writes increasing numbers, "3-5" for three and more that follow each
// other.
func ranges(numbers []int) []string {
	var all []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+n {
			n++
		}
		if n < 3 {
			n = 1
		}
		text := strconv.Itoa(numbers[0])
		if n > 1 {
			text += "-" + strconv.Itoa(numbers[n-1])
		}
		all, numbers = append(all, text), numbers[n:]
	}
	return all
}

func endText(e vitals.End) string {
	switch e {
	case vitals.EndReached:
		return "destination reached"
	case vitals.EndUnreachable:
		return "destination unreachable"
	case vitals.EndHops:
	}
	return "destination not reached"
}

// heading names the columns, those that would be empty left out.
func heading(p *vitals.Path) row {
	h := row{cells: [columns]string{columnTTL: "TTL", columnHop: "address", columnLoss: "loss", columnRTT: "RTT ms"}}
	if tells(p, func(h *vitals.Hop) bool { return h.Name != "" }) {
		h.cells[columnHop] = "address (name)"
	}
	if tells(p, func(h *vitals.Hop) bool { return h.AS.Number != 0 }) {
		h.cells[columnAS] = "AS"
	}
	return h
}

// tells reports whether something holds for any hop of any flow.
func tells(p *vitals.Path, something func(h *vitals.Hop) bool) bool {
	holds := func(p vitals.Path) bool {
		return slices.ContainsFunc(p.Hops, func(h vitals.Hop) bool { return something(&h) })
	}
	return holds(*p) || slices.ContainsFunc(p.Others, holds)
}

func rowOf(h *vitals.Hop, ttl int) row {
	r := row{cells: [columns]string{
		columnTTL: strconv.Itoa(ttl), columnHop: hopCell(h), columnAS: asCell(h.AS), columnLoss: lossCell(h),
	}}
	if !h.Silent() {
		r.cells[columnRTT] = string(appendFixed(nil, vitals.Milliseconds(h.RTT)))
		r.cells[columnMark] = mark(h)
		r.notes = notes(h)
	}
	return r
}

func hopCell(h *vitals.Hop) string {
	if h.Silent() {
		return "*"
	}
	cell := appendTextAddr(nil, h.Addr)
	if h.Name != "" {
		cell = append(append(append(cell, " ("...), unspaced(h.Name)...), ')')
	}
	return string(cell)
}

// unspaced is a name for a cell: blanks part columns, and no name of a host has
// any.
func unspaced(name string) string {
	return strings.ReplaceAll(string(appendText(nil, name)), " ", `\x20`)
}

// asCell is "AS64500 EXAMPLE". Names of autonomous systems have blanks, but
// never two in a row, which part columns.
func asCell(as vitals.AS) string {
	if as.Number == 0 {
		return ""
	}
	words := strings.Fields(string(appendText(nil, as.Name)))
	return strings.Join(append([]string{"AS" + strconv.FormatUint(uint64(as.Number), 10)}, words...), " ")
}

// lossCell is the loss of this trace at a hop: "" where the hop was not asked,
// "?" where our own side spoiled all probes.
func lossCell(h *vitals.Hop) string {
	sent := int(h.Sent) - int(h.Unknown)
	switch {
	case h.Sent == 0:
		return ""
	case sent <= 0:
		return "?"
	}
	lost := max(0, sent-int(h.Received))
	return strconv.Itoa((100*lost+sent/2)/sent) + "%"
}

// notes are what else is known of a hop that answered.
func notes(h *vitals.Hop) []string {
	var all []string
	if h.Shared {
		all = append(all, "shared")
	}
	if len(h.RTTs) > 1 {
		all = append(all, rttsText(h.RTTs))
	}
	if h.Reply.Rewritten.IsValid() {
		all = append(all, string(appendTextAddr([]byte("NAT to "), h.Reply.Rewritten)))
	}
	if n := h.Reply.QuotedTTL; n > 1 && expired(h) {
		all = append(all, "quoted TTL "+strconv.Itoa(int(n)))
	}
	for _, l := range h.Reply.Labels {
		all = append(all, labelText(l))
	}
	for i, addr := range h.Also {
		text := string(appendTextAddr(nil, addr))
		if i == 0 {
			text = "also " + text
		}
		all = append(all, text)
	}
	return all
}

// rttsText is what a hop that answered several times took after the first answer,
// whose RTT has a column: "again 0.512 0.498 ms".
func rttsText(rtts []time.Duration) string {
	text := []byte("again")
	for _, rtt := range rtts[1:] {
		text = appendFixed(append(text, ' '), vitals.Milliseconds(rtt))
	}
	return string(append(text, " ms"...))
}

// expired reports whether a hop answered that the TTL of the probe had.
func expired(h *vitals.Hop) bool {
	if isIPv4(h.Addr) {
		return h.Reply.Type == wire.TypeTimeExceeded
	}
	return h.Reply.Type == wire.Type6TimeExceeded
}

// labelText is an entry of a label stack, in the letters of RFC 5462.
func labelText(l vitals.Label) string {
	s := " S 0"
	if l.Bottom {
		s = " S 1"
	}
	return "MPLS " + strconv.FormatUint(uint64(l.Value), 10) + " TC " + strconv.Itoa(int(l.TrafficClass)) + s + " TTL " + strconv.Itoa(int(l.TTL))
}

// appendTextMTU appends "path MTU 1400 of 1500, reported by 192.0.2.9, hop 3".
func appendTextMTU(dst []byte, m *vitals.MTU) []byte {
	dst = strconv.AppendInt(append(dst, "path MTU "...), int64(m.Size), 10)
	if m.Limit != vitals.LimitInterface && m.Interface > 0 {
		dst = strconv.AppendInt(append(dst, " of "...), int64(m.Interface), 10)
	}
	switch m.Limit {
	case vitals.LimitInterface:
		return append(dst, ", that of the interface"...)
	case vitals.LimitReported:
		dst = appendLimit(append(dst, ", reported"...), " by ", m)
	case vitals.LimitBlackHole:
		dst = appendLimit(append(dst, ", black hole"...), " behind ", m)
	}
	return dst
}

// appendLimit appends which router limits the path MTU, where that is known.
func appendLimit(dst []byte, preposition string, m *vitals.MTU) []byte {
	if m.Router.IsValid() {
		dst = appendTextAddr(append(dst, preposition...), m.Router)
	}
	if m.TTL > 0 {
		dst = strconv.AppendInt(append(dst, ", hop "...), int64(m.TTL), 10)
	}
	return dst
}

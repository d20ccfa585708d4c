// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The contenders that trace: to one address at the end of the chain, and to
// many.
const (
	ourTrace        = "connvitals, one trace"
	scamperTrace    = "scamper, one trace"
	tracerouteTrace = "traceroute, one trace"
	defaultsTrace   = "traceroute with its defaults, one trace"

	ourTraces        = "connvitals, 1,000 traces"
	scamperTraces    = "scamper, 1,000 traces"
	tracerouteTraces = "traceroute, 1,000 traces"
	floorTraces      = "floor, 1,000 traces"
)

const (
	manyTraces = 1_000
	traceRate  = "10000" // probes a second
	// sideBySide is how many traceroutes run at a time.
	sideBySide = "100"
)

// tracers are in the order in which they are compared.
func tracers() []contender {
	const (
		onceEach = "trace -P icmp-paris -q 1 -w 1"
		quick    = "traceroute -n -q 1 -N 16"
	)
	one, many := []string{deep}, addresses(beyond, manyTraces)
	return []contender{
		{ourTrace, "connvitals -Pt " + deep, false, repeated(traces(one, ours("-Pt"), parseRecordRoutes))},
		{scamperTrace, `scamper -p 10000 -c "` + onceEach + `" -i ` + deep, false, repeated(traces(one, named("scamper", "-p", traceRate, "-c", onceEach, "-i"), parseRoutes))},
		{tracerouteTrace, quick + " " + deep, false, repeated(traces(one, named(strings.Fields(quick)...), parseRoutes))},
		{defaultsTrace, "traceroute -n " + deep, false, repeated(traces(one, named("traceroute", "-n"), parseRoutes))},

		{ourTraces, "connvitals -Pt --rate 10000 HOST...", false, repeated(traces(many, ours("-Pt", "--rate", traceRate), parseRecordRoutes))},
		{floorTraces, floorTraceLine, false, repeated(traceFloor)},
		{scamperTraces, `scamper -p 10000 -w 0 -c "` + onceEach + `" -f hosts`, false, repeated(traces(many, listed("scamper", "-p", traceRate, "-w", "0", "-c", onceEach, "-f"), parseRoutes))},
		{
			tracerouteTraces, "xargs -a hosts -P " + sideBySide + ` -n 1 sh -c 'exec ` + quick + ` "$0" >results/"$0"'`, false,
			repeated(manyTraceroutes(many, quick)),
		},
	}
}

// floorTraceLine sends what connvitals sends at least: one probe to each hop of each
// host, at the same rate, with as many bytes and ticks as long.
const floorTraceLine = "floor -b " + beyond + " -n 1000 -H 12 -r " + traceRate + " -p 5000 -s 32"

// traceFloor runs the floor of a tracer. It has no routes to show: what counts as
// found are the answers.
func traceFloor(h *harness) (figures, error) {
	n := h.chain()
	w, err := h.runWhole(n, append([]string{h.floor}, strings.Fields(floorTraceLine)[1:]...))
	if err != nil {
		return nil, err
	}
	there, _ := hopsFound(n.way, beyond, nil)
	answered, err := wordAfter(w.stdout, "got=")
	if err != nil {
		return nil, err
	}
	return w.probed(answered, manyTraces*there)
}

// wordAfter is the number behind a mark.
func wordAfter(text, mark string) (int, error) {
	_, rest, found := strings.Cut(text, mark)
	if words := strings.Fields(rest); found && len(words) > 0 {
		return strconv.Atoi(words[0])
	}
	return 0, fmt.Errorf("no %q in %q", mark, firstLine(text))
}

func traceContest() contest {
	complete := complete("all hops found")
	return contest{
		"traces",
		[]column{{wallTime, "ms from start to end", 0}, {cpuTime, "CPU ms", 1}, {cpuPerProbe, "CPU us/probe", 2}, {probeCount, "probes", 0}, {foundShare, "hops found %", 1}},
		[]match{
			{
				"trace one", "one destination", ourTrace,
				[]string{scamperTrace, tracerouteTrace, defaultsTrace},
				append([]bound{within(150)}, complete...),
				[]duel{faster()},
			},
			{
				"trace 1,000", "1,000 destinations", ourTraces,
				[]string{scamperTraces, tracerouteTraces},
				append([]bound{
					within(2000),
					{"CPU", cpuPerProbe, "us/probe", 2, "", atMost(10), false},
					{"CPU beside the floor", cpuPerProbe, "us/probe", 2, floorTraces, atMost(1.75), false},
				}, complete...),
				[]duel{faster(), {cpuPerProbe, "CPU"}},
			},
		},
	}
}

// traces runs a program that traces hosts behind the chain, and reads their
// routes from what it prints.
func traces(hosts []string, line argv, parse func(text string) routes) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		words, err := line(h, hosts)
		if err != nil {
			return nil, err
		}
		w, err := h.runWhole(h.chain(), words)
		if err != nil {
			return nil, err
		}
		return w.traced(h.chain().way, hosts, parse(w.stdout))
	}
}

// manyTraceroutes runs one process for each host, some at a time, as an
// operator would who wants to keep what they print.
func manyTraceroutes(hosts []string, line string) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		results := filepath.Join(h.dir, "results")
		if err := errors.Join(os.RemoveAll(results), os.Mkdir(results, 0o755)); err != nil {
			return nil, err
		}
		list, err := h.file("hosts", strings.Join(hosts, "\n")+"\n")
		if err != nil {
			return nil, err
		}
		script := `exec ` + line + ` "$0" >"` + results + `/$0"`
		w, err := h.runWhole(h.chain(), []string{"xargs", "-a", list, "-P", sideBySide, "-n", "1", "sh", "-c", script})
		if err != nil {
			return nil, err
		}
		var all strings.Builder
		for _, host := range hosts {
			text, err := os.ReadFile(filepath.Join(results, host))
			if err != nil {
				return nil, err
			}
			all.Write(text)
		}
		return w.traced(h.chain().way, hosts, parseRoutes(all.String()))
	}
}

// traced are the figures of a run that found these routes.
func (w *whole) traced(way []netip.Addr, hosts []string, found routes) (figures, error) {
	hops, all := 0, 0
	for _, host := range hosts {
		there, seen := hopsFound(way, host, found[host])
		hops, all = hops+seen, all+there
	}
	return w.probed(hops, all)
}

// probed are the figures of a run that found so many hops.
func (w *whole) probed(hops, all int) (figures, error) {
	f, err := w.figures(hops, all)
	if err != nil {
		return nil, err
	}
	if w.probes == 0 {
		return nil, errors.New("the kernel has counted no probe")
	}
	f[probeCount] = float64(w.probes)
	f[cpuPerProbe] = float64(w.cpu) / 1e3 / float64(w.probes)
	return f, nil
}

// hopsFound tells how many hops of the way answer, the host at its end among
// them, and how many of those a route has in their places.
func hopsFound(way []netip.Addr, host string, route []netip.Addr) (there, seen int) {
	for i, hop := range way {
		if i == len(way)-1 {
			hop = netip.MustParseAddr(host)
		}
		if !hop.IsValid() {
			continue
		}
		there++
		if i < len(route) && route[i] == hop {
			seen++
		}
	}
	return there, seen
}

// routes are what a program found: of each destination, the address that
// answered at TTL 1, 2 ..., the zero Addr where none did.
type routes map[string][]netip.Addr

// parseRecordRoutes reads connvitals' records: the host, and a line for each hop
// with an address, a tab and a time, or with an asterisk.
func parseRecordRoutes(text string) routes {
	found := make(routes)
	host := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		first, _, isHop := strings.Cut(line, "\t")
		switch {
		case line == "*":
			found[host] = append(found[host], netip.Addr{})
		case isHop:
			hop, _ := netip.ParseAddr(first)
			found[host] = append(found[host], hop)
		default:
			host, _, _ = strings.Cut(line, " ")
		}
	}
	return found
}

// parseRoutes reads what traceroute and scamper print:
//
//	traceroute to 10.98.3.4 (10.98.3.4), 30 hops max, 60 byte packets
//	traceroute from 10.64.0.1 to 10.98.3.4
//	 1  10.64.0.2  0.045 ms
//	 4  *
//
// Of several answers at a TTL the first counts.
func parseRoutes(text string) routes {
	found := make(routes)
	host := ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if words[0] == "traceroute" {
			_, to, _ := strings.Cut(line, " to ")
			host, _, _ = strings.Cut(strings.TrimSpace(to), " ")
			continue
		}
		if ttl, err := strconv.Atoi(words[0]); err == nil && ttl == len(found[host])+1 {
			found[host] = append(found[host], firstAddress(words[1:]))
		}
	}
	return found
}

func firstAddress(words []string) netip.Addr {
	for _, word := range words {
		if a, err := netip.ParseAddr(word); err == nil {
			return a
		}
	}
	return netip.Addr{}
}

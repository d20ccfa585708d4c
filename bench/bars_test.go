// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"slices"
)

// contender is something that is measured: a program at some work.
type contender struct {
	name    string
	shown   string // the command, as the document shows it
	once    bool   // not repeated: it takes long, or repeats by itself
	measure func(*harness) ([]figures, error)
}

// bar is what a figure must reach: by itself, or beside another contender.
type bar struct {
	name          string // for BENCH_ONLY
	work          string
	ours, against string // contenders; against "" is a bar by itself
	metric, unit  string
	digits        int
	limit         limit
}

// repeated adapts a measurement that finds one set of figures.
func repeated(f func(*harness) (figures, error)) func(*harness) ([]figures, error) {
	return func(h *harness) ([]figures, error) {
		found, err := f(h)
		return []figures{found}, err
	}
}

// The contenders that several bars name.
const (
	floorThousand = "floor, 1,000 hosts"
	floorTen      = "floor, 10,000 hosts"
	floorDefaults = "floor, 600 hosts"
	besideTen     = "floor and connmonitor, 10,000 hosts"
	besideJSON    = "floor and connmonitor, 10,000 hosts, JSON"
	besideDefault = "floor and connmonitor, 600 hosts"
	floorRate     = "floor, largest rate"
	jsonTen       = "connmonitor, 10,000 hosts, JSON"
	defaults      = "connmonitor, 600 hosts, defaults"
	idle          = "connmonitor, idle"
	ourRate       = "connmonitor, largest rate"
	busyTen       = "connmonitor, 10,000 hosts, errors, CPUs busy"
	garbageTen    = "connmonitor, 10,000 hosts, errors, reloads"
	memory        = "connmonitor, memory"
	starting      = "connmonitor, start"
)

// costOf and errorOf name the contenders of the comparison with peers.
func costOf(program string, l load) string  { return program + ", " + l.String() }
func errorOf(program string, l load) string { return program + ", " + l.String() + ", errors" }

const us = "connmonitor"

// defaultsRate is what 600 hosts with all defaults come to: ten pings every
// 590 ms. The payload is then 41 bytes.
const (
	defaultsHosts   = 600
	defaultsRate    = 10_169
	defaultsPayload = 41
)

// contenders of the bars, in the order in which each run measures them: those
// that are compared, one after the other.
func contenders() []contender {
	cost := func(l load) string { return "connmonitor --quiet hosts.conf, with: " + l.options() }
	floor := func(hosts, rate, payload int) string {
		return fmt.Sprintf("floor -b 10.99.0.0 -n %d -r %d -p 5000 -s %d -t SECONDS", hosts, rate, payload)
	}
	const both = "the two commands above, at the same time"
	list := []contender{
		{floorTen, floor(10_000, 10_000, payload), false, repeated(floorCost(10_000, 10_000, payload))},
		{costOf(us, tenThousand), cost(tenThousand), false, repeated(ourCost(tenThousand.options(), tenThousand.hosts, "--quiet"))},
		{jsonTen, "connmonitor hosts.conf > /dev/null, with: " + tenThousand.options() + " json=1", false, repeated(ourCost(tenThousand.options()+" json=1", tenThousand.hosts))},
		{floorThousand, floor(1_000, 1_000, payload), false, repeated(floorCost(1_000, 1_000, payload))},
		{costOf(us, thousand), cost(thousand), false, repeated(ourCost(thousand.options(), thousand.hosts, "--quiet"))},
		{floorDefaults, floor(defaultsHosts, defaultsRate, defaultsPayload), false, repeated(floorCost(defaultsHosts, defaultsRate, defaultsPayload))},
		{defaults, "connmonitor --quiet hosts.conf", false, repeated(ourCost("", defaultsHosts, "--quiet"))},
		{besideTen, both, false, repeated(besideFloor(10_000, 10_000, payload, tenThousand.options(), "--quiet"))},
		{besideJSON, both, false, repeated(besideFloor(10_000, 10_000, payload, tenThousand.options()+" json=1"))},
		{besideDefault, both, false, repeated(besideFloor(defaultsHosts, defaultsRate, defaultsPayload, "", "--quiet"))},
		{floorRate, "floor -b 10.128.0.0 -n HOSTS -r HOSTS -p 5000 -t SECONDS", false, repeated(largestRate(floorStep, tryFloor))},
		{ourRate, cost(thousand), false, repeated(largestRate(ourStep, tryOurs))},
		{busyTen, records(tenThousand) + ", beside while :; do :; done on every CPU", false, repeated(ourAccuracy(tenThousand, busy))},
		{garbageTen, records(tenThousand) + ", beside kill -HUP each half second", false, repeated(ourAccuracy(tenThousand, garbage))},
		{starting, cost(load{startHosts, startInterval}), false, repeated(ourStart)},
	}
	list = slices.Concat(list, tracers(), scanners(), rivals())
	return append(list,
		contender{idle, "connmonitor --quiet hosts.conf, with: * ping=1h", true, idleCost},
		contender{memory, cost(memoryLoads[0]) + "; and " + memoryLoads[1].options(), true, ourMemory})
}

func records(l load) string {
	return "connmonitor hosts.conf > records, with: " + l.options() + " json=1 timestamp=0"
}

// rivals are the peers, and connmonitor at the same loads where no bar has it
// already.
func rivals() []contender {
	var list []contender
	for _, l := range []load{thousand, tenThousand, oneAtOnce, twentyAtOnce, hundredAtOnce} {
		list = append(list, contender{errorOf(us, l), records(l), false, repeated(ourAccuracy(l, peace))})
	}
	for _, l := range []load{oneAtOnce, twentyAtOnce, hundredAtOnce} {
		list = append(list, contender{costOf(us, l), "connmonitor --quiet hosts.conf, with: " + l.atOnce(), false, repeated(ourCost(l.atOnce(), 1, "--quiet"))})
	}
	for _, p := range peers {
		for _, l := range p.at() {
			list = append(list,
				contender{costOf(p.name, l), p.shown, false, repeated(peerCost(p, l))},
				contender{errorOf(p.name, l), p.shown, false, repeated(peerAccuracy(p, l))})
		}
	}
	return list
}

// bars are those that the engine is held to.
var bars = []bar{
	{"cost 10,000 quiet", "10,000 hosts, one ping a second, --quiet", costOf(us, tenThousand), floorTen, cpuPerEcho, "CPU us/echo", 2, atMost(1.2)},
	{"cost 10,000 quiet beside", "the same, both at the same time on one CPU", besideTen, "", besideMetric, "x the floor", 2, atMost(1.2)},
	{"cost 10,000 JSON", "10,000 hosts, one ping a second, JSON to /dev/null", jsonTen, floorTen, cpuPerEcho, "CPU us/echo", 2, atMost(1.5)},
	{"cost 10,000 JSON beside", "the same, both at the same time on one CPU", besideJSON, "", besideMetric, "x the floor", 2, atMost(1.5)},
	{"cost 1,000", "1,000 hosts, one ping a second, --quiet", costOf(us, thousand), floorThousand, cpuPerEcho, "CPU us/echo", 2, atMost(1)},
	{"cost 600 defaults", "600 hosts with all defaults, --quiet", defaults, floorDefaults, cpuPerEcho, "CPU us/echo", 2, atMost(1.3)},
	{"cost 600 defaults beside", "the same, both at the same time on one CPU", besideDefault, "", besideMetric, "x the floor", 2, atMost(1.3)},
	{"rate", "one core, one ping a second, none late, lost or unknown", ourRate, floorRate, rateMetric, "most hosts", 0, atLeast(0.85)},
	{"idle", "nothing due: voluntary context switches", idle, "", wakesMetric, "a second", 2, atMost(2)},
	{"error median", "reported RTT against the wire, 10,000/s over 10 ms: median error", errorOf(us, tenThousand), "", medianError, "us", 2, atMost(2)},
	{"error p99", "the same: 99th percentile", errorOf(us, tenThousand), "", tailError, "us", 2, atMost(10)},
	{"error busy", "the same, all CPUs kept busy: 99th percentile", busyTen, "", tailError, "us", 2, atMost(25)},
	{"error garbage", "the same, reloads and their garbage collected: 99th percentile", garbageTen, "", tailError, "us", 2, atMost(10)},
	{"memory 100,000", "100,000 hosts, 10,000/s: RSS", memory, "", residentOf(memoryLoads[0]), "MB", 1, atMost(150)},
	{"memory 100,000 growth", "the same: growth while watched", memory, "", growthOf(memoryLoads[0]), "%", 2, atMost(maxGrowth)},
	{"memory 1,000,000", "1,000,000 hosts, 10,000/s: RSS", memory, "", residentOf(memoryLoads[1]), "MB", 1, atMost(1200)},
	{"memory 1,000,000 growth", "the same: growth while watched", memory, "", growthOf(memoryLoads[1]), "%", 2, atMost(maxGrowth)},
	{"start first", "start of 100,000 hosts: first probe on the wire", starting, "", firstProbe, "s", 3, atMost(1)},
	{"start all", "the same: hosts probed in the first interval", starting, "", probedShare, "%", 2, atLeast(100)},
	{"start even", "the same: fullest 10 ms against its share", starting, "", peakShare, "x", 2, atMost(3)},
}

// maxGrowth is what passes for none: per cent, for pages that come and go with
// the collector's cycles.
const maxGrowth = 1

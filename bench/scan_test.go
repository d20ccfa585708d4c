// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"regexp"
	"strings"
)

// The contenders that scan three services of each host.
const (
	ourScan      = "connvitals, 1,000 hosts scanned"
	ourPingsScan = "connvitals with its pings, 1,000 hosts scanned"
	ourFewScan   = "connvitals, 50 hosts scanned"
	nmapFewScan  = "nmap, 50 hosts scanned"
)

const (
	manyScans   = 1_000
	fewScans    = 50
	scanned     = 3 // services of a host
	ourScanLine = "connvitals -Ps HOST..."
)

// scanners are in the order in which they are compared. nmap is spared what
// is no part of the work: names, and finding out which hosts are up.
func scanners() []contender {
	const nmap = "nmap -n -Pn -sV --version-light -p 80,443,3306 -oG - -iL"
	return []contender{
		{ourFewScan, ourScanLine, false, repeated(scans(fewScans, ours("-Ps"), countRecordServices))},
		{nmapFewScan, nmap + " hosts", false, repeated(scans(fewScans, listed(strings.Fields(nmap)...), countNmapServices))},
		{ourScan, ourScanLine, false, repeated(scans(manyScans, ours("-Ps"), countRecordServices))},
		{ourPingsScan, "connvitals -s HOST...", false, repeated(scans(manyScans, ours("-s"), countRecordServices))},
	}
}

func scanContest() contest {
	complete := complete("all services named")
	return contest{
		"scans",
		[]column{{wallTime, "ms from start to end", 0}, {cpuTime, "CPU ms", 1}, {cpuPerService, "CPU us/service", 0}, {foundShare, "services named %", 1}},
		[]match{
			{"scan 1,000", "1,000 hosts", ourScan, nil, append([]bound{within(1500)}, complete...), nil},
			{"scan pings 1,000", "1,000 hosts, with ten pings to each", ourPingsScan, nil, append([]bound{within(1500)}, complete...), nil},
			{
				"scan 50", "50 hosts", ourFewScan,
				[]string{nmapFewScan},
				append([]bound{{"CPU", cpuPerService, "us/service", 0, nmapFewScan, atMost(1. / 3), false}}, complete...),
				[]duel{faster()},
			},
		},
	}
}

// scans runs a program that scans hosts of the served farm, and counts the
// services that it names.
func scans(count int, line argv, services func(text string) int) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		words, err := line(h, addresses(far, count))
		if err != nil {
			return nil, err
		}
		w, err := h.runWhole(h.served(), words)
		if err != nil {
			return nil, err
		}
		found := services(w.stdout)
		f, err := w.figures(found, scanned*count)
		if err != nil {
			return nil, err
		}
		f[cpuPerService] = float64(w.cpu) / 1e3 / float64(found)
		return f, nil
	}
}

// countRecordServices counts the services in connvitals' records, where a
// service is a time, a comma and what it is; "None" is none.
func countRecordServices(text string) int {
	count := 0
	for line := range strings.Lines(text) {
		for field := range strings.SplitSeq(line, "\t") {
			if strings.Contains(field, ", ") {
				count++
			}
		}
	}
	return count
}

// nmapService is a port in nmap's greppable output of which it could tell name
// and version: number, state, protocol, owner, service, RPC, version.
var nmapService = regexp.MustCompile(`\b\d+/open/tcp//[^/]+//[^/]+/`)

func countNmapServices(text string) int { return len(nmapService.FindAllString(text, -1)) }

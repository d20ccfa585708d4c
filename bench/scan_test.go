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

// scannedService is one of the three, by itself.
type scannedService struct{ name, port string }

func scannedServices() []scannedService {
	return []scannedService{{"http", "80"}, {"https", "443"}, {"mysql", "3306"}}
}

func (s scannedService) ours() string  { return "connvitals, 50 hosts asked for " + s.name }
func (s scannedService) nmaps() string { return "nmap, 50 hosts asked for " + s.name }

// scanners are in the order in which they are compared. nmap is spared what
// is no part of the work: names, and finding out which hosts are up.
func scanners() []contender {
	list := []contender{
		{ourFewScan, ourScanLine, false, repeated(scans(fewScans, scanned, ours("-Ps"), countRecordServices))},
		nmapScan(nmapFewScan, scanned, "80,443,3306"),
		{ourScan, ourScanLine, false, repeated(scans(manyScans, scanned, ours("-Ps"), countRecordServices))},
		{ourPingsScan, "connvitals -s HOST...", false, repeated(scans(manyScans, scanned, ours("-s"), countRecordServices))},
	}
	for _, s := range scannedServices() {
		line := []string{"-P", "--ports", s.name}
		list = append(list,
			contender{s.ours(), "connvitals " + strings.Join(line, " ") + " HOST...", false, repeated(scans(fewScans, 1, ours(line...), countRecordServices))},
			nmapScan(s.nmaps(), 1, s.port))
	}
	return list
}

// nmapScan is nmap at 50 hosts and so many ports of each.
func nmapScan(name string, services int, ports string) contender {
	line := "nmap -n -Pn -sV --version-light -p " + ports + " -oG - -iL"
	return contender{name, line + " hosts", false, repeated(scans(fewScans, services, listed(strings.Fields(line)...), countNmapServices))}
}

func scanContest() contest {
	complete := complete("all services named")
	// third is the CPU of a service that connvitals may need beside nmap.
	third := func(nmap string) []bound {
		return append([]bound{{"CPU", cpuPerService, "us/service", 0, nmap, atMost(1. / 3), false}}, complete...)
	}
	c := contest{
		"scans",
		[]column{{wallTime, "ms from start to end", 0}, {cpuTime, "CPU ms", 1}, {cpuPerService, "CPU us/service", 0}, {foundShare, "services named %", 1}},
		[]match{
			{"scan 1,000", "1,000 hosts", ourScan, nil, append([]bound{within(1500)}, complete...), nil},
			{"scan pings 1,000", "1,000 hosts, with ten pings to each", ourPingsScan, nil, append([]bound{within(1500)}, complete...), nil},
			{"scan 50", "50 hosts", ourFewScan, []string{nmapFewScan}, third(nmapFewScan), []duel{faster()}},
		},
	}
	for _, s := range scannedServices() {
		c.matches = append(c.matches, match{"scan " + s.name, "50 hosts, " + s.name + " alone", s.ours(), []string{s.nmaps()}, third(s.nmaps()), []duel{faster()}})
	}
	return c
}

// scans runs a program that asks hosts of the served farm for so many services
// each, and counts the ones that it names.
func scans(count, each int, line argv, services func(text string) int) func(*harness) (figures, error) {
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
		f, err := w.figures(found, each*count)
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

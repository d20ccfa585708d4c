// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"fmt"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// Traces reports whether what s asks for can be traced: SYNs need raw sockets.
func (a Ability) Traces(s *vitals.Settings) bool {
	return a.Trace && (s.Method != vitals.MethodTCP || a.Info.Kind == rawsock.Raw)
}

// OpensLater reports whether what s asks for opens sockets once it is measured,
// besides those of Open: of Don't Fragment, UDP and TCP probes.
func OpensLater(s *vitals.Settings) bool {
	return s.DF || s.MTU || s.Method != vitals.MethodICMP
}

// Lacks tells, a sentence each, which of the measurements that s asks for are
// not possible, why, and what would help.
func (a Ability) Lacks(s *vitals.Settings) []string {
	switch {
	case !s.Ping && !s.Trace:
		return nil
	case a.Err != nil && !a.Denied:
		return []string{fmt.Sprintf("pings and traces are not possible: %v", a.Err)}
	case a.Err != nil:
		return []string{fmt.Sprintf("pings and traces are not possible without privilege (%v); %s", a.Err, remedy)}
	}
	var lacks []string
	if s.Ping && !a.Ping {
		lacks = append(lacks, "pings are not possible without privilege, traces use UDP; "+remedy)
	}
	if s.Trace && !a.Traces(s) {
		lacks = append(lacks, "traces by TCP are not possible without privilege; "+remedyRaw)
	}
	if s.Trace && s.MTU && !a.Ping {
		lacks = append(lacks, "the path MTU cannot be found without privilege; "+remedy)
	}
	return lacks
}

// remedy names the commands that give the privilege (contract 2.4).
const remedy = remedyRaw + `, ` +
	`or unprivileged pings with "sysctl net.ipv4.ping_group_range='0 2147483647'"`

const remedyRaw = `allow raw sockets with "setcap cap_net_raw+ep" on the program`

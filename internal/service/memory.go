// SPDX-License-Identifier: Apache-2.0

package service

import (
	"strings"

	"connmonitor/internal/vitals"
)

// Memory is what the last scan of a host has found, as far as it takes to tell
// what the next one shows changed: some 80 bytes a service and its certificate,
// a byte for each port of a range. The zero value remembers none.
type Memory struct {
	services []remembered
	ranges   []vitals.PortRange
	known    bool
}

// remembered is one service. What is known of it outlives the times in which it
// is not open: a server that comes back as another has changed.
type remembered struct {
	name               string
	state              vitals.ServiceState
	protocol, software string              // "" until it was open once
	certificate        *vitals.Certificate // nil without one
}

// Record takes a scan into the memory, and puts into the scan what has changed
// since the one before. All scans of a Memory ask the same of the same address. A
// scan that our own side has spoiled is none, and must not be recorded.
//
// What of a service could not be learned is no change: a server that refuses to
// say, TLS that was offered and did not come about. Neither is that a port of a
// range is not open in another way.
func (m *Memory) Record(s *vitals.Scan) {
	before := make(map[string]*remembered, len(m.services))
	for i := range m.services {
		before[m.services[i].name] = &m.services[i]
	}
	services := make([]remembered, 0, len(s.Services))
	var changes []vitals.ServiceChange
	for i := range s.Services {
		got := &s.Services[i]
		if isRange(got) {
			continue
		}
		old := before[got.Name]
		if old == nil {
			old = &remembered{name: got.Name, state: m.stateBefore(got)}
		}
		now := old.learn(got)
		if c, changed := old.change(&now); m.known && changed {
			changes = append(changes, c)
		}
		services = append(services, now)
	}
	if m.known {
		changes = append(changes, m.closed(s.Ranges, before)...)
		s.Changes = changes[:min(len(changes), vitals.MaxChanges)]
	}
	m.services, m.ranges, m.known = services, s.Ranges, true
}

// isRange tells what is said of a range as a whole from one of its ports.
func isRange(s *vitals.Service) bool { return s.Ranged && strings.Contains(s.Name, "-") }

// stateBefore is the state that a service had of which nothing is remembered: a
// port of a range. Any other is as it is.
func (m *Memory) stateBefore(s *vitals.Service) vitals.ServiceState {
	port, err := parsePort(s.Name)
	if !s.Ranged || err != nil {
		return s.State
	}
	for i := range m.ranges {
		r := &m.ranges[i]
		if at := int(port) - int(r.First); at >= 0 && at < len(r.States) {
			return r.States[at]
		}
	}
	return s.State
}

// learn is what is remembered when a service has been found so.
func (o *remembered) learn(s *vitals.Service) remembered {
	now := *o
	now.state = s.State
	refused := s.Reason != "" && s.Software == unknown && o.protocol != ""
	if s.Open() && !refused && (now.protocol != s.Protocol || now.software != s.Software) {
		// A part of what was read would keep all of it in memory.
		now.protocol, now.software = s.Protocol, strings.Clone(s.Software)
	}
	switch {
	case s.TLS != nil && s.TLS.Known():
		if o.certificate == nil || !o.certificate.Same(&s.TLS.Certificate) {
			certificate := s.TLS.Certificate
			now.certificate = &certificate
		}
	case s.Open() && s.Reason == "":
		now.certificate = nil
	}
	return now
}

// change compares what was remembered with what is. What is known for the first
// time has not changed.
func (o *remembered) change(now *remembered) (c vitals.ServiceChange, changed bool) {
	met := o.protocol != ""
	c = vitals.ServiceChange{
		Name:        now.name,
		State:       o.state != now.state,
		Identity:    met && (o.protocol != now.protocol || o.software != now.software),
		Certificate: (met || o.certificate != nil) && o.certificate != now.certificate,
		Before:      o.facts(), After: now.facts(),
	}
	return c, c.State || c.Identity || c.Certificate
}

func (o *remembered) facts() vitals.ServiceFacts {
	f := vitals.ServiceFacts{State: o.state, Protocol: o.protocol, Software: o.software}
	if o.certificate != nil {
		f.Certificate = *o.certificate
	}
	return f
}

// closed are the changes of those ports of ranges that were open, and are not.
func (m *Memory) closed(ranges []vitals.PortRange, before map[string]*remembered) []vitals.ServiceChange {
	var changes []vitals.ServiceChange
	for i := range min(len(ranges), len(m.ranges)) {
		states := m.ranges[i].States
		for at, state := range ranges[i].States[:min(len(ranges[i].States), len(states))] {
			if states[at] != vitals.ServiceOpen || state == vitals.ServiceOpen || len(changes) == vitals.MaxChanges {
				continue
			}
			name := portName(ranges[i].First + uint16(at))
			old := before[name]
			if old == nil {
				old = &remembered{name: name, state: vitals.ServiceOpen}
			}
			now := *old
			now.state = state
			c, _ := old.change(&now)
			changes = append(changes, c)
		}
	}
	return changes
}

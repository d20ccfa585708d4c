// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"connmonitor/internal/config"
	"connmonitor/internal/privilege"
	"connmonitor/internal/vantage"
	"connmonitor/internal/vitals"
)

// drop makes what gives up, once the sockets are open, every privilege that
// this session has no use for any more. It is made of c beforehand, so that it
// does not hold on to it.
func (s *session) drop(c *config.Config) func() error {
	var need privilege.Need
	if s.command.stdin() {
		// Nothing is read again, so the targets stay.
		need.Raw = slices.ContainsFunc(c.Targets, func(t vitals.Target) bool { return vantage.OpensLater(t.Settings) })
	} else {
		need.Raw, need.Read = true, []string{s.command.file}
		if file := s.command.asn.File; file != "" {
			need.Read = append(need.Read, file)
		}
	}
	for _, path := range []string{s.command.log, s.command.err} {
		if path != "" {
			need.Append = append(need.Append, path)
		}
	}
	return func() error { return privilege.Drop(need) }
}

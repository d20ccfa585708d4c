// SPDX-License-Identifier: Apache-2.0

package main

import (
	"connmonitor/internal/config"
	"connmonitor/internal/mmdb"
)

// loadWith is load, which reads the file of AS numbers anew before; one that
// cannot be read by then is an error, and the one before stays.
func (s *session) loadWith(file *mmdb.File) func() (*config.Config, error) {
	if file == nil {
		return s.load
	}
	return func() (*config.Config, error) {
		if err := file.Reload(); err != nil {
			s.log.Error("ASNError", "%v; going on with the one before", err)
		}
		return s.load()
	}
}

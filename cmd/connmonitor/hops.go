// SPDX-License-Identifier: Apache-2.0

package main

import (
	"connmonitor/internal/config"
	"connmonitor/internal/mmdb"
	"connmonitor/internal/resolve"
)

// hops makes what tells more of the hops of traces, as the command line says. The
// file of AS numbers is read anew with the configuration; one that cannot be read
// by then is an error, and the one before stays.
func (s *session) hops() (h *resolve.Hops, reload func(), err error) {
	names, reload := resolve.NewNames(nil, resolve.CacheOptions{}), func() {}
	switch {
	case s.command.asnDNS:
		return resolve.NewHops(names, resolve.NewOrigins(nil, "", resolve.CacheOptions{})), reload, nil
	case s.command.asnDB == "":
		return resolve.NewHops(names, nil), reload, nil
	}
	file, err := mmdb.Open(s.command.asnDB)
	if err != nil {
		return nil, nil, err
	}
	reload = func() {
		if err := file.Reload(); err != nil {
			s.log.Error("ASNError", "%v; going on with the one before", err)
		}
	}
	return resolve.NewHops(names, file), reload, nil
}

// loadAgain is load after reload.
func (s *session) loadAgain(reload func()) func() (*config.Config, error) {
	return func() (*config.Config, error) {
		reload()
		return s.load()
	}
}

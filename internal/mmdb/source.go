// SPDX-License-Identifier: Apache-2.0

package mmdb

import (
	"errors"

	"connmonitor/internal/resolve"
)

// Source is where the programs are told to take AS numbers from: --asn-db and
// --asn. The zero value is nowhere.
type Source struct {
	File string // a path; "": none
	DNS  bool   // the origin TXT scheme, which tells its operator what is looked at
}

// errBoth: one source is enough, and which of two is right nobody knows.
var errBoth = errors.New("AS numbers come from --asn-db or by --asn dns, not both")

// Set takes the value of --asn; any but "dns" is an error.
func (s *Source) Set(text string) error {
	if text != "dns" {
		return errors.New(`must be "dns"; a file of AS numbers is --asn-db FILE`)
	}
	s.DNS = true
	return nil
}

// Check returns an error when both are named.
func (s *Source) Check() error {
	if s.File != "" && s.DNS {
		return errBoth
	}
	return nil
}

// Hops makes what tells more of the hops of traces: their reverse names, and the
// AS numbers from here. file is what they are read from, to be reloaded; nil where
// it is no file. The error says why the file cannot be read.
func (s *Source) Hops() (hops *resolve.Hops, file *File, err error) {
	names := resolve.NewNames(nil, resolve.CacheOptions{})
	switch {
	case s.DNS:
		return resolve.NewHops(names, resolve.NewOrigins(nil, "", resolve.CacheOptions{})), nil, nil
	case s.File == "":
		return resolve.NewHops(names, nil), nil, nil
	}
	if file, err = Open(s.File); err != nil {
		return nil, nil, err
	}
	return resolve.NewHops(names, file), file, nil
}

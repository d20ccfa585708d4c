// SPDX-License-Identifier: Apache-2.0

// Package mmdb finds the autonomous system of an address in a file of the
// MaxMind DB format (version 2 of its specification), which several publishers
// use for it: as GeoLite2-ASN does, with autonomous_system_number and
// autonomous_system_organization, and as IPinfo does, with asn, as_name (or
// name) and as_domain (or domain).
//
// The format is the library's, which is why the room is as high as one must be
// for a dependency. The file is an administrator's, yet it may be damaged, cut
// off, of another kind, or replaced and overwritten at any time. So it is read
// into memory as a whole: of a mapped file, a page that was cut off ends the
// process with SIGBUS. What a wrong one costs is an error, and the file before
// stays in use.
package mmdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/oschwald/maxminddb-golang/v2"

	"connmonitor/internal/resolve"
)

// maxSize bounds the file, in bytes, because it is kept in memory. The files of
// AS numbers alone have about 10 MB, those with countries and more up to 100.
const maxSize = 512 << 20

// maxSearched bounds how many networks are looked at for one with an AS. Of a
// sound file it is among the first.
const maxSearched = 100_000

var errChanged = errors.New("it changed while it was read; put the new file beside it and rename it")

// File is an open file. Its methods may be called from any goroutine.
type File struct {
	path   string
	reader atomic.Pointer[maxminddb.Reader]
	faults atomic.Uint64
}

// Open reads a file. The error names it, and says what is wrong with it.
func Open(path string) (*File, error) {
	f := &File{path: path}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the file again, by its path. After an error the file as it was
// read before stays in use.
func (f *File) Reload() error {
	content, err := read(f.path)
	if err != nil {
		return fmt.Errorf("AS number file %w", err)
	}
	reader, err := open(content)
	if err != nil {
		return fmt.Errorf("AS number file %q: %w", f.path, err)
	}
	f.reader.Store(reader)
	return nil
}

// Lookup returns the autonomous system of an address, the zero AS when the file
// has none. It is always known, and nothing is asked.
func (f *File) Lookup(addr netip.Addr) (as resolve.AS, known bool) {
	as, err := lookUp(f.reader.Load(), addr.Unmap().WithZone(""))
	if err != nil {
		f.faults.Add(1)
	}
	return as, true
}

// Wait returns at once: Lookup knows all that the file says.
func (f *File) Wait(context.Context, []netip.Addr) error { return nil }

// Faults returns how many look-ups met a part of the file that is damaged.
func (f *File) Faults() uint64 { return f.faults.Load() }

// read returns the whole file. It does not wait for who writes into a pipe.
func read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, naming(path, err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	before, err := file.Stat()
	if err != nil {
		return nil, naming(path, err)
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%q: not a regular file", path)
	}
	if before.Size() > maxSize {
		return nil, fmt.Errorf("%q: larger than %d MiB", path, maxSize>>20)
	}
	content := make([]byte, before.Size())
	if _, err := io.ReadFull(file, content); err != nil {
		return nil, fmt.Errorf("%q: %w", path, errChanged)
	}
	after, err := file.Stat()
	if err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, fmt.Errorf("%q: %w", path, errChanged)
	}
	return content, nil
}

// naming is the error of a system call with the path quoted, which may hold
// anything.
func naming(path string, err error) error {
	if fault, ok := errors.AsType[*os.PathError](err); ok {
		err = fault.Err
	}
	return fmt.Errorf("%q: %w", path, err)
}

// open makes a reader of the content of a file that has AS numbers.
func open(content []byte) (reader *maxminddb.Reader, err error) {
	defer recovered(&err)
	// The cache of strings would hold 72 KiB and more for what is asked for
	// once a hop.
	reader, err = maxminddb.OpenBytes(content, maxminddb.DisableStringCache())
	if err != nil {
		return nil, fmt.Errorf("not an MMDB file, or damaged: %w", err)
	}
	searched := 0
	// Those without data too: a damaged tree can have any number of them.
	for result := range reader.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if searched++; searched > maxSearched {
			break
		}
		if as, err := decode(result); err == nil && as.Number != 0 {
			return reader, nil
		}
	}
	return nil, fmt.Errorf("no AS numbers in it, its type is %q; a file like GeoLite2-ASN or IPinfo Lite has them",
		reader.Metadata.DatabaseType)
}

// recovered turns a panic of the library into an error: no content of a file may
// end the process.
func recovered(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("damaged: %v", fault)
	}
}

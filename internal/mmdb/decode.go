// SPDX-License-Identifier: Apache-2.0

package mmdb

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"connmonitor/internal/resolve"
)

// How the publishers call what is looked for, the usual name first. MaxMind's
// and DB-IP's files have the first number, IPinfo's and IPLocate's the second.
var (
	numberKeys = []string{"autonomous_system_number", "asn"}
	nameKeys   = []string{"autonomous_system_organization", "as_name", "name", "org", "as_domain", "domain"}
)

// lookUp finds the AS of an address.
func lookUp(reader *maxminddb.Reader, addr netip.Addr) (as resolve.AS, err error) {
	defer recovered(&err)
	if !addr.IsValid() || addr.Is6() && reader.Metadata.IPVersion == 4 {
		return resolve.AS{}, nil
	}
	result := reader.Lookup(addr)
	if !result.Found() {
		return resolve.AS{}, result.Err()
	}
	return decode(result)
}

// decode reads the record of a network, the zero AS when it has no number.
func decode(result maxminddb.Result) (resolve.AS, error) {
	for _, key := range numberKeys {
		number, err := number(result, key)
		if err != nil {
			return resolve.AS{}, err
		}
		if number != 0 {
			return resolve.NewAS(number, name(result), result.Prefix()), nil
		}
	}
	return resolve.AS{}, nil
}

// number reads an AS number that is an integer or text as "AS64500" or "64500";
// 0 when there is none, or one that is no AS's (RFC 7607, RFC 7300).
func number(result maxminddb.Result, key string) (uint32, error) {
	var number uint64
	err := result.DecodePath(&number, key)
	if mistyped(err) {
		var text string
		if err = result.DecodePath(&text, key); mistyped(err) {
			return 0, nil // something else by that name
		}
		number = parse(text)
	}
	if err != nil || number >= math.MaxUint32 {
		return 0, err
	}
	return uint32(number), nil
}

// parse reads the number of "AS64500", 0 where there is none.
func parse(text string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(text), "AS"), 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// mistyped tells a value of another type than was asked for from damage.
func mistyped(err error) bool {
	_, is := errors.AsType[maxminddb.UnmarshalTypeError](err)
	return is
}

// name reads what the AS is called; "" where nothing says it.
func name(result maxminddb.Result) string {
	for _, key := range nameKeys {
		var text string
		if err := result.DecodePath(&text, key); err == nil && text != "" {
			return text
		}
	}
	return ""
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// ParseDuration reads a time as options hold it: a number of milliseconds that
// may have a fraction, or a number with a unit (us, ms, s, m, h); 0 to 100
// years.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

// ParseRate reads a number of probes a second, more than 0, that may have a
// fraction.
func ParseRate(text string) (perSecond float64, err error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return 0, errors.New("must be a number of probes a second, more than 0")
	}
	return v, nil
}

// ParseHost reads one host: an address, which it returns, or a host name, for
// which it returns the zero Addr. An error says what is wrong with either.
func ParseHost(text string) (netip.Addr, error) {
	h, err := parseHost(text)
	if err == nil && h.span.count > 0 {
		err = fmt.Errorf("is a range of addresses, where one host is wanted")
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("host %s %w", quote(text), err)
	}
	return h.addr, nil
}

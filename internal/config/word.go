// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"time"
)

// ParseDuration reads a time as options hold it: a number of milliseconds that
// may have a fraction, or a number with a unit (us, ms, s, m, h); 0 to 100
// years.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

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

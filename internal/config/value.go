// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"connmonitor/internal/vitals"
)

// maxInterface is the length of the longest name of a Linux interface
// (IFNAMSIZ without the final NUL).
const maxInterface = 15

// setPause sets a measurement's pause and switches it on, or off when the
// pause is 0.
func setPause(on *bool, p *time.Duration, v string) error {
	err := setDuration(p, v)
	*on = *p > 0
	return err
}

// setDuration sets a time; *p is left alone on an error.
func setDuration(p *time.Duration, v string) error {
	d, err := parseDuration(v)
	if err != nil {
		return err
	}
	*p = d
	return nil
}

func setPositive(p *time.Duration, v string) error {
	d, err := parseDuration(v)
	if err == nil && d == 0 {
		return fmt.Errorf("%s is not greater than 0", quote(v))
	}
	if err == nil {
		*p = d
	}
	return err
}

// parseDuration reads a time: a number of milliseconds that may have a
// fraction, or a number with a unit. It is at least 0 and at most 100 years,
// and a time that is not 0 is at least 1 ns.
func parseDuration(v string) (time.Duration, error) {
	number := strings.TrimRightFunc(v, unicode.IsLetter)
	unit, known := unitOf(v[len(number):])
	n, ok := parseNumber(number)
	switch {
	case !ok || !known:
		return 0, fmt.Errorf("%s is not a time; write milliseconds (500, 0.5) or a number with a unit (500us, 500ms, 1.5s, 2m, 1h)", quote(v))
	case n < 0:
		return 0, fmt.Errorf("%s is less than 0", quote(v))
	case n > float64(maxDuration)/float64(unit):
		return 0, fmt.Errorf("%s is more than 100 years", quote(v))
	case n == 0:
		return 0, nil
	}
	// The product may round up to a hair above the limit, and down to 0.
	return min(max(time.Duration(math.Round(n*float64(unit))), 1), maxDuration), nil
}

func unitOf(s string) (time.Duration, bool) {
	switch s {
	case "us", "µs", "μs":
		return time.Microsecond, true
	case "", "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	}
	return 0, false
}

// parseNumber reads a decimal number, with an exponent if need be. It knows
// neither NaN nor infinities; what is too large is math.MaxFloat64.
func parseNumber(s string) (float64, bool) {
	if strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false // what strconv would take: hexadecimal, inf, nan
	}
	n, err := strconv.ParseFloat(s, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.Copysign(math.MaxFloat64, n), true
	}
	return n, err == nil
}

// parseInteger reads a decimal integer; what is too large for an int64 is the
// nearest one.
func parseInteger(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

func setInteger(p *int, v string, least, most int) error {
	n, ok := parseInteger(v)
	switch {
	case !ok:
		return fmt.Errorf("%s is not an integer", quote(v))
	case n < int64(least):
		return fmt.Errorf("%s is less than %d", quote(v), least)
	case n > int64(most):
		return fmt.Errorf("%s is more than %d", quote(v), most)
	}
	*p = int(n)
	return nil
}

// setSmall is setInteger for the narrow fields; most fits in T.
func setSmall[T uint8 | uint16](p *T, v string, least, most int) error {
	var n int
	if err := setInteger(&n, v, least, most); err != nil {
		return err
	}
	*p = T(n)
	return nil
}

// setBool takes True, False, and any integer, of which 0 alone is false.
func setBool(p *bool, v string) error {
	n, ok := parseInteger(v)
	switch {
	case ok:
		*p = n != 0
	case equalFold(v, "true"):
		*p = true
	case equalFold(v, "false"):
		*p = false
	default:
		return fmt.Errorf("%s is not True, False or an integer", quote(v))
	}
	return nil
}

func setPercent(p *float64, v string) error {
	n, ok := parseNumber(v)
	if !ok || n < 0 || n > 100 {
		return fmt.Errorf("%s is not a percentage from 0 to 100", quote(v))
	}
	*p = math.Abs(n) // -0 is 0
	return nil
}

func setFamily(l *line, v string) error {
	both := false
	switch {
	case v == "4":
		l.Family = vitals.Family4
	case v == "6":
		l.Family = vitals.Family6
	case equalFold(v, "any"):
		l.Family = vitals.FamilyAny
	case equalFold(v, "both"):
		l.Family, both = vitals.FamilyAny, true
	default:
		return fmt.Errorf("%s is not 4, 6, any or both", quote(v))
	}
	l.both = both
	return nil
}

func setMethod(l *line, v string) (err error) {
	l.Method, err = ParseMethod(v)
	return err
}

// ParseMethod reads how a trace probes: icmp, udp or tcp, in any case.
func ParseMethod(v string) (vitals.Method, error) {
	switch {
	case equalFold(v, "icmp"):
		return vitals.MethodICMP, nil
	case equalFold(v, "udp"):
		return vitals.MethodUDP, nil
	case equalFold(v, "tcp"):
		return vitals.MethodTCP, nil
	}
	return 0, fmt.Errorf("%s is not icmp, udp or tcp", quote(v))
}

func setID(l *line, v string) error {
	if !printable(v) {
		return fmt.Errorf("%s holds a character that cannot be printed", quote(v))
	}
	l.id = strings.Clone(v)
	return nil
}

// setSource takes an address that probes can leave from, or the name of an
// interface.
func setSource(l *line, v string) error {
	a, err := netip.ParseAddr(v)
	switch {
	case err == nil:
		err = checkAddr(a)
		if err == nil {
			err = checkZone(a)
		}
		if err != nil {
			return fmt.Errorf("%s %w", quote(v), err)
		}
	case strings.Trim(v, "0123456789.") == "" || strings.Contains(v, ":"):
		return fmt.Errorf("%s is not an address", quote(v))
	case !isInterface(v):
		return fmt.Errorf("%s is neither an address nor the name of an interface (at most %d characters)", quote(v), maxInterface)
	}
	l.Source = strings.Clone(v)
	return nil
}

// isInterface reports whether the kernel would accept name for an interface
// (dev_valid_name in net/core/dev.c); unprintable names are left out, too.
func isInterface(name string) bool {
	return name != "" && len(name) <= maxInterface && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/: ") && printable(name)
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// payload is what every program puts behind the ICMP header, in bytes, unless
// a row is about its defaults: 56 is what most of them do by themselves.
const payload = 56

// load is the work of a prober: each of some hosts is asked once an interval.
type load struct {
	hosts    int
	interval time.Duration
}

var (
	thousand    = load{1_000, time.Second}
	tenThousand = load{10_000, time.Second}
	// What sends all in one burst an interval is compared with connmonitor
	// when that sends as many at once.
	oneAtOnce     = load{1, 100 * time.Millisecond}
	twentyAtOnce  = load{20, 100 * time.Millisecond}
	hundredAtOnce = load{100, 100 * time.Millisecond}
)

// rate is requests a second.
func (l load) rate() int { return int(float64(l.hosts) / l.interval.Seconds()) }

func (l load) String() string {
	hosts := number(float64(l.hosts), 0)
	if l.interval == time.Second {
		return hosts + " hosts, 1/s"
	}
	return fmt.Sprintf("%s at once, every %v", hosts, l.interval)
}

// options is the line of a configuration that makes connmonitor do it.
func (l load) options() string {
	return fmt.Sprintf("* ping=%d numpings=1 payload=%d", l.interval.Milliseconds(), payload)
}

// atOnce is the line that makes connmonitor send as many requests at the same
// moments, to one host: several it would spread.
func (l load) atOnce() string {
	return fmt.Sprintf("* ping=%d numpings=%d interval=0 payload=%d", l.interval.Milliseconds(), l.hosts, payload)
}

// configuration writes a configuration: the options of all, and a line for each
// address.
func (h *harness) configuration(options, first string, hosts int) (string, error) {
	text := strings.Join(addresses(first, hosts), "\n") + "\n"
	if options != "" {
		text = options + "\n" + text
	}
	return h.file("hosts.conf", text)
}

// list writes the addresses, one a line, for the programs that read such a file.
func (h *harness) list(first string, hosts int) (string, error) {
	return h.file("hosts", strings.Join(addresses(first, hosts), "\n")+"\n")
}

// startOurs starts connmonitor on a configuration.
func (h *harness) startOurs(c command, options, first string, hosts int, flags ...string) (*process, error) {
	path, err := h.configuration(options, first, hosts)
	if err != nil {
		return nil, err
	}
	c.name, c.args = h.connmonitor, append(flags, path)
	return start(c)
}

// startFloor starts the floor program for longer than it will be watched.
func (h *harness) startFloor(c command, first string, hosts, rate, payload int, seconds float64) (*process, error) {
	c.name = h.floor
	c.args = []string{
		"-b", first, "-n", strconv.Itoa(hosts), "-r", strconv.Itoa(rate), "-p", "5000",
		"-s", strconv.Itoa(payload), "-t", strconv.FormatFloat(seconds, 'f', 1, 64),
	}
	return start(c)
}

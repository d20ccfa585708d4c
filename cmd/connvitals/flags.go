// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"connmonitor/internal/config"
	"connmonitor/internal/mmdb"
	"connmonitor/internal/service"
	"connmonitor/internal/vitals"
)

const usage = `usage: connvitals [options] host...

Measures the network conditions towards each host once.

  -h, --help            show this and exit
  -V, --version         show the version and exit
  -p, --pings N         pings to each host (10)
  -P, --no-ping         no pings
      --payload-size N  payload bytes of each ping (41)
      --interval TIME   between two pings (the smaller of 10 ms and 100 ms / N)
  -t, --trace           trace the route
  -H, --hops N          most hops of a trace (30)
      --method METHOD   trace by icmp, udp or tcp (icmp)
      --port N          port of UDP and TCP probes (33434, 443)
      --flows N         flows that a trace follows (1)
      --mtu             find the path MTU, and which hop limits it
  -s, --port-scan       ask http, https and mysql
      --ports LIST      ask these: NAME, PORT, PORT/NAME, FROM-TO, by commas
      --scan-parallel N most sockets of scans at once (512)
  -j, --json            print JSON
      --details         all that is known of routes and services
      --asn-db FILE     AS numbers of hops, for --details, from an MMDB file
      --asn dns         the same by DNS: it tells others which networks are seen
  -4, -6                use IPv4, or IPv6, addresses of names only
      --timeout TIME    how long a ping, a hop or a service may take (1000)
      --source SOURCE   address or interface that probes leave by
      --rate PPS        most probes a second in all (10000)

TIME is a number of milliseconds, or has a unit: 500ms, 1.5s, 2m.
See connvitals(1).
`

// command is what the command line asks for.
type command struct {
	settings vitals.Settings
	hosts    []string
	rate     float64
	scans    int // most sockets of scans; 0: the default
	asn      mmdb.Source
	interval time.Duration
	ipv4     bool
	ipv6     bool
	help     bool
	version  bool
}

// errUsage is what a usage error wraps; it means exit status 2.
var errUsage = errors.New("see connvitals --help")

// option is one option of the command line. The standard flag package knows
// neither combined short options (-stp 100) nor the difference of - and --.
type option struct {
	short byte
	long  string
	set   func(c *command, value string) error // nil when it takes no value
	flag  func(c *command)
}

func options() []option {
	return []option{
		{short: 'h', long: "help", flag: func(c *command) { c.help = true }},
		{short: 'V', long: "version", flag: func(c *command) { c.version = true }},
		{short: 'P', long: "no-ping", flag: func(c *command) { c.settings.Ping = false }},
		{short: 't', long: "trace", flag: func(c *command) { c.settings.Trace = true }},
		{short: 's', long: "port-scan", flag: func(c *command) { c.settings.Scan = true }},
		{short: 'j', long: "json", flag: func(c *command) { c.settings.JSON = true }},
		{long: "details", flag: func(c *command) { c.settings.Details = true }},
		{long: "mtu", flag: func(c *command) {
			c.settings.Trace, c.settings.MTU, c.settings.Details = true, true, true
		}},
		{short: '4', flag: func(c *command) { c.ipv4, c.settings.Family = true, vitals.Family4 }},
		{short: '6', flag: func(c *command) { c.ipv6, c.settings.Family = true, vitals.Family6 }},
		{short: 'H', long: "hops", set: func(c *command, v string) (err error) {
			c.settings.Hops, err = integer(v, math.MaxInt32)
			c.settings.Hops = min(c.settings.Hops, 255)
			return err
		}},
		{long: "method", set: func(c *command, v string) (err error) {
			c.settings.Trace = true
			c.settings.Method, err = config.ParseMethod(v)
			return err
		}},
		{long: "port", set: func(c *command, v string) error {
			port, err := integer(v, math.MaxUint16)
			c.settings.Trace, c.settings.Port = true, uint16(port)
			return err
		}},
		{long: "flows", set: func(c *command, v string) (err error) {
			c.settings.Trace = true
			c.settings.Flows, err = integer(v, 64)
			return err
		}},
		{long: "asn-db", set: func(c *command, v string) error {
			c.asn.File = v
			return nil
		}},
		{long: "asn", set: func(c *command, v string) error { return c.asn.Set(v) }},
		{short: 'p', long: "pings", set: func(c *command, v string) (err error) {
			c.settings.NumPings, err = integer(v, 65535)
			return err
		}},
		{long: "payload-size", set: func(c *command, v string) (err error) {
			c.settings.Payload, err = integer(v, 65507)
			return err
		}},
		{long: "interval", set: func(c *command, v string) (err error) {
			c.interval, err = config.ParseDuration(v)
			return err
		}},
		{long: "timeout", set: func(c *command, v string) (err error) {
			if c.settings.Timeout, err = config.ParseDuration(v); err == nil && c.settings.Timeout <= 0 {
				err = errors.New("must be more than 0")
			}
			return err
		}},
		{long: "ports", set: func(c *command, v string) (err error) {
			c.settings.Scan = true
			c.settings.Ports, err = config.ParsePorts(v)
			return err
		}},
		{long: "scan-parallel", set: func(c *command, v string) (err error) {
			c.scans, err = service.ParseParallel(v)
			return err
		}},
		{long: "source", set: func(c *command, v string) error {
			c.settings.Source = v
			return nil
		}},
		{long: "rate", set: func(c *command, v string) (err error) {
			c.rate, err = config.ParseRate(v)
			return err
		}},
	}
}

// parse reads the command line. Options and hosts may be mixed; "--" ends the
// options.
func parse(args []string) (*command, error) {
	c := &command{rate: 10_000, interval: -1, settings: vitals.Settings{
		Form: vitals.Bundled, Ping: true, NumPings: 10, Payload: 41, Hops: 30, Timeout: time.Second, Flows: 1,
	}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			c.hosts = append(c.hosts, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			args, err = c.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = c.shorts(arg[1:], args)
		default:
			c.hosts = append(c.hosts, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, c.complete()
}

// complete checks what only the whole command line tells.
func (c *command) complete() error {
	s := &c.settings
	s.Interval = c.interval
	if c.interval < 0 {
		s.Interval = vitals.DefaultInterval(s.NumPings)
	}
	switch {
	case c.help || c.version:
		return nil
	case len(c.hosts) == 0:
		return fmt.Errorf("no host given: %w", errUsage)
	case c.ipv4 && c.ipv6:
		return fmt.Errorf("-4 and -6 exclude each other: %w", errUsage)
	case !s.Ping && !s.Trace && !s.Scan:
		return fmt.Errorf("nothing to measure: --no-ping without --trace or --port-scan: %w", errUsage)
	}
	if err := c.asn.Check(); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	return nil
}

// long takes --name, --name=value or --name value.
func (c *command) long(text string, rest []string) ([]string, error) {
	name, value, has := strings.Cut(text, "=")
	for _, o := range options() {
		if o.long == "" || o.long != name {
			continue
		}
		if o.set == nil {
			if has {
				return nil, fmt.Errorf("option --%s takes no value: %w", name, errUsage)
			}
			o.flag(c)
			return rest, nil
		}
		if !has {
			if len(rest) == 0 {
				return nil, fmt.Errorf("option --%s needs a value: %w", name, errUsage)
			}
			value, rest = rest[0], rest[1:]
		}
		return rest, c.assign("--"+name, value, o.set)
	}
	return nil, fmt.Errorf("unknown option %q: %w", "--"+name, errUsage)
}

// shorts takes combined short options; what follows one that takes a value is
// its value.
func (c *command) shorts(text string, rest []string) ([]string, error) {
	for i := 0; i < len(text); i++ {
		o, ok := shortOption(text[i])
		if !ok {
			return nil, fmt.Errorf("unknown option %q: %w", "-"+text[i:i+1], errUsage)
		}
		if o.set == nil {
			o.flag(c)
			continue
		}
		value := text[i+1:]
		if value == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("option -%c needs a value: %w", text[i], errUsage)
			}
			value, rest = rest[0], rest[1:]
		}
		return rest, c.assign("-"+text[i:i+1], value, o.set)
	}
	return rest, nil
}

func shortOption(c byte) (option, bool) {
	for _, o := range options() {
		if o.short != 0 && o.short == c {
			return o, true
		}
	}
	return option{}, false
}

func (c *command) assign(name, value string, set func(*command, string) error) error {
	if err := set(c, value); err != nil {
		return fmt.Errorf("option %s: %q: %w (%w)", name, value, err, errUsage)
	}
	return nil
}

// integer reads a number from 1 to most.
func integer(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("must be an integer from 1 to %d", most)
	}
	return n, nil
}

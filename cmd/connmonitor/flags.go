// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"connmonitor/internal/config"
	"connmonitor/internal/mmdb"
	"connmonitor/internal/service"
)

const usage = `usage: connmonitor [flags] [FILE]

Watches the network conditions towards the hosts that FILE names, for ever. The
configuration is read from standard input when FILE is absent or -.

  -v, -V, --version  show the version and exit
  -h, --help         show this and exit
      --check        show what the configuration means, and the load, and exit
      --quiet        do not print records
      --rate PPS     most probes a second of the whole process (no limit)
      --log FILE     append records to FILE in place of standard output
      --err FILE     append errors to FILE in place of standard error
      --scan-parallel N
                     most sockets of scans at once (512)
      --asn-db FILE  AS numbers of hops, for details=1, from an MMDB file
      --asn dns      the same by DNS: it tells others which networks are seen

SIGHUP reads FILE again, SIGTERM and SIGINT finish what is running and exit,
SIGUSR1 opens the files of --log and --err again.
See connmonitor(8) and connmonitor.conf(5).
`

// command is what the command line asks for.
type command struct {
	file    string // "" and "-": standard input
	log     string
	err     string
	asn     mmdb.Source
	rate    float64 // 0: no cap
	scans   int     // most sockets of scans; 0: the default
	quiet   bool
	check   bool
	help    bool
	version bool
}

// errUsage is what a usage error wraps; it means exit status 2.
var errUsage = errors.New("see connmonitor --help")

// parse reads the command line; flags may stand before and behind FILE.
func parse(args []string) (*command, error) {
	c := &command{}
	f := flag.NewFlagSet("connmonitor", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for _, name := range []string{"v", "V", "version"} {
		f.BoolVar(&c.version, name, false, "")
	}
	for _, name := range []string{"h", "help"} {
		f.BoolVar(&c.help, name, false, "")
	}
	f.BoolVar(&c.check, "check", false, "")
	f.BoolVar(&c.quiet, "quiet", false, "")
	f.StringVar(&c.log, "log", "", "")
	f.StringVar(&c.err, "err", "", "")
	f.StringVar(&c.asn.File, "asn-db", "", "")
	f.Func("asn", "", c.asn.Set)
	f.Func("rate", "", func(text string) (err error) {
		c.rate, err = config.ParseRate(text)
		return err
	})
	f.Func("scan-parallel", "", func(text string) (err error) {
		c.scans, err = service.ParseParallel(text)
		return err
	})
	var files []string
	for rest := args; ; {
		if err := f.Parse(rest); err != nil {
			return nil, fmt.Errorf("%w (%w)", err, errUsage)
		}
		if rest = f.Args(); len(rest) == 0 {
			break
		}
		files, rest = append(files, rest[0]), rest[1:]
	}
	if err := c.asn.Check(); err != nil {
		return nil, fmt.Errorf("%w (%w)", err, errUsage)
	}
	if len(files) > 1 {
		return nil, fmt.Errorf("one FILE is wanted, not %d (%w)", len(files), errUsage)
	}
	if len(files) == 1 {
		c.file = files[0]
	}
	return c, nil
}

// stdin reports whether the configuration comes from standard input.
func (c *command) stdin() bool { return c.file == "" || c.file == "-" }

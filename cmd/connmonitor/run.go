// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"connmonitor/internal/config"
	"connmonitor/internal/monitor"
	"connmonitor/internal/prober"
	"connmonitor/internal/report"
	"connmonitor/internal/supervisor"
)

// Exit statuses (contract 1.1).
const (
	exitGood  = 0
	exitError = 1 // starting again would not help
	exitUsage = 2
	// exitFault is of what is no fault of the user's; starting again may help
	// (EX_SOFTWARE of sysexits.h).
	exitFault = 70
)

// process is what run has of the operating system, so that tests can give it
// another.
type process struct {
	stdin          io.Reader
	stdout, stderr *os.File
	getenv         func(string) string
	signals        <-chan os.Signal
	exit           func(status int) // at once: a second SIGTERM or SIGINT
}

// run is connmonitor: it returns the exit status.
func run(args []string, p process) int {
	c, err := parse(args)
	switch {
	case err != nil:
		_, _ = fmt.Fprintf(p.stderr, "connmonitor: %v\n", err)
		return exitUsage
	case c.help:
		_, _ = io.WriteString(p.stdout, usage)
		return exitGood
	case c.version:
		_, _ = fmt.Fprintf(p.stdout, "connmonitor Version %s\n", version)
		return exitGood
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	sig := handleSignals(p, stop)
	defer sig.end()
	s, err := until(ctx, func() (*session, error) { return open(c, p) })
	switch {
	case err != nil:
		report.NewLog(p.stderr, report.Colour(p.stderr, p.getenv)).Error("OutputError", "%v", err)
		return statusOfOpen(err)
	case s == nil:
		return exitGood // ended while a file was being opened: a pipe without a reader
	}
	return s.finish(s.run(ctx, sig))
}

// statusOfOpen tells a file that cannot be opened, which is for the user to mend,
// from a file system that cannot be written to now.
func statusOfOpen(err error) int {
	for _, passing := range []error{
		syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.ENFILE, syscall.ENOMEM,
	} {
		if errors.Is(err, passing) {
			return exitFault
		}
	}
	return exitError
}

// until is what f returns, or nothing when ctx ends before that: what f still
// waits for is left to the end of the process.
func until[T any](ctx context.Context, f func() (*T, error)) (*T, error) {
	type result struct {
		value *T
		err   error
	}
	returned := make(chan result, 1)
	go func() {
		v, err := f()
		returned <- result{v, err}
	}()
	select {
	case r := <-returned:
		return r.value, r.err
	case <-ctx.Done():
		return nil, nil
	}
}

// session is one run of the program with its files open.
type session struct {
	command *command
	process process
	log     *report.Log
	output  *report.Output
	errors  *report.Output     // behind log, so that no loop waits for its reader
	ended   <-chan struct{}    // errors has written all
	end     context.CancelFunc // of errors
	files   []*report.LogFile  // to be reopened on SIGUSR1
	// supervisor is who has started a monitor; --check has nothing to tell it.
	supervisor *supervisor.Supervisor
}

// open opens what records and errors are written to.
func open(c *command, p process) (*session, error) {
	s := &session{command: c, process: p, supervisor: &supervisor.Supervisor{}}
	var errors io.Writer = p.stderr
	colour := report.Colour(p.stderr, p.getenv)
	if c.err != "" {
		f, err := s.file(c.err)
		if err != nil {
			return nil, err
		}
		errors, colour = f, false
	}
	s.errors = report.NewOutput(errors, nil, report.Options{Name: "standard error", Limit: 1 << 20, Drain: time.Second, RealTime: true})
	s.log = report.NewLog(s.errors, colour)
	var records io.Writer = p.stdout
	if c.log != "" {
		f, err := s.file(c.log)
		if err != nil {
			return nil, err
		}
		records = f
	}
	name := "standard output"
	if c.log != "" {
		name = c.log
	}
	if !c.quiet {
		s.output = report.NewOutput(records, s.log, report.Options{Name: name, RealTime: true})
	}
	s.runErrors()
	if !c.check {
		s.supervisor = supervisor.New(s.notified)
	}
	return s, nil
}

func (s *session) file(path string) (*report.LogFile, error) {
	f, err := report.OpenFile(path)
	if err == nil {
		s.files = append(s.files, f)
	}
	return f, err
}

func (s *session) runErrors() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.end, s.ended = cancel, done
	go func() {
		defer close(done)
		_ = s.errors.Run(ctx) // when nobody reads the errors there is nobody to tell
	}()
}

// finish writes what the log still has to say.
func (s *session) finish(status int) int {
	s.supervisor.Flush(notifyMost)
	s.log.Flush()
	s.end()
	<-s.ended
	for _, f := range s.files {
		_ = f.Close()
	}
	return status
}

// run does what the command line asks for, until ctx is cancelled.
func (s *session) run(ctx context.Context, sig *signals) int {
	go s.reopenOn(sig)
	c, err := until(ctx, s.load) // a standard input may never end
	switch {
	case err != nil:
		s.logLoad(err)
		return exitError
	case c == nil:
		return exitGood // ended before there was anything to measure
	case s.command.check:
		return s.check(c)
	}
	return s.monitor(ctx, c, sig.reload)
}

// load reads the configuration.
func (s *session) load() (*config.Config, error) {
	if s.command.stdin() {
		return config.Read(s.process.stdin, "standard input")
	}
	f, err := os.Open(s.command.file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return config.Read(f, s.command.file)
}

func (s *session) logLoad(err error) {
	s.supervisor.Status(notStarted(err))
	if invalid, ok := errors.AsType[*config.ErrorList](err); ok {
		monitor.LogInvalid(s.log, invalid)
		return
	}
	s.log.Error("ConfigError", "%v", err)
}

// check is --check: what was understood, and the load that it means.
func (s *session) check(c *config.Config) int {
	c.ScanParallel = s.command.scans
	if err := c.Table(s.process.stdout); err != nil {
		s.log.Error("OutputError", "%v", err)
		return exitError
	}
	if len(c.Targets) == 0 {
		s.log.Error("ConfigError", "the configuration names no host")
		return exitError
	}
	return exitGood
}

func (s *session) monitor(ctx context.Context, c *config.Config, reload <-chan struct{}) int {
	n := &notices{session: s}
	hops, file, err := s.command.asn.Hops()
	if err != nil {
		s.log.Error("ASNError", "%v", err)
		s.supervisor.Status(notStarted(err))
		return exitError
	}
	o := monitor.Options{Observer: n, Config: c, Output: s.output, Log: s.log, Opened: s.drop(c), Hops: hops}
	if !s.command.stdin() {
		o.Load = s.loadWith(file)
	}
	o.Vantage.ScanParallel = s.command.scans
	if s.command.rate > 0 {
		o.Vantage.Pace = prober.NewPace(s.command.rate)
	}
	n.monitor = monitor.New(o)
	err = n.monitor.Run(ctx, reload)
	if err == nil {
		return exitGood
	}
	if !n.started {
		s.supervisor.Status(notStarted(err))
	}
	return statusOf(err)
}

// statusOf tells what the user can mend from what not.
func statusOf(err error) int {
	for _, known := range []error{monitor.ErrNoTarget, monitor.ErrImpossible, monitor.ErrReload, report.ErrClosed} {
		if errors.Is(err, known) {
			return exitError
		}
	}
	return exitFault
}

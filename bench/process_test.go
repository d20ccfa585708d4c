// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// proberCPU is where what is measured runs, alone with the kernel's work for
// it. This process and its lines keep to the others.
const proberCPU = 0

// otherCPUs is the mask of all CPUs of this machine but the prober's.
func otherCPUs() (mask uint64, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(1, &all); err != nil {
		return 0, fmt.Errorf("CPUs of this machine: %w", err)
	}
	for cpu := range 64 {
		if all.IsSet(cpu) && cpu != proberCPU {
			mask |= 1 << cpu
		}
	}
	if mask == 0 || !all.IsSet(proberCPU) {
		return 0, errors.New("this machine has one CPU; measuring takes one for the prober and one for the network")
	}
	return mask, nil
}

// keepTo binds every thread of this process, and so those and the processes
// that they make later, to the CPUs of the mask.
func keepTo(mask uint64) error {
	var set unix.CPUSet
	for cpu := range 64 {
		if mask&(1<<cpu) != 0 {
			set.Set(cpu)
		}
	}
	bound := make(map[string]bool)
	for fresh := true; fresh; { // a thread may be made while we look
		fresh = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil || bound[task.Name()] {
				continue
			}
			fresh, bound[task.Name()] = true, true
			if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("bind thread %d to CPUs %x: %w", id, mask, err)
			}
		}
	}
	return nil
}

// process is a program that runs in a client, bound to CPUs.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer // to be read when it has ended
	ended  chan struct{}
	err    error
}

// command is what to run where.
type command struct {
	net    *network
	cpu    int
	nice   int
	name   string
	args   []string
	stdout io.Writer // nil is /dev/null
}

func start(c command) (*process, error) {
	p := &process{cmd: exec.Command(c.name, c.args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = c.stdout, &p.stderr
	p.cmd.WaitDelay = time.Second
	// Nothing measured may outlive a measurement that was broken off. (The
	// signal comes when the thread that started it ends; threads of Go that are
	// bound to no goroutine end with the process.)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	var err error
	c.net.client.Do(func() { err = inheriting(c.cpu, c.nice, p.cmd.Start) })
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.name), err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// inheriting runs f on this thread, to which its goroutine is locked, while that is
// bound to a CPU and has a priority: what f starts has both from it. By taskset(1)
// and its like a program would get them too, but their CPU would be the program's.
func inheriting(cpu, nice int, f func() error) error {
	var home, bound unix.CPUSet
	if err := unix.SchedGetaffinity(0, &home); err != nil {
		return err
	}
	bound.Set(cpu)
	if err := unix.SchedSetaffinity(0, &bound); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &home) }()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice); err != nil {
		return err
	}
	defer func() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0) }()
	return f()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// after waits, and complains when the program has ended meanwhile.
func (p *process) after(d time.Duration) error {
	select {
	case <-p.ended:
		return fmt.Errorf("ended after %v of CPU: %w: %s", p.cmd.ProcessState.UserTime()+p.cmd.ProcessState.SystemTime(), orNone(p.err), firstLine(p.stderr.String()))
	case <-time.After(d):
		return nil
	}
}

// reloading is after, with a SIGHUP now and then, unless every is 0.
func (p *process) reloading(d, every time.Duration) error {
	if every == 0 {
		return p.after(d)
	}
	for until := time.Now().Add(d); time.Now().Before(until); {
		if err := p.after(every); err != nil {
			return err
		}
		if err := p.cmd.Process.Signal(unix.SIGHUP); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	return nil
}

// finish waits for a program that ends by itself.
func (p *process) finish(within time.Duration) error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(within):
		p.kill()
		return fmt.Errorf("has not ended after %v", within)
	}
}

// stop ends the program as its user would, and within 20 s at least.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

func (p *process) kill() {
	_ = unix.Kill(-p.pid(), unix.SIGKILL)
	<-p.ended
}

// cpu is the time that all threads of the process, also those that have ended,
// have had: its CPU clock, to the ns (see clock_getcpuclockid(3)).
func (p *process) cpu() (time.Duration, error) {
	const cpuClockSched = 2
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid())<<3|cpuClockSched, &spent); err != nil {
		return 0, fmt.Errorf("CPU clock: %w", err)
	}
	return time.Duration(spent.Nano()), nil
}

// rss is the resident memory and its peak, in bytes.
func (p *process) rss() (current, peak uint64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0, 0, err
	}
	return statusField(string(text), "VmRSS") << 10, statusField(string(text), "VmHWM") << 10, nil
}

// wakes is how often threads of the process have waited and gone on.
func (p *process) wakes() (uint64, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid()))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("threads of process %d: none found", p.pid())
	}
	var sum uint64
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil { // else the thread has ended
			sum += statusField(string(text), "voluntary_ctxt_switches")
		}
	}
	return sum, nil
}

// statusField reads a number of /proc/PID/status, in its unit there.
func statusField(text, name string) uint64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func orNone(err error) error {
	if err == nil {
		return errors.New("exit 0")
	}
	return err
}

// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// outputLimit bounds what is kept of a process's output, in bytes.
const outputLimit = 1 << 20

// Process is a program that runs in a node until the test ends.
type Process struct {
	node *Node
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and err is set
	err  error

	mu     sync.Mutex
	more   *sync.Cond
	output strings.Builder
	ended  bool
}

// Start runs a real program in the node. At the end of the test it is killed,
// with those of its children that stayed in its process group.
func (n *Node) Start(name string, args ...string) *Process {
	n.lab.t.Helper()
	p := &Process{node: n, name: name, done: make(chan struct{})}
	p.more = sync.NewCond(&p.mu)
	p.cmd = n.Command(context.Background(), name, args...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = 5 * time.Second // a grandchild may hold the output open
	if err := p.cmd.Start(); err != nil {
		n.lab.t.Fatalf("netlab: node %s: start %s: %v", n.Name, name, err)
	}
	go p.wait()
	n.lab.t.Cleanup(p.Kill)
	return p
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.more.Broadcast()
	close(p.done)
}

// Write takes the output of the program.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(b[:min(len(b), outputLimit-p.output.Len())])
	p.more.Broadcast()
	return len(b), nil
}

// PID is the process identifier.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what the program has printed so far, the first MiB of it.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// WaitOutput waits until the program has printed text. It ends the test when
// the program ends before it did.
func (p *Process) WaitOutput(text string) {
	p.node.lab.t.Helper()
	p.mu.Lock()
	for !p.ended && !strings.Contains(p.output.String(), text) {
		p.more.Wait()
	}
	output := p.output.String()
	p.mu.Unlock()
	if !strings.Contains(output, text) {
		p.node.lab.t.Fatalf("netlab: node %s: %s ended without printing %q:\n%s", p.node.Name, p.name, text, output)
	}
}

// Signal sends a signal to the program.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Wait waits until the program has ended and returns its exit error.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Kill ends the program and its process group, and waits until it is gone. It
// does nothing to one that has ended.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
}

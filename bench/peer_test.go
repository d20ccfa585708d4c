// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peer is another prober, as Debian packages it.
type peer struct {
	name, program string
	// settle is how long it takes from its start to a steady rate.
	settle time.Duration
	// loads that it is measured at; nil is once a second.
	loads []load
	// command makes it do a load for some seconds: quietly, or with reports
	// of each round-trip time.
	command func(h *harness, n *network, first string, l load, seconds int, reports bool) ([]string, error)
	// shown is what stands for the command in the document.
	shown string
	// collect reads what it reported. A peer that has to be asked before it
	// ends is asked by scrape.
	collect func(h *harness, output string) (reported, error)
	scrape  func(h *harness, n *network) (string, error)
}

var peers = []peer{
	{
		name: "fping", program: "fping", settle: 1500 * time.Millisecond, command: fpingCommand, collect: collectFping,
		shown: "fping -q -c SECONDS -p 1000 -i 900/HOSTS -f hosts (for the errors: -C)",
	},
	{
		name: "scamper", program: "scamper", settle: 1500 * time.Millisecond, command: scamperCommand, collect: collectScamper,
		shown: `scamper -p HOSTS -w 0 -O warts -o /dev/null -c "ping -c SECONDS -i 1 -s 64" -f hosts (for the errors: -O json)`,
	},
	{
		name: "hipercontracer", program: "hipercontracer", settle: 3 * time.Second, command: hipercontracerCommand, collect: collectHipercontracer,
		loads: []load{thousand, tenThousand, oneAtOnce, twentyAtOnce, hundredAtOnce},
		shown: "hipercontracer -q -U root -S SOURCE -D HOST... -P --pinginterval INTERVAL --pingpacketsize 84 (for the errors: -R results)",
	},
	{
		name: "smokeping_prober", program: "prometheus-smokeping-prober", settle: 4 * time.Second, command: smokepingCommand, collect: collectSmokeping, scrape: scrapeSmokeping,
		shown: "prometheus-smokeping-prober --config.file=hosts.yml --privileged (the errors are those of each host's mean)",
	},
}

func (p peer) at() []load {
	if p.loads != nil {
		return p.loads
	}
	return []load{thousand, tenThousand}
}

// start starts the peer; output is where it leaves its reports, "" when it is
// asked for none.
func (p peer) start(h *harness, n *network, first string, l load, seconds int, reports bool) (proc *process, err error) {
	if _, err := exec.LookPath(p.program); err != nil {
		return nil, fmt.Errorf("%w (make benchsetup installs it)", err)
	}
	args, err := p.command(h, n, first, l, seconds, reports)
	if err != nil {
		return nil, err
	}
	return start(command{net: n, cpu: proberCPU, name: p.program, args: args})
}

// fpingCommand leaves out fping's own spacing as far as it can: it sends one
// ping, waits, and sends the next, so the spacing is its rate.
func fpingCommand(h *harness, _ *network, first string, l load, seconds int, reports bool) ([]string, error) {
	path, err := h.list(first, l.hosts)
	count := "-c"
	if reports {
		count = "-C"
	}
	spacing := strconv.FormatFloat(900/float64(l.hosts), 'f', -1, 64)
	return []string{"-q", count, strconv.Itoa(seconds), "-p", "1000", "-i", spacing, "-f", path}, err
}

func scamperCommand(h *harness, _ *network, first string, l load, seconds int, reports bool) ([]string, error) {
	path, err := h.list(first, l.hosts)
	format, output := "warts", "/dev/null"
	if reports {
		format, output = "json", filepath.Join(h.dir, "scamper.json")
	}
	ping := fmt.Sprintf("ping -c %d -i 1 -s %d", seconds, 8+payload)
	return []string{"-p", strconv.Itoa(l.rate()), "-w", "0", "-O", format, "-o", output, "-c", ping, "-f", path}, err
}

func hipercontracerCommand(h *harness, n *network, first string, l load, _ int, reports bool) ([]string, error) {
	interval := strconv.FormatInt(l.interval.Milliseconds(), 10)
	args := []string{"-q", "-U", "root", "-S", n.source.String(), "-P", "--pinginterval", interval, "--pingpacketsize", strconv.Itoa(28 + payload)}
	if reports {
		results := filepath.Join(h.dir, "results")
		if err := errors.Join(os.RemoveAll(results), os.Mkdir(results, 0o755)); err != nil {
			return nil, err
		}
		args = append(args, "-R", results, "--resultstransactionlength", "60")
	}
	for _, a := range addresses(first, l.hosts) {
		args = append(args, "-D", a)
	}
	return args, nil
}

func smokepingCommand(h *harness, _ *network, first string, l load, _ int, _ bool) ([]string, error) {
	var b strings.Builder
	b.WriteString("targets:\n- hosts:\n")
	for _, a := range addresses(first, l.hosts) {
		b.WriteString("  - " + a + "\n")
	}
	fmt.Fprintf(&b, "  interval: %v\n  network: ip4\n  protocol: icmp\n  size: %d\n", l.interval, payload)
	path, err := h.file("hosts.yml", b.String())
	return []string{"--config.file=" + path, "--privileged", "--log.level=error", "--web.listen-address=" + smokepingAddress}, err
}

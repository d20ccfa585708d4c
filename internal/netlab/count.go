// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"os"
	"strconv"
	"strings"
)

// Count is the sum of counters of the node's kernel, "Icmp OutErrors" of
// /proc/net/snmp or "Ip6OutDiscards" of snmp6 (RFC 2011, RFC 4293).
func (n *Node) Count(names ...string) (sum int) {
	n.lab.t.Helper()
	all := n.counters()
	for _, name := range names {
		v, ok := all[name]
		if !ok {
			n.lab.t.Fatalf("netlab: the kernel has no counter %s", name)
		}
		sum += v
	}
	return sum
}

// EchoRequests is the number of echo requests of IPv4 that have arrived.
func (n *Node) EchoRequests() int {
	n.lab.t.Helper()
	return n.Count("Icmp InEchos")
}

func (n *Node) counters() map[string]int {
	n.lab.t.Helper()
	all := make(map[string]int)
	for _, file := range []string{"snmp", "snmp6"} {
		var names []string
		for line := range strings.Lines(n.Proc(file)) {
			words := strings.Fields(line)
			switch {
			case len(words) == 2: // a name and a value
				all[words[0]], _ = strconv.Atoi(words[1])
			case len(names) == 0 || names[0] != words[0]: // names, and their values in the next line
				names = words
			default:
				for i, word := range words[1:] {
					all[strings.TrimSuffix(words[0], ":")+" "+names[i+1]], _ = strconv.Atoi(word)
				}
				names = nil
			}
		}
	}
	return all
}

// Proc is the text of a file of /proc/net as the node sees it.
func (n *Node) Proc(file string) string {
	n.lab.t.Helper()
	var text []byte
	var err error
	n.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/" + file) })
	if err != nil {
		n.lab.t.Fatalf("netlab: node %s: %v", n.Name, err)
	}
	return string(text)
}

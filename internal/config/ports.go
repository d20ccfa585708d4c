// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// defaultPorts is what a scan asks when nothing else is said; the settings
// hold "" for it.
const defaultPorts = "http,https,mysql"

// serviceNames are the services that a list of ports may name. Which of them a
// scan can speak to is for the scan to say.
var serviceNames = [...]string{
	"http", "https", "mysql", "ssh", "smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s", "ftp",
	"postgres", "redis", "memcached", "ldap", "ldaps", "amqp", "mqtt", "dns", "ntp", "tls", "tcp", "auto",
}

// portless are the services that have no port of their own.
var portless = [...]string{"tls", "tcp", "auto"}

// setPorts takes a list of NAME, PORT, PORT/NAME and FROM-TO, separated by
// commas, and keeps it as it was typed.
func setPorts(l *line, v string) error {
	items := strings.Split(v, ",")
	for _, item := range items {
		if err := checkPortItem(item); err != nil {
			return err
		}
	}
	if twice := repeated(items); twice != "" {
		return fmt.Errorf("%s stands twice in the list", quote(twice))
	}
	l.Ports = strings.Clone(v)
	if v == defaultPorts {
		l.Ports = ""
	}
	return nil
}

func checkPortItem(item string) error {
	if item == "" {
		return errors.New("has an empty part; the list is separated by single commas, as in http,8080/http,2000-2010")
	}
	if !isDigit(item[0]) {
		if slices.Contains(portless[:], item) {
			return fmt.Errorf("%s has no port of its own; write one, as in 8443/%s", quote(item), item)
		}
		return checkService(item)
	}
	if port, service, found := strings.Cut(item, "/"); found {
		if err := checkPort(port); err != nil {
			return err
		}
		return checkService(service)
	}
	from, to, found := strings.Cut(item, "-")
	if !found {
		to = from
	}
	return checkPortRange(from, to)
}

func checkPortRange(from, to string) error {
	var first, last int
	if setInteger(&first, from, 1, maxPort) != nil {
		return checkPort(from)
	}
	if !isDigits(to) || setInteger(&last, to, 1, maxPort) != nil {
		return checkPort(to)
	}
	if last < first {
		return fmt.Errorf("%s ends before it begins", quote(from+"-"+to))
	}
	return nil
}

func checkPort(s string) error {
	var n int
	if !isDigits(s) || setInteger(&n, s, 1, maxPort) != nil {
		return fmt.Errorf("%s is not a port from 1 to %d", quote(s), maxPort)
	}
	return nil
}

func checkService(name string) error {
	if slices.Contains(serviceNames[:], name) {
		return nil
	}
	if s := nearest(name, serviceNames[:]); s != "" {
		return fmt.Errorf("%s is no known service, did you mean %q?", quote(name), s)
	}
	return fmt.Errorf("%s is no known service; known are %s", quote(name), strings.Join(serviceNames[:], ", "))
}

// isDigits refuses the sign that an integer may have elsewhere.
func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// repeated returns a string that stands twice among items, "" when none does.
func repeated(items []string) string {
	items = slices.Sorted(slices.Values(items))
	for i := range len(items) - 1 {
		if items[i] == items[i+1] {
			return items[i]
		}
	}
	return ""
}

// countPorts is how many services or ports a valid list names.
func countPorts(ports string) int {
	if ports == "" {
		ports = defaultPorts
	}
	n := 0
	for item := range strings.SplitSeq(ports, ",") {
		n++
		if from, to, found := strings.Cut(item, "-"); found {
			var first, last int
			if setInteger(&first, from, 1, maxPort) == nil && setInteger(&last, to, first, maxPort) == nil {
				n += last - first
			}
		}
	}
	return n
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"

	"connmonitor/internal/service"
)

// defaultPorts is what a scan asks when nothing else is said; the settings
// hold "" for it.
const defaultPorts = "http,https,mysql"

// setPorts takes a list of NAME, PORT, PORT/NAME and FROM-TO, separated by
// commas, and keeps it as it was typed.
func setPorts(l *line, v string) error {
	ports, err := ParsePorts(v)
	if err == nil {
		l.Ports = strings.Clone(ports)
	}
	return err
}

// ParsePorts checks a list of NAME, PORT, PORT/NAME and FROM-TO, separated by
// commas, and returns it as the settings hold it: "" for the default.
func ParsePorts(v string) (string, error) {
	labels := make(map[string]bool)
	for text := range strings.SplitSeq(v, ",") {
		item, err := parsePortItem(text)
		if err != nil {
			return "", err
		}
		if labels[item.Label] {
			return "", fmt.Errorf("%s stands twice in the list", quote(text))
		}
		labels[item.Label] = true
	}
	if v == defaultPorts {
		return "", nil
	}
	return v, nil
}

// parsePortItem adds advice to what is wrong with an item.
func parsePortItem(text string) (service.Item, error) {
	if text == "" {
		return service.Item{}, errors.New("has an empty part; the list is separated by single commas, as in http,8080/http,2000-2010")
	}
	item, err := service.ParseItem(text)
	switch {
	case errors.Is(err, service.ErrPortless):
		return item, fmt.Errorf("%s has no port of its own; write one, as in 8443/%s", quote(text), text)
	case errors.Is(err, service.ErrUnknown):
		return item, unknownService(text)
	case err != nil:
		return item, err
	}
	return item, nil
}

func unknownService(text string) error {
	name := text
	if _, behind, found := strings.Cut(text, "/"); found && isDigit(text[0]) {
		name = behind
	}
	if s := nearest(name, service.Names()); s != "" {
		return fmt.Errorf("%s is no known service, did you mean %q?", quote(name), s)
	}
	return fmt.Errorf("%s is no known service; known are %s", quote(name), strings.Join(service.Names(), ", "))
}

// countPorts is how many services or ports a valid list names.
func countPorts(ports string) int {
	if ports == "" {
		ports = defaultPorts
	}
	n := 0
	for item := range strings.SplitSeq(ports, ",") {
		if item, err := service.ParseItem(item); err == nil {
			n += item.Count()
		}
	}
	return n
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	var items []service.Item
	for text := range strings.SplitSeq(v, ",") {
		item, err := parsePortItem(text)
		if err != nil {
			return "", err
		}
		if labels[item.Label] {
			return "", fmt.Errorf("%s stands twice in the list", quote(text))
		}
		labels[item.Label] = true
		items = append(items, item)
	}
	if err := checkRanges(items); err != nil {
		return "", err
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

// checkRanges refuses a list in which a port would have two results of the same
// name: those of a range are called by their port, as one that is asked for alone.
func checkRanges(items []service.Item) error {
	var asked [maxPort + 1]bool
	for i := range items {
		item := &items[i]
		if !item.Ranged && item.Label != strconv.Itoa(int(item.First)) {
			continue
		}
		for port := int(item.First); port <= int(item.Last); port++ {
			if asked[port] {
				return fmt.Errorf("port %d is asked for twice, alone and in a range or in two ranges", port)
			}
			asked[port] = true
		}
	}
	return nil
}

// costOf is what a scan of a valid list costs.
func costOf(ports string, timeout time.Duration) service.Cost {
	if ports == "" {
		ports = defaultPorts
	}
	var items []service.Item
	for text := range strings.SplitSeq(ports, ",") {
		if item, err := service.ParseItem(text); err == nil {
			items = append(items, item)
		}
	}
	return service.CostOf(items, timeout)
}

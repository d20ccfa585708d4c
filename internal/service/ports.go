// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Reasons for which an item of a request is not one.
var (
	// ErrUnknown says that no service has that name.
	ErrUnknown = errors.New("is no known service")
	// ErrPortless says that a service has no usual port, and none was given.
	ErrPortless = errors.New("has no port of its own")
	// ErrPort says that what stands for a port is no integer from 1 to 65535.
	ErrPort = errors.New("is not a port from 1 to 65535")
	// ErrBackwards says that a range ends before it begins.
	ErrBackwards = errors.New("ends before it begins")
)

// Item is one item of a request: NAME (its usual port), PORT or FROM-TO (told
// by what answers), PORT/NAME.
type Item struct {
	// Label is the item's name in records, as short as it can be: "http" for
	// 80/http.
	Label string
	// Service is a name of Names.
	Service string
	// First and Last are the ports; they differ for a range alone.
	First, Last uint16
	// Ranged tells that the item is FROM-TO, even if that is one port.
	Ranged bool
}

// Count is how many ports the item stands for.
func (i *Item) Count() int { return int(i.Last) - int(i.First) + 1 }

// Names lists the services that a scan can ask, in the order of the manual.
func Names() []string {
	var names []string
	for _, p := range table() {
		names = append(names, p.name)
	}
	return names
}

// ParseItem reads one item of a request. The errors wrap one of those above,
// behind the part that is wrong.
func ParseItem(text string) (Item, error) { return parseItem(table(), text) }

func parseItem(known []protocol, text string) (Item, error) {
	if text == "" || !isDigit(text[0]) {
		return namedItem(known, text)
	}
	if port, name, found := strings.Cut(text, "/"); found {
		return portItem(known, port, name)
	}
	from, to, found := strings.Cut(text, "-")
	if !found {
		to = from
	}
	first, err := parsePort(from)
	if err != nil {
		return Item{}, err
	}
	last, err := parsePort(to)
	switch {
	case err != nil:
		return Item{}, err
	case last < first:
		return Item{}, fmt.Errorf("%q %w", text, ErrBackwards)
	}
	label := portName(first)
	if found {
		label += "-" + portName(last)
	}
	return Item{Label: label, Service: auto, First: first, Last: last, Ranged: found}, nil
}

// namedItem is a service on its usual port.
func namedItem(known []protocol, name string) (Item, error) {
	p, err := findProtocol(known, name)
	if err != nil {
		return Item{}, err
	}
	if p.port == 0 {
		return Item{}, fmt.Errorf("%q %w", name, ErrPortless)
	}
	return Item{Label: name, Service: name, First: p.port, Last: p.port}, nil
}

// portItem is a service on a port that was said.
func portItem(known []protocol, port, name string) (Item, error) {
	n, err := parsePort(port)
	if err != nil {
		return Item{}, err
	}
	p, err := findProtocol(known, name)
	if err != nil {
		return Item{}, err
	}
	item := Item{Label: portName(n) + "/" + name, Service: name, First: n, Last: n}
	if p.port == n {
		item.Label = name
	}
	return item, nil
}

func findProtocol(known []protocol, name string) (*protocol, error) {
	i := slices.IndexFunc(known, func(p protocol) bool { return p.name == name })
	if i < 0 {
		return nil, fmt.Errorf("%q %w", name, ErrUnknown)
	}
	return &known[i], nil
}

// parsePort takes digits only: no sign, no blank.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q %w", s, ErrPort)
	}
	return uint16(n), nil
}

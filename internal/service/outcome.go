// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"connmonitor/internal/vitals"
)

// dialError is an error of before there was a connection.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// stateOf is the state of a service that could not be connected to.
func stateOf(err error) vitals.ServiceState {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return vitals.ServiceClosed
	case errors.Is(err, unix.ECONNRESET):
		// A refusal would have been one: there was a connection, and it was
		// reset before we knew of it.
		return vitals.ServiceError
	}
	return vitals.ServiceFiltered
}

// reasonOf says in few words, which are the same each time, what ended a
// conversation: no address and no port that another connection would not have.
func reasonOf(err error) string {
	var call *os.SyscallError
	switch {
	case isTimeout(err):
		return "no answer in time"
	case errors.Is(err, errFlood):
		return errFlood.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "hung up before the answer was complete"
	case errors.As(err, &call):
		return call.Err.Error()
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Err != nil && !errors.Is(operation.Err, err) {
		return textOf(operation.Err.Error())
	}
	return textOf(err.Error())
}

// isTimeout reports whether the time was up. The end of the scan's time closes
// the connection, too.
func isTimeout(err error) bool {
	var failed net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &failed) && failed.Timeout()
}

// appendRest appends what there is to say of a range of which so many open ports
// are told: that none is open, or more.
func appendRest(services []vitals.Service, r *vitals.PortRange, told int) []vitals.Service {
	var ports [vitals.ServiceStates]int
	for _, state := range r.States {
		ports[state]++
	}
	rest := vitals.Service{Name: r.Name, Ranged: true, State: vitals.ServiceOpen}
	switch more := ports[vitals.ServiceOpen] - told; {
	case more > 0:
		rest.Software = fmt.Sprintf("%d more ports are open", more)
	case told > 0:
		return services
	default:
		rest.State, rest.Reason = mostOf(&ports)
	}
	return append(services, rest)
}

// mostOf is the state of most ports, and how many have which.
func mostOf(ports *[vitals.ServiceStates]int) (most vitals.ServiceState, counts string) {
	var words []string
	for i, n := range ports {
		state := vitals.ServiceState(i)
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, state))
		}
		if n > ports[most] {
			most = state
		}
	}
	return most, strings.Join(words, ", ")
}

func portName(port uint16) string { return strconv.Itoa(int(port)) }

func sortByPort(found []vitals.Service) {
	slices.SortFunc(found, func(a, b vitals.Service) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

// SPDX-License-Identifier: Apache-2.0

package simnet

import "connmonitor/internal/rawsock"

// ReservePorts is rawsock.ReservePorts: nobody else has ports here.
func (n *Net) ReservePorts(bool) (*rawsock.Ports, error) {
	return &rawsock.Ports{First: firstPort}, nil
}

const firstPort = 61440

// AcceptPorts is for prober: ICMP errors about UDP and TCP probes come too.
func (s *socket) AcceptPorts(uint16, int) error { return nil }

// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"encoding/binary"

	"connmonitor/internal/rawsock"
)

// ReservePorts fits prober.Options.ReservePorts: nobody else has ports here.
func (n *Net) ReservePorts(bool) (*rawsock.Ports, error) {
	return &rawsock.Ports{First: firstPort}, nil
}

const firstPort = 61440

// SourceTo fits prober.Options.SourceTo: our machine has one address of each
// family.
func (n *Net) SourceTo(_ rawsock.Addr, v6 bool, _ int32) (rawsock.Addr, error) {
	return addr(self(v6)), nil
}

// AcceptPorts is for prober.Socket: ICMP errors about UDP and TCP probes from
// these ports come too.
func (s *socket) AcceptPorts(first uint16, count int) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.opt.Port, s.opt.Ports = first, count
	return nil
}

// accepts reports whether the filter of a Raw socket lets an error pass that
// quotes a message of that protocol.
func (s *socket) accepts(proto uint8, message []byte) bool {
	if isICMP(proto) {
		return true
	}
	port := binary.BigEndian.Uint16(message)
	return s.opt.Ports > 0 && port >= s.opt.Port && int(port-s.opt.Port) < s.opt.Ports
}

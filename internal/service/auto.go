// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"

	"connmonitor/internal/vitals"
)

// auto is the service that finds out which one it is.
const auto = "auto"

// protocolAuto has no conversation of its own: recognise has it.
func protocolAuto() protocol { return protocol{name: auto} }

// recognise tells what listens at a port.
func (s *Scanner) recognise(ctx context.Context, t *Request, port uint16) (vitals.Service, error) {
	p := protocolTCP()
	return s.talk(ctx, &p, t, port)
}

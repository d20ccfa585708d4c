// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"

	"connmonitor/internal/resolve"
)

// hopNames makes what tells more of the hops of traces; nil when nobody asked.
func (c *command) hopNames() (*resolve.Hops, error) {
	if !c.settings.Details || !c.settings.Trace {
		return nil, nil
	}
	hops, _, err := c.asn.Hops()
	return hops, err
}

// namesTime is how long the names of all hops are waited for; what is not known
// by then is left out.
const namesTime = 3 * time.Second

// describe finds out more of the hops of all paths.
func (m *measurement) describe(ctx context.Context) {
	if m.hops == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() {
		if err := m.hops.Run(ctx); err != nil {
			m.log.Error("NamesError", "%v", err)
		}
	})
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.hosts {
		if p := m.hosts[i].path; p != nil {
			m.hops.Describe(p) // has all asked for before one is waited for
		}
	}
	for i := range m.hosts {
		if p := m.hosts[i].path; p != nil {
			_ = m.hops.Wait(ctx, p) // when the time is up, what is known by then will do
			m.hops.Describe(p)
		}
	}
}

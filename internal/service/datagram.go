// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"time"
)

// maxStrays is the most datagrams that are looked at for the answer. Others may
// come from the server's port, of one that somebody makes up.
const maxStrays = 16

var errStrays = errors.New("only datagrams that answer something else")

// exchange sends a request and returns the first datagram that accept takes. The
// request is sent a second time at half of what time is left: one datagram lost
// is no sign of a server that is gone.
func (c *conversation) exchange(first, second string, accept func([]byte) bool) error {
	half := time.Now().Add(time.Until(c.deadline) / 2)
	if err := c.send(first); err != nil {
		return err
	}
	err := c.awaitDatagram(half, accept)
	if err == nil || !isTimeout(err) {
		return err
	}
	if err := c.send(second); err != nil {
		return err
	}
	return c.awaitDatagram(c.deadline, accept)
}

func (c *conversation) awaitDatagram(until time.Time, accept func([]byte) bool) error {
	if err := c.line.SetReadDeadline(until); err != nil {
		return err
	}
	for range maxStrays {
		datagram, err := c.readDatagram()
		if err != nil {
			return err
		}
		if accept(datagram) {
			return nil
		}
	}
	return errStrays
}

// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strings"
)

var errNotMemcached = errors.New("no answer of memcached")

// protocolMemcached is the text protocol of memcached (its doc/protocol.txt).
func protocolMemcached() protocol {
	return protocol{name: "memcached", port: 11211, limit: maxLine, talk: talkMemcached, farewell: "quit\r\n"}
}

func talkMemcached(c *conversation) error {
	if err := c.send("version\r\n"); err != nil {
		return err
	}
	line, err := c.readLine()
	if err != nil {
		return err
	}
	version, ok := strings.CutPrefix(string(line), "VERSION ")
	if !ok {
		return errNotMemcached
	}
	c.got.Software = softwareOf(version)
	return nil
}

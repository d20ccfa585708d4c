// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strconv"
)

var errNotMQTT = errors.New("no answer of an MQTT broker")

// mqttConnect is the CONNECT of MQTT 3.1.1 (section 3.1) without client
// identifier, user or password, for a clean session: the protocol has nothing
// that is less.
const mqttConnect = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"

// protocolMQTT is MQTT 3.1.1, which brokers of version 5 speak too.
func protocolMQTT() protocol {
	return protocol{name: "mqtt", port: 1883, limit: maxLine, talk: talkMQTT, farewell: "\xe0\x00"}
}

// talkMQTT reads the CONNACK (section 3.2). A broker that refuses is one.
func talkMQTT(c *conversation) error {
	if err := c.send(mqttConnect); err != nil {
		return err
	}
	ack, err := c.readFull(4)
	if err != nil {
		return err
	}
	if ack[0] != 0x20 || ack[1] != 2 || ack[2] > 1 || ack[3] > 5 {
		return errNotMQTT
	}
	c.got.Software = unknown
	if ack[3] != 0 {
		c.got.Reason = "refuses with code " + strconv.Itoa(int(ack[3]))
	}
	return nil
}

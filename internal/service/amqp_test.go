// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/binary"
	"strings"
	"testing"

	"connmonitor/internal/vitals"
)

// amqpField is one field of an AMQP table.
func amqpField(name string, kind byte, value string) string {
	if kind != 't' {
		value = string(binary.BigEndian.AppendUint32(nil, uint32(len(value)))) + value
	}
	return string(rune(len(name))) + name + string(kind) + value
}

// amqpStart is Connection.Start with these server properties.
func amqpStart(properties string) string {
	body := "\x00\x0a\x00\x0a\x00\x09" + string(binary.BigEndian.AppendUint32(nil, uint32(len(properties)))) + properties +
		"\x00\x00\x00\x05PLAIN\x00\x00\x00\x05en_US"
	return "\x01\x00\x00" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body + "\xce"
}

func TestAMQP(t *testing.T) {
	rabbit := amqpStart(amqpField("capabilities", 'F', amqpField("publisher_confirms", 't', "\x01")) +
		amqpField("product", 'S', "RabbitMQ") + amqpField("version", 'S', "3.10.8"))
	tests := []struct {
		name, says string
		state      vitals.ServiceState
		reason     string
		software   string
	}{
		{"RabbitMQ", rabbit, vitals.ServiceOpen, "", "RabbitMQ 3.10.8"},
		{"no properties", amqpStart(""), vitals.ServiceOpen, "", unknown},
		{"odd field", amqpStart(amqpField("x", 'x', "y") + amqpField("product", 'S', "z")), vitals.ServiceOpen, "", unknown},
		{"1.0", "AMQP\x03\x01\x00\x00", vitals.ServiceOpen, "speaks version 1.0.0", unknown},
		{"other frame", strings.Replace(rabbit, "\x00\x0a\x00\x0a", "\x00\x0a\x00\x0b", 1), vitals.ServiceError, errNotAMQP.Error(), ""},
		{"long frame", "\x01\x00\x00\x7f\xff\xff\xff", vitals.ServiceError, errNotAMQP.Error(), ""},
		{"other", "HTTP/1.1 400 Bad Request\r\n", vitals.ServiceError, errNotAMQP.Error(), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := askPort(t, "amqp", serve(t, says(test.says)), patient)
			wantState(t, got, test.state, test.reason)
			if got.Software != test.software {
				t.Errorf("software = %q, want %q", got.Software, test.software)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package vitals

import "time"

// Service is what one service of a host answered to a scan.
type Service struct {
	// Name is the service's name in records: "http", "https", "mysql".
	Name string
	// Open is false when nothing that speaks the protocol answered; the rest
	// is empty then.
	Open bool
	// RTT is the time from the start of the connection attempt to the answer.
	RTT time.Duration
	// Code is the three-digit status code of http and https, else "".
	Code string
	// Software is the Server header (http, https) or the version (mysql), as
	// the server sent it: untrusted bytes, "Unknown" when it sent none.
	Software string
}

// Scan is what the services of a host answered, in the order they were asked
// for.
type Scan struct {
	Services []Service
}

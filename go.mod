module connmonitor

go 1.26.0

// A scan asks who listens, not whether to trust it: the oldest TLS servers are
// to be reached too (internal/service holds a test for each line).
godebug (
	rsa1024min=0
	tlsmaxrsasize=16384
	tlssha1=1
	x509negativeserial=1
)

require (
	github.com/coreos/go-systemd/v22 v22.7.0
	github.com/oschwald/maxminddb-golang/v2 v2.9.0
	go.uber.org/goleak v1.3.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
)

#compdef connvitals
# SPDX-License-Identifier: Apache-2.0

_arguments -s -S \
	'(- *)'{-h,--help}'[show the usage and exit]' \
	'(- *)'{-V,--version}'[show the version and exit]' \
	'(-p --pings -P --no-ping)'{-p+,--pings=}'[pings to each host]:number' \
	'(-P --no-ping -p --pings)'{-P,--no-ping}'[no pings]' \
	'--payload-size=[payload bytes of each ping]:bytes' \
	'--interval=[between two pings]:time' \
	'(-t --trace)'{-t,--trace}'[trace the route]' \
	'(-H --hops)'{-H+,--hops=}'[most hops of a trace]:number' \
	'(-s --port-scan)'{-s,--port-scan}'[ask http, https and mysql]' \
	'(-j --json)'{-j,--json}'[print JSON]' \
	'--method=[how a trace probes]:method:(icmp udp tcp)' \
	'--port=[port of UDP and TCP probes]:port' \
	'--flows=[flows that a trace follows]:number' \
	'--mtu[find the path MTU, and which hop limits it]' \
	'--details[print all that is known]' \
	'--asn-db=[AS numbers of hops from an MMDB file]:file:_files' \
	'--asn=[AS numbers of hops by DNS]:source:(dns)' \
	'(-6)-4[use IPv4 addresses of names only]' \
	'(-4)-6[use IPv6 addresses of names only]' \
	'--timeout=[how long a ping, a hop or a service may take]:time' \
	'--ports=[services to ask]:list of NAME, PORT, PORT/NAME, FROM-TO' \
	'--scan-parallel=[most sockets of scans at once]:number' \
	'--source=[address or interface that probes leave by]:source:_net_interfaces' \
	'--rate=[most probes a second in all]:probes a second' \
	'*:host:_hosts'

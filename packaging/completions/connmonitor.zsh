#compdef connmonitor
# SPDX-License-Identifier: Apache-2.0

_arguments -S \
	'(- *)'{-v,-V,--version}'[show the version and exit]' \
	'(- *)'{-h,--help}'[show the usage and exit]' \
	'--check[show what the configuration means, and the load, and exit]' \
	'--quiet[do not print records]' \
	'--rate[most probes a second of the whole process]:probes a second' \
	'--scan-parallel[most sockets of scans at once]:number' \
	'--log[append records to a file in place of standard output]:file:_files' \
	'--err[append errors to a file in place of standard error]:file:_files' \
	'--asn-db[AS numbers of hops from an MMDB file]:file:_files' \
	'--asn[AS numbers of hops by DNS]:source:(dns)' \
	'1:configuration:_files'

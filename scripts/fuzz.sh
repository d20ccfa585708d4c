#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [BUDGET [PACKAGE...]] runs every fuzz target of the packages (all by
# default), one after the other, each for BUDGET: a number of inputs
# ("50000x", the default) or a time ("60s").
#
# The default counts inputs because a time limit makes Go before 1.27 report
# "context deadline exceeded" as a failure now and then (go.dev/issue/75804).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

budget=${1:-50000x}
shift || true

# `go test -list` prints the targets of a package, then "ok <package> <time>".
targets=$(go test -vet=off -list '^Fuzz' "${@:-./...}" |
	awk '/^Fuzz/ { t[n++] = $1 } $1 == "ok" { for (i = 0; i < n; i++) print $2, t[i]; n = 0 }')
[ -n "$targets" ] || { echo "fuzz: no fuzz target found" >&2; exit 1; }

while read -r package target; do
	echo "fuzz: $package $target, $budget"
	go test -vet=off -run '^$' -fuzz "^$target\$" -fuzztime "$budget" "$package"
done <<<"$targets"

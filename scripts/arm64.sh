#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The programs for arm64: that they build and are static, and, where qemu can
# run them (Debian: qemu-user-static), the tests that need no network of the
# kernel, and the programs themselves. About three minutes on two cores.
#
# What stays out, because qemu translates the system calls of a process and no
# more: tests in network namespaces (netlab skips them, for it finds none of its
# tools in the PATH that they get), tests that start themselves or the go
# command again (cmd, internal/privilege, the root), and the kernel's time
# stamps, which qemu does not know as an option of a socket.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0

echo "arm64: build, static"
go test -count=1 -run '^TestBuildIsStatic$/^arm64$' .

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || {
	echo "skipped: arm64 programs do not run here without qemu-aarch64-static (qemu-user-static)"
	exit 0
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo "arm64: tests without a network"
packages=$(go list ./internal/... | grep -vE '/internal/(netlab|privilege)$')
# Vet has been here before; one list of packages a line.
# shellcheck disable=SC2086
GOARCH=arm64 go test -vet=off -count=1 -v -timeout 15m -skip '^TestStampsAreAwaited$' \
	-exec "/usr/bin/env PATH=$dir $qemu" $packages >"$dir/log" 2>&1 || {
	grep -vE '^(=== | *--- (PASS|SKIP))' "$dir/log" >&2
	exit 1
}
passed=$(grep -cE '^--- PASS' "$dir/log") || true
left=$(grep -cE '^--- SKIP' "$dir/log") || true
echo "arm64: $passed tests passed, $left need what is not there (networks, a kernel of its own)"
[ "$passed" -ge 200 ] || { echo "arm64: so few tests are not those of all rooms" >&2; exit 1; }

echo "arm64: the programs"
make --no-print-directory build GOARCH=arm64 BINDIR="$dir"
version=$(cat VERSION)
[ "$("$qemu" "$dir/connmonitor" -v)" = "connmonitor Version $version" ]
[ "$("$qemu" "$dir/connvitals" -V)" = "connvitals $version" ]
printf '127.0.0.1 ping=20 numpings=2 trace=20 scan=20 json=1\n' >"$dir/hosts"
"$qemu" "$dir/connmonitor" --check "$dir/hosts" | grep -q '^1 *127\.0\.0\.1 '

# measure runs in a network of its own, and ends the monitor when all statistics
# have come.
measure() {
	ip link set lo up
	"$1" "$2/connvitals" -stp 3 127.0.0.1 ::1 >"$2/vitals"
	"$1" "$2/connmonitor" "$2/hosts" >"$2/records" 2>"$2/errors" &
	monitor=$!
	for statistic in ping trace scan; do
		for ((i = 0; i < 600; i++)); do
			grep -q "\"$statistic\":" "$2/records" && break
			sleep 0.1
		done
		grep "\"$statistic\":" "$2/records" >/dev/null || { cat "$2/errors" >&2; kill $monitor; exit 1; }
	done
	kill $monitor
	wait $monitor
}
if [ "$(id -u)" -eq 0 ] && unshare -n true 2>/dev/null; then
	export -f measure
	unshare -n bash -euo pipefail -c 'measure "$@"' measure "$qemu" "$dir"
	[ "$(grep -c $'^[0-9.]*\t[0-9.]*\t[0-9.]*\t[0-9.]*\t0\\.000$' "$dir/vitals")" -eq 2 ]
	if grep -v '^WW: ' "$dir/errors"; then exit 1; fi
	echo "arm64: pings, a trace and a scan of loopback measured"
else
	echo "skipped: arm64 programs measure only as root, in a network of their own"
fi

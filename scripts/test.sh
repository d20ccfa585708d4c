#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything that must hold, in the order of what is quickest to fail. As root
# it first installs the programs that the tests use, when they are missing.
# What cannot run here is skipped, and said so at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin
export CGO_ENABLED=0

skipped=()
step() { printf '\n== %s\n' "$*"; }
skip() {
	echo "skipped: $*"
	skipped+=("$*")
}

step "programs that the tests use"
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
	scripts/setup.sh
elif missing=$(scripts/setup.sh --missing) && [ -n "$missing" ]; then
	skip "tests that need these packages: $missing (make setup, as root, installs them)"
fi

step "gofmt"
unformatted=$(gofmt -l ./*.go bench cmd internal packaging)
if [ -n "$unformatted" ]; then
	printf 'gofmt would change:\n%s\n' "$unformatted" >&2
	exit 1
fi

step "go vet"
go vet ./...

step "golangci-lint"
scripts/lint.sh

step "man pages"
if command -v mandoc >/dev/null; then
	findings=$(mandoc -T lint -W warning packaging/man/*.[158] 2>&1) || true
	if [ -n "$findings" ]; then
		echo "$findings" >&2
		exit 1
	fi
else
	skip "man pages: there is no mandoc"
fi

step "go test"
[ "$(id -u)" -eq 0 ] ||
	skip "not root: tests in network namespaces run only where user namespaces allow it (go test -v names them)"
# -count=1: tests that ask the kernel have no use for yesterday's answer.
SOAK=${SOAK:-2m} go test -count=1 -timeout 15m ./...

step "go test -race"
if printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
	"${CC:-gcc}" -x c -o /dev/null - 2>/dev/null; then
	# Packages, units and containers hold programs that are not built for it.
	mapfile -t rooms < <(go list ./... | grep -v '/packaging')
	CGO_ENABLED=1 go test -count=1 -race -timeout 20m "${rooms[@]}"
else
	skip "race detector: it needs a C compiler (gcc, libc6-dev)"
fi

step "arm64"
output=$(scripts/arm64.sh) || {
	echo "$output"
	exit 1
}
echo "$output"
while IFS= read -r line; do
	skipped+=("$line")
done < <(sed -n 's/^skipped: //p' <<<"$output")

step "fuzz targets, briefly"
scripts/fuzz.sh

# TestBuildIsStatic has looked into the binaries; this leaves them for use.
step "build"
make --no-print-directory build

step "done"
for reason in ${skipped[@]+"${skipped[@]}"}; do
	echo "skipped: $reason"
done
echo "all that ran has passed"

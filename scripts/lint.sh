#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs golangci-lint, the pinned version: from .cache/bin of this checkout, or
# from PATH, or built into .cache/bin first (about three minutes, once).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=2.15.0

is_pinned() {
	command -v "$1" >/dev/null && "$1" version 2>/dev/null | grep -qwF "version $version"
}

linter=$PWD/.cache/bin/golangci-lint
if ! is_pinned "$linter"; then
	if is_pinned golangci-lint; then
		linter=golangci-lint
	else
		echo "lint: building golangci-lint $version into .cache/bin (once, about three minutes)"
		GOBIN=$PWD/.cache/bin CGO_ENABLED=0 \
			go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$version"
	fi
fi

export GOLANGCI_LINT_CACHE=${GOLANGCI_LINT_CACHE:-$PWD/.cache/golangci-lint}
exec "$linter" run "${@:-./...}"

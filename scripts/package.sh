#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# package.sh [ARCHITECTURE...] makes the .deb and the .rpm of each architecture
# (amd64 and arm64) in DISTDIR (dist), from what `make install` installs, with
# nfpm, the pinned version: from .cache/bin of this checkout, or from PATH, or
# built into .cache/bin first (about a minute, once).
#
# The same sources give the same bytes. The time in the packages is
# SOURCE_DATE_EPOCH, else that of the last commit; never that of a file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=2.45.0
module=github.com/goreleaser/nfpm/v2

is_pinned() {
	local path
	path=$(command -v "$1") &&
		go version -m "$path" 2>/dev/null | grep -qE "^[[:space:]]+mod[[:space:]]+${module}[[:space:]]+v$version([[:space:]]|\$)"
}

nfpm=$PWD/.cache/bin/nfpm
if ! is_pinned "$nfpm"; then
	if is_pinned nfpm; then
		nfpm=nfpm
	else
		echo "package: building nfpm $version into .cache/bin (once, about a minute)"
		# 75 says that nothing is wrong with the sources (EX_TEMPFAIL).
		GOBIN=$PWD/.cache/bin CGO_ENABLED=0 GOOS="" GOARCH="" \
			go install "$module/cmd/nfpm@v$version" || exit 75
	fi
fi

# Where there is neither, as in an unpacked archive, all is from 1980, the
# earliest that every archive format can say.
commit_time() {
	[ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$PWD" ] && git log -1 --format=%ct
}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(commit_time || echo 315532800)}
unset GOFLAGS GOAMD64 GOARM64
VERSION=$(cat VERSION)
export SOURCE_DATE_EPOCH VERSION

dist=${DISTDIR:-dist}
mkdir -p "$dist"
rm -f "$dist"/connmonitor[_-]*.{deb,rpm}
work=$(mktemp -d "$dist/.package.XXXXXX")
trap 'rm -rf "$work"' EXIT

architectures=("$@")
[ $# -gt 0 ] || architectures=(amd64 arm64)

# Debian's own form of a change log, which says what the package is.
debian_changelog() {
	cat <<-END
		connmonitor ($VERSION-1) unstable; urgency=medium

		  * Version $VERSION; see CHANGELOG.md beside this file.

		 -- $(sed -n 's/^maintainer: //p' packaging/nfpm.yaml)  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
	END
}

for GOARCH in "${architectures[@]}"; do
	STAGE=$work/$GOARCH
	export GOARCH STAGE
	make --no-print-directory install GOARCH="$GOARCH" BINDIR="$work/bin-$GOARCH" \
		DESTDIR="$STAGE" PREFIX=/usr >/dev/null
	debian_changelog | gzip -9n >"$STAGE.changelog.gz"
	for format in deb rpm; do
		"$nfpm" package --config packaging/nfpm.yaml --packager $format --target "$dist/" >/dev/null
	done
done
ls "$dist"/connmonitor[_-]*.{deb,rpm}

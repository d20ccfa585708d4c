#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# licences.sh writes the licences and notices of all that the programs are built
# of, module by module as `go list` names them, to standard output. A text that
# several modules share stands once. The same sources give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each text under its hash, and beside it who it is of.
take() { # NAME FILE...
	local name=$1 file hash
	shift
	for file in "$@"; do
		hash=$(sha256sum <"$file" | cut -c1-64)
		cp "$file" "$work/$hash.text"
		echo "$name" >>"$work/$hash.names"
	done
}

texts() { # FOLDER
	find "$1" -maxdepth 1 -type f -iregex '.*/\(un\)?\(licen[sc]es?\|copying\|notice\|patents\|copyright\)\([.-][^/]*\)?' ! -name '*.go' |
		LC_ALL=C sort
}

go list -buildvcs=false -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/... |
	LC_ALL=C sort -u >"$work/modules"
while read -r name folder; do
	mapfile -t files < <(texts "$folder")
	if [ ${#files[@]} -eq 0 ]; then
		echo "licences: $name has no licence in its folder" >&2
		exit 1
	fi
	take "$name" "${files[@]}"
done <"$work/modules"
mapfile -t files < <(texts "$(go env GOROOT)")
take "the Go standard library and run time" "${files[@]}"

echo "connmonitor and connvitals are under the Apache License 2.0, and hold what"
echo "the following is said of."
for names in $(cd "$work" && for f in *.names; do printf '%s %s\n' "$(head -n 1 "$f")" "$f"; done | LC_ALL=C sort | awk '{print $NF}'); do
	printf '\n%s\n\n' "======================================================================"
	LC_ALL=C sort -u "$work/$names"
	printf '\n'
	tr -d '\r' <"$work/${names%.names}.text"
	printf '\n'
done

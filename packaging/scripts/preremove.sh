#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Before the files go. dpkg calls it as "remove", or "upgrade NEW-VERSION" and
# others; rpm as "0" for the last package, "1" when another takes its place. An
# upgrade leaves the service alone: it is restarted once, when all is there.
set -e

unit=connmonitor.service

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	if command -v deb-systemd-invoke >/dev/null 2>&1; then
		deb-systemd-invoke stop $unit >/dev/null || :
	else
		systemctl stop $unit || :
	fi
fi

# On Debian a package that is removed, not purged, remembers this.
if [ "$1" = 0 ] && command -v systemctl >/dev/null 2>&1; then
	systemctl --quiet disable $unit || :
fi

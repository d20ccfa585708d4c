#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# After the files are in place. dpkg calls it as "configure [OLD-VERSION]", or
# "abort-..." when it takes something back; rpm as "1" for the first package,
# "2" for one that takes another's place.
#
# It must also work where systemd does not run or is missing, as in a chroot.
set -e

unit=connmonitor.service

case "$1" in
configure) if [ -n "$2" ]; then action=restart; else action=start; fi ;;
abort-*) action=start ;;
1) action=start ;;
*) action=restart ;;
esac

have() { command -v "$1" >/dev/null 2>&1; }
running() { [ -d /run/systemd/system ]; }

# dpkg's purge removes no account but one that this package has made, which a
# mark says: an administrator's may own files that another account with its
# number would inherit. The mark is where the service cannot write.
add_account() {
	found=$(getent passwd connmonitor || getent group connmonitor || :)
	add_user
	if [ "$1" = configure ] && [ -z "$found" ]; then
		mkdir -p /var/lib/misc
		: >/var/lib/misc/connmonitor.made-account
	fi
}

add_user() {
	if have systemd-sysusers && systemd-sysusers connmonitor.conf; then
		return
	fi
	getent group adm >/dev/null || groupadd --system adm
	getent passwd connmonitor >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir / \
			--shell /usr/sbin/nologin --comment "Connection monitor" connmonitor
}

# What tmpfiles.d says, which systemd-tmpfiles does at boot; it does nothing
# where /proc is missing. Logs of before may belong to root.
# On some systems others than root make files in /var/log: a link is not
# followed.
add_logs() {
	for log in /var/log/connmonitor.log /var/log/connmonitor.err; do
		[ ! -L "$log" ] || continue
		[ -e "$log" ] || install -m 0640 /dev/null "$log"
		chown -h connmonitor:adm "$log"
		chmod 0640 "$log"
	done
}

# What all files say about these two, not this package's alone, as at the next
# boot; and nothing where they are large enough, by whoever made them so.
set_buffers() {
	large=16777216
	if [ "$(cat /proc/sys/net/core/rmem_max 2>/dev/null || echo 0)" -ge $large ] &&
		[ "$(cat /proc/sys/net/core/wmem_max 2>/dev/null || echo 0)" -ge $large ]; then
		return
	fi
	if running && [ -x /usr/lib/systemd/systemd-sysctl ]; then
		/usr/lib/systemd/systemd-sysctl --prefix=/net/core/rmem_max --prefix=/net/core/wmem_max || :
	elif running && [ -x /lib/systemd/systemd-sysctl ]; then
		/lib/systemd/systemd-sysctl --prefix=/net/core/rmem_max --prefix=/net/core/wmem_max || :
	fi
}

# deb-systemd-helper knows whether the administrator has disabled the unit.
enable_unit() {
	if have deb-systemd-helper; then
		deb-systemd-helper unmask $unit >/dev/null || :
		if deb-systemd-helper --quiet was-enabled $unit; then
			deb-systemd-helper enable $unit >/dev/null || :
		else
			deb-systemd-helper update-state $unit >/dev/null || :
		fi
	elif [ $action = start ] && have systemctl; then
		systemctl --quiet preset $unit || : # elsewhere the distribution says what is enabled
	fi
}

# deb-systemd-invoke asks policy-rc.d. A service that does not start is no
# fault of the installation; systemctl status says why.
start_unit() {
	running || return 0
	systemctl daemon-reload || :
	if have deb-systemd-invoke; then
		deb-systemd-invoke $action $unit >/dev/null || :
	elif [ $action = restart ]; then
		systemctl try-restart $unit || :
	elif systemctl --quiet is-enabled $unit; then
		systemctl start $unit || :
	fi
}

add_account "$1"
add_logs
set_buffers
enable_unit
start_unit

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# After the files are gone. dpkg calls it as "remove", later perhaps "purge",
# and as "upgrade" and others; rpm as "0" for the last package, "1" when another
# took its place. Purge takes everything away that the service or an
# administrator made for it, /etc/connmonitor.conf too: it means nothing to
# anything else, and connmonitor(8) says so. rpm knows no purge: what was
# measured stays, and so does the user that it belongs to.
set -e

unit=connmonitor.service

reload() {
	[ ! -d /run/systemd/system ] || systemctl daemon-reload || :
}

forget_unit() {
	if command -v deb-systemd-helper >/dev/null 2>&1; then
		deb-systemd-helper purge $unit >/dev/null || :
		deb-systemd-helper unmask $unit >/dev/null || :
	fi
	rm -f /etc/systemd/system/multi-user.target.wants/$unit
	[ ! -d /run/systemd/system ] || systemctl reset-failed $unit 2>/dev/null || :
}

# The logs, and what rotation has made of them: .1, .2.gz, -20260101.gz.
remove_files() {
	rm -f /var/log/connmonitor.log /var/log/connmonitor.log[.-]* \
		/var/log/connmonitor.err /var/log/connmonitor.err[.-]* \
		/run/connmonitor.conf /run/connmonitor.conf.new /etc/connmonitor.conf
	rm -rf /var/lib/connmonitor || : # a mount point stays
}

# Only the account that postinstall.sh has made, as its mark says; one that was
# there before stays. Debian has no rule here, and packages differ: some leave
# every account behind, so that no other inherits its number and with it files
# that were forgotten. Ours has made none beside those that go with it, because
# its service may write nowhere else. The group goes with the user.
remove_account() {
	mark=/var/lib/misc/connmonitor.made-account
	[ -e $mark ] || return 0
	if getent passwd connmonitor >/dev/null; then
		userdel connmonitor || :
	fi
	if getent group connmonitor >/dev/null; then
		groupdel connmonitor || :
	fi
	rm -f $mark
}

case "$1" in
purge)
	forget_unit
	remove_account
	remove_files
	reload
	;;
remove) reload ;;
0)
	rm -f /run/connmonitor.conf /run/connmonitor.conf.new
	reload
	;;
esac

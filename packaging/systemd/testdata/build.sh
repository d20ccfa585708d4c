#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh DIRECTORY SUITE MIRROR PACKAGE... makes a Debian that systemd can
# boot, with the packages beside the smallest system.
set -eu
root=$1 suite=$2 mirror=$3
shift 3
debootstrap --variant=minbase --include="$(echo "$@" | tr ' ' ,)" "$suite" "$root" "$mirror"

# What Debian's installer leaves behind: a name for the loopback addresses, and
# an identity, without which the first boot asks questions.
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
chroot "$root" systemd-machine-id-setup
# The only network is the loopback device; nobody needs to set it up.
chroot "$root" systemctl mask systemd-networkd.service systemd-networkd.socket \
	systemd-networkd-wait-online.service
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/log/*.log

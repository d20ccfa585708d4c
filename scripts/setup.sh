#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the programs that the tests use. Does nothing when all of them are
# there, so that it needs no network the second time. `setup.sh --missing`
# only prints the Debian packages that are missing; `setup.sh --bench` adds
# what the measurements of `make bench` need: a C compiler and the peers.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

# command:package
needs=(
	mandoc:mandoc nft:nftables ip:iproute2 nginx:nginx-light apache2:apache2-bin mariadbd:mariadb-server
	ping:iputils-ping tcpdump:tcpdump traceroute:traceroute tracepath:iputils-tracepath mtr:mtr-tiny
	scamper:scamper ps:procps
	sshd:openssh-server exim4:exim4-daemon-light dovecot:dovecot-imapd doveadm:dovecot-pop3d vsftpd:vsftpd
	pg_lsclusters:postgresql redis-server:redis-server memcached:memcached slapd:slapd mosquitto:mosquitto
	unbound:unbound chronyd:chrony rabbitmq-server:rabbitmq-server openssl:openssl
	setpriv:util-linux strace:strace
	setcap:libcap2-bin unshare:util-linux nsenter:util-linux qemu-aarch64-static:qemu-user-static
	systemd-nspawn:systemd-container debootstrap:debootstrap
	rpm:rpm rpm2cpio:rpm2cpio cpio:cpio logrotate:logrotate shellcheck:shellcheck zsh:zsh systemd-analyze:systemd
)
if [ "${1:-}" = --bench ]; then
	needs+=(
		gcc:gcc taskset:util-linux bzcat:bzip2 fping:fping nmap:nmap
		hipercontracer:hipercontracer prometheus-smokeping-prober:prometheus-smokeping-prober
	)
	# gcc without the C library's headers compiles nothing.
	[ -e /usr/include/stdio.h ] || needs+=(no-c-headers:libc6-dev)
fi

missing=()
for need in "${needs[@]}"; do
	command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ "${1:-}" = --missing ]; then
	echo "${missing[*]}"
	exit 0
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "setup: install these, under the names that your system gives them: ${missing[*]}" >&2
	exit 1
fi

# The tests start their own servers, in their own namespaces; nothing of
# Debian's may start because it was installed.
policy=/usr/sbin/policy-rc.d
saved=
if [ -e $policy ]; then
	saved=$policy.before-connmonitor
	mv $policy "$saved"
fi
restore() {
	rm -f $policy
	[ -z "$saved" ] || mv "$saved" $policy
}
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >$policy
chmod 0755 $policy

export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null

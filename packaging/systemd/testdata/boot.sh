#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# boot.sh ROOT PLACE NAME CGROUP... boots a throw-away copy of the Debian in
# ROOT, and again whenever it reboots, until it is powered off. It is process 1
# of namespaces of its own, for mounts and processes: what it mounts and starts
# ends with it. PLACE is an empty directory to mount on. The processes belong to
# the CGROUPs.
set -eu
root=$1 place=$2 name=$3
shift 3
for cgroup; do
	echo 0 >"$cgroup/cgroup.procs"
done

# nspawn keeps notes in /run, and would leave them there.
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755,size=1g tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/copy"
mount -t overlay -o "lowerdir=$root,upperdir=$place/upper,workdir=$place/work" overlay "$place/copy" ||
	cp -a "$root/." "$place/copy"

# Filters of addresses are programs for the kernel (bpf). With --keep-unit, 133 is how nspawn tells of a reboot.
status=133
while [ "$status" -eq 133 ]; do
	status=0
	systemd-nspawn --quiet --boot --register=no --keep-unit --private-network \
		--system-call-filter=bpf \
		--resolv-conf=off --timezone=off --console=pipe \
		--machine="$name" --directory="$place/copy" || status=$?
done
exit "$status"

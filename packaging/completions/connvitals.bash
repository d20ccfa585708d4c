# SPDX-License-Identifier: Apache-2.0
# bash completion for connvitals(1)                        -*- shell-script -*-

_connvitals() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $prev in
	-p | --pings | --payload-size | --interval | -H | --hops | --timeout | --rate | --scan-parallel | --ports | --port | --flows) return ;;
	--method)
		mapfile -t COMPREPLY < <(compgen -W 'icmp udp tcp' -- "$cur")
		return
		;;
	--asn)
		mapfile -t COMPREPLY < <(compgen -W dns -- "$cur")
		return
		;;
	--asn-db)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--source)
		# An interface; an address has to be typed.
		mapfile -t COMPREPLY < <(compgen -W "$(cd /sys/class/net 2>/dev/null && echo *)" -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '-h --help -V --version -p --pings -P --no-ping
			--payload-size --interval -t --trace -H --hops -s --port-scan -j --json --details
			-4 -6 --timeout --source --rate --scan-parallel --ports --method --port --flows --mtu --asn-db --asn' -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
} && complete -F _connvitals connvitals

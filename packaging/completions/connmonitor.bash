# SPDX-License-Identifier: Apache-2.0
# bash completion for connmonitor(8)                       -*- shell-script -*-

_connmonitor() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $prev in
	--log | --err | --asn-db) ;; # a file, as below
	--rate | --scan-parallel) return ;;
	--asn)
		mapfile -t COMPREPLY < <(compgen -W dns -- "$cur")
		return
		;;
	*)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
				'-v -V --version -h --help --check --quiet --rate --scan-parallel --log --err --asn-db --asn' -- "$cur")
			return
		fi
		;;
	esac
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} && complete -F _connmonitor connmonitor

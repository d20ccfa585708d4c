# SPDX-License-Identifier: Apache-2.0
# bash completion for connmonitor(8)                       -*- shell-script -*-

_connmonitor() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $prev in
	--log | --err) ;; # a file, as below
	--rate) return ;;
	*)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
				'-v -V --version -h --help --check --quiet --rate --log --err' -- "$cur")
			return
		fi
		;;
	esac
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
} && complete -F _connmonitor connmonitor

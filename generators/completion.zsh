#compdef mapsd
# zsh completion of mapsd, made by bin/build-share.

__mapsd_processes() {  # PIDs and names, and $1 for mapsd itself
    local -a found
    local pid name
    for pid in /proc/<->(N:t); do
        name=
        read -r name 2>/dev/null </proc/$pid/comm
        found+=("${pid}:${name//\\/\\\\}")
    done
    (( $# )) && found+=("${1}:mapsd itself")
    _describe -V -t processes process found
}

__mapsd_list() {  # words with commas between them
    compset -P +
    _sequence compadd - "$@"
}

#TABLES#
_mapsd() {
    local at=2
    while (( at < CURRENT )) && [[ $words[at] == -* ]]; do  # an option of mapsd itself, and its value
        (( at += ${__mapsd_valued[(Ie)$words[at]]} ? 2 : 1 ))
    done
    if (( CURRENT <= at )); then
        __mapsd_itself
        return
    fi
    local command=$words[at]
    (( $+functions[_mapsd_$command] )) || return 1
    local curcontext="${curcontext%:*:*}:mapsd-$command:"
    shift $(( at - 1 )) words
    (( CURRENT -= at - 1 ))
    _mapsd_$command
}

_mapsd "$@"

# bash completion of mapsd, made by bin/build-share.

# The tables say what a word may be in words, processes, files, and listed: words with commas between them.
# attached: the value only stands after =.

#TABLES#
_mapsd_processes() {
    local found=(/proc/[0-9]*)
    words+=("${found[@]##*/}")
}

_mapsd_letters() {  # leaves the last letter of -abc in option, where it takes a value that is still to come
    local at
    for ((at = 1; at < ${#2}; at++)); do
        if _mapsd_value "$1" "-${2:at:1}"; then
            ((at == ${#2} - 1)) && option=-${2:at:1}
            return
        fi
    done
}

_mapsd_before() {  # reads the words before the cursor: command, place (operands since), option (its value comes), ended
    local at now
    for ((at = 1; at < COMP_CWORD; at++)); do
        now=${COMP_WORDS[at]}
        if [[ $now == :* ]]; then  # : divides words as well: http://HOST:PORT is five
            ((at++))
            continue
        fi
        if [[ -n $option && $now == = ]]; then  # = divides words: --option=VALUE is three
            equals=1
            continue
        fi
        if [[ -n $option ]]; then
            attached=
            _mapsd_value "$command" "$option"
            option=
            [[ -n $attached && -z $equals ]] || continue
        fi
        equals=
        case $ended$now in
        --) ended=1 ;;
        --*) _mapsd_value "$command" "$now" && option=$now ;;
        -?*) _mapsd_letters "$command" "$now" ;;
        *) ((++place)) || command=$now ;;
        esac
    done
}

_mapsd_may() {  # what the word at the cursor may be
    if [[ -n $option ]]; then
        words=() processes= files= listed= attached=
        _mapsd_value "$command" "$option"
        [[ -n $attached && -z $equals ]] || return
    fi
    words=() processes= files= listed=
    if [[ -z $ended && $word == -* ]]; then
        _mapsd_options "$command"
    else
        _mapsd_operand "$command" "$place"
    fi
}

_mapsd() {
    local word=${COMP_WORDS[COMP_CWORD]} command= option= equals= ended= place=-1
    local words=() processes= files= listed= attached= before= now
    COMPREPLY=()
    _mapsd_before
    if [[ -n $option && $word == = ]]; then
        word= equals=1
    elif [[ -z $option && -z $ended && $word == --*=* ]]; then  # where = divides none
        option=${word%%=*} before=${word%%=*}= word=${word#*=} equals=1
    fi
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == *[\<\>] ]]; then
        words=() processes= listed= files=1
    else
        _mapsd_may
    fi
    [[ -n $processes ]] && _mapsd_processes
    if [[ -n $listed ]]; then
        compopt -o nospace 2>/dev/null
        [[ $word == +* ]] && before+=+ word=${word#+}
        [[ $word == *,* ]] && before+=${word%,*}, word=${word##*,}
    fi
    for now in "${words[@]}"; do
        [[ $now == "$word"* ]] && COMPREPLY+=("$before$now")
    done
    # readline finds files itself, and quotes their names.
    [[ -n $files ]] && compopt -o default 2>/dev/null
    return 0
}

complete -F _mapsd mapsd

# fish completion of mapsd, made by bin/build-share.

function __mapsd_at -a command operator place -d 'Whether this is a word of a command, and which operand (-eq 0: the first)'
    set -l words (commandline -opc)
    set -e words[1]
    while string match -q -- '-*' "$words[1]"
        # an option of mapsd itself, and its value
        contains -- " $words[1]" $__mapsd_valued
        and set -e words[2]
        set -e words[1]
    end
    if test -z "$command"
        test (count $words) -eq 0
        return
    end
    test "$words[1]" = "$command"
    or return
    test -z "$place"
    or test (__mapsd_operands $words) $operator $place
end

function __mapsd_operands -a command -d 'How many of the words after a command are operands'
    # $__mapsd_valued: each command with each option that takes the next word
    set -l found 0
    set -l option
    for word in $argv[2..]
        if test "$option" = --
            set found (math $found + 1)
        else if test -n "$option"
            set option
        else if test "$word" = --; or contains -- "$command $word" $__mapsd_valued
            set option $word
        else if string match -q -- '--*' $word
            continue
        else if string match -qr -- '^-.' $word
            # -abc VALUE
            contains -- "$command -"(string sub -s -1 -- $word) $__mapsd_valued
            and set option $word
        else
            set found (math $found + 1)
        end
    end
    echo $found
end

function __mapsd_processes -d 'PIDs and names'
    sh -c 'grep -H "" /proc/[0-9]*/comm 2>/dev/null' | string replace -rf '^/proc/(\d+)/comm:(.*)$' '$1\t$2'
end

function __mapsd_list -d 'Words with commas between them, after those that are there'
    set -l before (commandline -ct | string match -rg '^(?:--[^=]*=)?(\+?(?:.*,)?)')
    printf '%s\n' $before$argv
end

complete -c mapsd -f

#TABLES#

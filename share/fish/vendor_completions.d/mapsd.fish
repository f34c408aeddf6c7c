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

set -g __mapsd_valued ' --socket' ' --url' ' --token-file' ' --ca-file' ' --cert-file' ' --key-file' 'lookup --thread' 'lookup --state' 'lookup -o' 'lookup --output' 'lookup --format' 'lookup --proof' 'lookup --procfs' 'lookup --host-root' 'lookup --from' 'explain --proof' 'explain --procfs' 'explain --host-root' 'explain --from' 'fds --proof' 'fds --procfs' 'fds --host-root' 'fds --from' 'layers --procfs' 'layers --host-root' 'layers --from' 'layers --root' 'containers --procfs' 'containers --host-root' 'containers --from' 'containers --root' 'images --root' 'which --procfs' 'which --host-root' 'which --from' 'which --root' 'translate --thread' 'translate --procfs' 'translate --host-root' 'translate --from' 'record -o' 'record --output' 'record --thread' 'record --procfs' 'record --host-root' 'extract -o' 'extract --output' 'extract --fault' 'extract --max-size' 'serve --config' 'serve --socket' 'serve --socket-mode' 'serve --socket-group' 'serve --group' 'serve --listen' 'serve --token-file' 'serve --token-user' 'serve --allowed-hosts' 'serve --allowed-origins' 'serve --tls-certificate' 'serve --tls-key' 'serve --tls-client-ca' 'serve --procfs' 'serve --host-root' 'serve --lookups' 'serve --waiting' 'serve --connections' 'serve --body-limit' 'serve --page-size' 'serve --watch-interval' 'serve --drain' 'serve --audit' 'doctor --procfs' 'doctor --host-root' 'doctor --from'
complete -c mapsd -n '__mapsd_at ""' -l version -d 'the version'
complete -c mapsd -n '__mapsd_at ""' -l socket -r -F -d 'ask the daemon at this Unix socket: lookup, explain, fds, layers, which, translate, containers, doctor'
complete -c mapsd -n '__mapsd_at ""' -l url -x -d 'the same by http://HOST:PORT or https://HOST:PORT'
complete -c mapsd -n '__mapsd_at ""' -l token-file -r -F -d 'with --url, a file with the token, which only you may read'
complete -c mapsd -n '__mapsd_at ""' -l ca-file -r -F -d 'with https, the certificates that are trusted instead of the system\'s'
complete -c mapsd -n '__mapsd_at ""' -l cert-file -r -F -d 'with https, a certificate that says who you are'
complete -c mapsd -n '__mapsd_at ""' -l key-file -r -F -d 'its key'
complete -c mapsd -n '__mapsd_at ""' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a demo -d 'a container of its own in which a library is copied up: the idea in ten seconds'
complete -c mapsd -n '__mapsd_at "demo"' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a lookup -d 'the mappings of processes'
complete -c mapsd -n '__mapsd_at "lookup"' -l all -d 'every process that can be seen; those that exit or may not be read are counted on stderr'
complete -c mapsd -n '__mapsd_at "lookup"' -l thread -x -d 'as this thread of the one process sees it, which may have a mount namespace or a root of its own'
complete -c mapsd -n '__mapsd_at "lookup"' -l state -x -a '(__mapsd_list current copied-up replaced deleted covered detached unreachable unknown)' -d 'only mappings in one of these states, parted by commas'
complete -c mapsd -n '__mapsd_at "lookup"' -l overlay-only -d 'only mappings of files on an overlay, or that may be'
complete -c mapsd -n '__mapsd_at "lookup"' -l files -d 'one row a file, for all its mappings that have the same answer'
complete -c mapsd -n '__mapsd_at "lookup"' -l packages -d 'the package of each file\'s bytes, by the databases in the container itself: in JSON, or in more columns'
complete -c mapsd -n '__mapsd_at "lookup"' -s o -l output -x -a '(__mapsd_list PID NAME UID EXE ROOT MOUNT_NAMESPACE CONTAINER CONTAINER_ID ENGINE IMAGE IMAGE_DIGEST POD POD_NAMESPACE ADDRESS START END SIZE PERMS OFFSET MAPPINGS KIND SHOWN SHOWN_DEVICE SHOWN_INODE USER_PATH HOST_PATH OPENABLE_PATH MOUNT MOUNT_ID MOUNT_DEVICE FS_TYPE BACKING BACKING_DEVICE BACKING_INODE BACKING_FS_TYPE LAYER LAYER_PATH POSITION DIFF_ID DIGEST STEP METADATA THROUGH PACKAGE PACKAGE_VERSION PACKAGE_ARCHITECTURE PACKAGE_KIND PACKAGE_SOURCE DISTRIBUTION PACKAGE_STATE PACKAGE_REASON STATE CONFIDENCE PROOF EVIDENCE BUILD_ID REASON NEEDS)' -d 'these columns, parted by commas; +COLUMN,… adds to the default'
complete -c mapsd -n '__mapsd_at "lookup"' -l output-all -d 'every column'
complete -c mapsd -n '__mapsd_at "lookup"' -l list-columns -d 'the columns and what each means'
complete -c mapsd -n '__mapsd_at "lookup"' -s n -l noheadings -d 'no headings'
complete -c mapsd -n '__mapsd_at "lookup"' -s r -l raw -d 'exact values parted by one blank, empty where there is none; blanks, control bytes and backslashes in them are \\xHH'
complete -c mapsd -n '__mapsd_at "lookup"' -s 0 -l null -d 'exact values, each ended by a NUL byte, no headings'
complete -c mapsd -n '__mapsd_at "lookup"' -l format -x -a 'table json ndjson proc' -d 'table, json, ndjson, or proc: the text of /proc/PID/maps with user paths, and as the kernel printed it where they are not established'
complete -c mapsd -n '__mapsd_at "lookup"' -s J -l json -d 'one JSON object, an array for several processes'
complete -c mapsd -n '__mapsd_at "lookup"' -l ndjson -d 'one JSON object a line'
complete -c mapsd -n '__mapsd_at "lookup"' -l proof -x -a 'auto lookup page-frame build-id bpf' -d 'what may be asked beyond names: auto (the cheapest that is sufficient), lookup (nothing), or one of page-frame, build-id and bpf wherever it applies'
complete -c mapsd -n '__mapsd_at "lookup"' -l color -a 'auto always never' -d 'auto (on a terminal, unless NO_COLOR is set), always or never'
complete -c mapsd -n '__mapsd_at "lookup"' -l no-pager -d 'no pager'
complete -c mapsd -n '__mapsd_at "lookup"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "lookup"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "lookup"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "lookup"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "lookup" -ge 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self 0xADDRESS'

complete -c mapsd -n '__mapsd_at ""' -a explain -d 'how one answer was reached, step by step'
complete -c mapsd -n '__mapsd_at "explain"' -l proof -x -a 'auto lookup page-frame build-id bpf' -d 'what may be asked beyond names, as for mapsd lookup'
complete -c mapsd -n '__mapsd_at "explain"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "explain"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "explain"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "explain"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "explain"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "explain" -eq 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self'
complete -c mapsd -n '__mapsd_at "explain" -ge 1' -k -F -d '0xADDRESS|PATH'

complete -c mapsd -n '__mapsd_at ""' -a fds -d 'what exe, cwd, root and every file descriptor open'
complete -c mapsd -n '__mapsd_at "fds"' -s J -l json -d 'one JSON object, an array for several processes'
complete -c mapsd -n '__mapsd_at "fds"' -l ndjson -d 'one JSON object a line'
complete -c mapsd -n '__mapsd_at "fds"' -l proof -x -a 'auto lookup page-frame bpf' -d 'what may be asked beyond names: auto (the cheapest that is sufficient), lookup (nothing), or one of page-frame and bpf wherever it applies'
complete -c mapsd -n '__mapsd_at "fds"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "fds"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "fds"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "fds"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "fds" -ge 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self'

complete -c mapsd -n '__mapsd_at ""' -a layers -d 'the overlays that a process sees, and their layers'
complete -c mapsd -n '__mapsd_at "layers"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "layers"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "layers"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "layers"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "layers"' -l root -x -d 'the containers of a host that does not run: its disk is mounted here, or a store unpacked'
complete -c mapsd -n '__mapsd_at "layers"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "layers" -eq 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|IMAGE|self'

complete -c mapsd -n '__mapsd_at ""' -a containers -d 'the containers that run, their images and processes'
complete -c mapsd -n '__mapsd_at "containers"' -s n -l noheadings -d 'no headings'
complete -c mapsd -n '__mapsd_at "containers"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "containers"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "containers"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "containers"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "containers"' -l root -x -d 'the containers of a host that does not run: its disk is mounted here, or a store unpacked'
complete -c mapsd -n '__mapsd_at "containers"' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a images -d 'the images of a disk, their layers and containers'
complete -c mapsd -n '__mapsd_at "images"' -s n -l noheadings -d 'no headings'
complete -c mapsd -n '__mapsd_at "images"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "images"' -l root -x -d 'the containers of a host that does not run: its disk is mounted here, or a store unpacked'
complete -c mapsd -n '__mapsd_at "images"' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a which -d 'which layer\'s file a path opens, and what it hides'
complete -c mapsd -n '__mapsd_at "which"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "which"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "which"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "which"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "which"' -l root -x -d 'the containers of a host that does not run: its disk is mounted here, or a store unpacked'
complete -c mapsd -n '__mapsd_at "which"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "which" -eq 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self'
complete -c mapsd -n '__mapsd_at "which" -eq 1' -k -F -d 'PATH'

complete -c mapsd -n '__mapsd_at ""' -a translate -d 'by which names a file of a layer, or a device and inode, is opened'
complete -c mapsd -n '__mapsd_at "translate"' -l thread -x -d 'as this thread of the one process sees it, which may have a mount namespace or a root of its own'
complete -c mapsd -n '__mapsd_at "translate"' -l inside -d 'PATH begins at a layer\'s directory, or at one above it'
complete -c mapsd -n '__mapsd_at "translate"' -l hex -d 'DEVICE is in hexadecimal'
complete -c mapsd -n '__mapsd_at "translate"' -l decimal -d 'DEVICE is in decimal'
complete -c mapsd -n '__mapsd_at "translate"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "translate"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "translate"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "translate"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "translate"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "translate" -eq 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self'
complete -c mapsd -n '__mapsd_at "translate" -eq 1' -k -F -d 'PATH|DEVICE:INODE|DEVICE'

complete -c mapsd -n '__mapsd_at ""' -a record -d 'all that answers about processes are made from, as a file'
complete -c mapsd -n '__mapsd_at "record"' -s o -l output -r -F -d 'where to; - is stdout'
complete -c mapsd -n '__mapsd_at "record"' -s f -l force -d 'replace FILE where it is a regular file; links are never followed nor replaced'
complete -c mapsd -n '__mapsd_at "record"' -l thread -x -d 'as this thread of the one process sees it as well; those that have a mount namespace or a root of their own are recorded in any case'
complete -c mapsd -n '__mapsd_at "record"' -l packages -d 'also the packages of the mapped files: their names and versions, and what their records say of these files; every mapped file is read for its digest'
complete -c mapsd -n '__mapsd_at "record"' -l redact -d 'write the same pseudonym wherever a name is the same; user and group ids as well'
complete -c mapsd -n '__mapsd_at "record"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "record"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "record"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "record" -ge 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self'

complete -c mapsd -n '__mapsd_at ""' -a extract -d 'the bytes that a mapping really holds, as a file'
complete -c mapsd -n '__mapsd_at "extract"' -s o -l output -r -F -d 'where to; - is stdout, and then what is printed goes to stderr'
complete -c mapsd -n '__mapsd_at "extract"' -s f -l force -d 'replace FILE where it is a regular file; links are never followed nor replaced'
complete -c mapsd -n '__mapsd_at "extract"' -l fault -x -a 'auto never always' -d 'bring pages into memory for the process: never, always, or auto (the default): not from a filesystem with a server (FUSE, NFS), which might never answer'
complete -c mapsd -n '__mapsd_at "extract"' -l max-size -x -d 'refuse more than this; K, M, G and T may follow (default 4G)'
complete -c mapsd -n '__mapsd_at "extract"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "extract"' -s h -l help -d 'this text'
complete -c mapsd -n '__mapsd_at "extract" -eq 0' -k -a 'self (__mapsd_processes)' -d 'PID|CONTAINER|self'

complete -c mapsd -n '__mapsd_at ""' -a teach -d 'pin an iterator whose text says what maps does not'
complete -c mapsd -n '__mapsd_at "teach"' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a unteach -d 'remove what teach pinned'
complete -c mapsd -n '__mapsd_at "unteach"' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a serve -d 'the daemon: answers over HTTP for others'
complete -c mapsd -n '__mapsd_at "serve"' -l config -r -F -d 'the settings file, TOML (default /etc/mapsd/mapsd.toml, if there is one)'
complete -c mapsd -n '__mapsd_at "serve"' -l socket -r -F -d 'the Unix socket to listen at (/run/mapsd/mapsd.sock for root, $XDG_RUNTIME_DIR/mapsd.sock for others); empty for none'
complete -c mapsd -n '__mapsd_at "serve"' -l socket-mode -x -d 'its permissions, in octal: whoever may write to it may ask (default 0600)'
complete -c mapsd -n '__mapsd_at "serve"' -l socket-group -x -d 'its group, by name or number'
complete -c mapsd -n '__mapsd_at "serve"' -l group -x -d 'the group whose members see every process'
complete -c mapsd -n '__mapsd_at "serve"' -l listen -x -d 'listen for TCP as well; port 0 takes a free one; needs token_file'
complete -c mapsd -n '__mapsd_at "serve"' -l beyond-loopback -a 'true false' -d 'let listen be an address that other machines reach'
complete -c mapsd -n '__mapsd_at "serve"' -l token-file -r -F -d 'the file of the bearer tokens that TCP asks for, one a line, for its owner only'
complete -c mapsd -n '__mapsd_at "serve"' -l token-user -x -d 'whose rights a token has, by name or number (default 65534)'
complete -c mapsd -n '__mapsd_at "serve"' -l allowed-hosts -x -d 'the hosts that a request over TCP may name, without a port, beside localhost, 127.0.0.1 and [::1]'
complete -c mapsd -n '__mapsd_at "serve"' -l allowed-origins -x -d 'the web origins whose pages may ask over TCP, such as https://maps.example'
complete -c mapsd -n '__mapsd_at "serve"' -l tls-certificate -r -F -d 'the certificate chain, PEM; TCP then is TLS'
complete -c mapsd -n '__mapsd_at "serve"' -l tls-key -r -F -d 'its private key, where it is not in the same file'
complete -c mapsd -n '__mapsd_at "serve"' -l tls-client-ca -r -F -d 'ask clients for a certificate that one of these authorities signed, PEM'
complete -c mapsd -n '__mapsd_at "serve"' -l procfs -r -F -d 'where the processes to answer for are mounted (default /proc)'
complete -c mapsd -n '__mapsd_at "serve"' -l host-root -r -F -d 'where the files of the host are reached (the root of that procfs\'s first process)'
complete -c mapsd -n '__mapsd_at "serve"' -l lookups -x -d 'lookups at the same time (default 2)'
complete -c mapsd -n '__mapsd_at "serve"' -l waiting -x -d 'lookups that wait for their turn; further ones are told to come again (default 64)'
complete -c mapsd -n '__mapsd_at "serve"' -l connections -x -d 'connections at the same time; further ones are told to come again (default 512)'
complete -c mapsd -n '__mapsd_at "serve"' -l body-limit -x -d 'the longest body of a request (default 1048576)'
complete -c mapsd -n '__mapsd_at "serve"' -l page-size -x -d 'the most that one page of a list holds (default 1000)'
complete -c mapsd -n '__mapsd_at "serve"' -l watch-interval -x -d 'how often processes are looked at for events (default 1)'
complete -c mapsd -n '__mapsd_at "serve"' -l drain -x -d 'how long requests may go on when the daemon is to end (default 10)'
complete -c mapsd -n '__mapsd_at "serve"' -l audit -x -d 'where looks across users are noted: stderr, off, or the path of a file (default stderr)'
complete -c mapsd -n '__mapsd_at "serve"' -s h -l help -d 'this text'

complete -c mapsd -n '__mapsd_at ""' -a doctor -d 'what this kernel and your privileges let mapsd establish'
complete -c mapsd -n '__mapsd_at "doctor"' -s J -l json -d 'print one JSON object'
complete -c mapsd -n '__mapsd_at "doctor"' -l procfs -x -d 'the processes of this procfs, which in a container is the host\'s'
complete -c mapsd -n '__mapsd_at "doctor"' -l host-root -x -d 'the root of that procfs\'s process 1, bound here: files of layers are opened below it and named without it; unless given, the process\'s own'
complete -c mapsd -n '__mapsd_at "doctor"' -l from -r -F -d 'answer from this recording (mapsd record) instead of the machine'
complete -c mapsd -n '__mapsd_at "doctor"' -s h -l help -d 'this text'

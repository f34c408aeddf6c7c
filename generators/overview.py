"""What only the overview's man page says."""

NAME = "which file each mapping of a process really holds"
DESCRIPTION = """\
For every mapping of a process, mapsd says what the process calls the file, which file really holds the bytes, whether \
the two still agree, and how that is known. /proc/PID/maps does not say on overlayfs: after a copy-up the path, the \
device and inode and the map_files link all stand for the new upper file, while memory still holds the old lower one.

What the kernel prints is a claim that is checked. Where something is not established, the answer is `unknown`, with \
the reason and what would settle it; some answers need a capability. `mapsd doctor` says what works here."""
STATES = {
    "current": "the path opens the very file that the mapping holds",
    "copied-up": "memory holds the lower file, the path opens the upper copy that was made later",
    "replaced": "another file has taken the name",
    "deleted": "the name is gone",
    "covered": "a later mount lies over the file or over a directory above it",
    "detached": "the mount has left the namespace",
    "unreachable": "the file is outside the process's root, or on a mount of another mount namespace",
    "unknown": "not established; the reason is beside it",
}
STATUSES = {
    0: "found, done; answers that are unknown do not change it",
    1: "no such process, no mapping there, or nothing of what was asked for",
    2: "the command line was not understood",
    3: "not permitted; the message names the capability",
    4: "the process exited meanwhile",
    5: "no daemon can be asked (--socket, --url)",
    70: "not answered or not written; the message says why",
    127: "there is no Python of 3.11 or later",
}
ENVIRONMENT = {
    "NO_COLOR": "not empty: no colour, unless --color asks for it",
    "MAPSD_PAGER": "the pager, before PAGER; empty or cat for none",
    "PAGER": "the pager; less where neither is set",
    "LESS": "the options of less; FRX where it is not set",
    "TERM": "dumb or not set: neither colour nor pager",
    "COLUMNS": "how wide the terminal is, before what it says itself",
    "LINES": "how high the terminal is, before what it says itself",
    "TMPDIR": "where `mapsd demo` tries first to put its container",
    "XDG_RUNTIME_DIR": "where it tries next",
}
SEE_ALSO = ("proc(5)", "capabilities(7)", "mount_namespaces(7)", "mmap(2)")

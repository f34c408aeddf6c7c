"""Containers that a runtime made without an engine above it: runc and crun keep a file for each in /run.

runc   /run/runc/ID/state.json     init_process_pid, init_process_start (libcontainer/state_linux.go)
crun   /run/crun/ID/status         pid, process-start-time (src/libcrun/status.c)
"""

from mapsd.engines.documents import Unread, content, document, is_name, names
from mapsd.light import TYPE_CHECKING, Callable, Iterator, NamedTuple
from mapsd.model import Absent, Refused

if TYPE_CHECKING:
    from mapsd.sources import Tree

_LIMIT = 1 << 20  # bytes of one state
_STATES = 2000
_RUNTIMES = (("runc", b"/run/runc", b"state.json", "init_process_pid", "init_process_start"),
             ("crun", b"/run/crun", b"status", "pid", "process-start-time"))


class State(NamedTuple):
    """A container's first process, and when it started (clock ticks since boot)."""

    runtime: str
    id: str
    pid: int
    started: int


def states(open_tree: "Callable[[bytes], Tree | Absent | Refused]") -> Iterator[State]:
    """Yield the containers of root's runtimes; a state that cannot be read is left out."""
    for runtime, directory, file, pid, started in _RUNTIMES:
        tree = open_tree(directory)
        if isinstance(tree, Absent | Refused):
            continue
        for name in _names(tree):
            path = name + b"/" + file
            try:
                fields = document(content(tree, path, _LIMIT), path)
            except Unread:
                continue
            one = State(runtime, name.decode("ascii", "replace"), fields.number(pid), fields.number(started))
            if is_name(one.id) and one.pid > 0:
                yield one


def _names(tree: "Tree") -> list[bytes]:
    try:
        return list(names(tree, b""))[:_STATES]
    except Unread:
        return []


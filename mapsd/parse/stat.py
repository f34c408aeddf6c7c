"""/proc/PID/stat: the command name in parentheses, which may hold anything. See proc_pid_stat(5)."""

from mapsd.errors import ParseError
from mapsd.light import NamedTuple

_EXITING = 0x4  # PF_EXITING, include/linux/sched.h


class Stat(NamedTuple):
    """The state letter, the flags word and the start time in clock ticks since boot."""

    name: bytes
    state: str
    flags: int
    start_time: int

    @property
    def exiting(self) -> bool:
        """Whether the process or thread has begun to exit: then its memory, files and namespaces go, one by one.

        See do_exit(), kernel/exit.c. A zombie has gone all that way.
        """
        return bool(self.flags & _EXITING)


def parse(text: bytes) -> Stat:
    """Return name, state, flags and start time. Raises ParseError for a form nobody knows."""
    opening, closing = text.find(b"("), text.rfind(b")")
    fields = text[closing + 2:].split()
    try:
        return Stat(text[opening + 1:closing], fields[0].decode("ascii"), int(fields[6]), int(fields[19]))
    except (ValueError, IndexError) as error:
        raise ParseError("stat", text, "not a process") from error


def parent(text: bytes) -> int:
    """Return a process's parent, 0 where it has none that its procfs shows. Raises ParseError."""
    fields = text[text.rfind(b")") + 2:].split()
    if len(fields) < 2 or not fields[1].isdigit():
        raise ParseError("stat", text, "not a process")
    return int(fields[1])


def real_uid(status: bytes) -> int:
    """Return the real user id from a text of /proc/PID/status. See proc_pid_status(5)."""
    return _number(status, b"Uid:")


def thread_group(status: bytes) -> int:
    """Return the process that a thread is of, from a text of /proc/TID/status."""
    return _number(status, b"Tgid:")


def _number(status: bytes, name: bytes) -> int:
    for line in status.split(b"\n"):
        fields = line.split()
        if line.startswith(name) and len(fields) > 1 and fields[1].isdigit():
            return int(fields[1])
    raise ParseError("status", status[:100], f"no {name.decode('ascii')} line")

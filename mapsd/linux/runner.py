"""A process as what others are started by: its program, its arguments, its user."""

import os

from mapsd.linux.files import opened
from mapsd.linux.procfs import ProcFs
from mapsd.model.containers import Runner
from mapsd.parse import stat

_ARGUMENTS = 1 << 17  # bytes of a command line


def runner_of(process: ProcFs) -> Runner:
    """Return a process as one that may have made a container. Raises ProcessGone, AccessDenied, ParseError."""
    with opened(process.open("cmdline", os.O_RDONLY | os.O_CLOEXEC)) as fd:
        text = os.read(fd, _ARGUMENTS)
    return Runner(process.pid, stat.real_uid(process.text("status")), process.target("exe"),
                  tuple(text.rstrip(b"\0").split(b"\0")), process.target("ns/mnt"), process.target("cwd"))

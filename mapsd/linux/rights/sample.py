"""A process of a user to try a question on: it waits until it is ended."""

import os
from typing import Self

from mapsd.linux.rights import credentials


class Sample:
    """A child of ours with a user's ids and no more; `pid` is its number in a procfs, 0 where that does not show it."""

    def __init__(self, procfs: bytes, uid: int, *, dumpable: bool = True) -> None:
        """Start it. As another user than ourselves it is in no group and has no capability."""
        ready, done = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        self._child = os.fork()
        if not self._child:
            os.close(ready[0])
            os.close(done[1])
            _wait(procfs, uid, ready[1], done[0], dumpable=dumpable)
        os.close(ready[1])
        os.close(done[0])
        self._writer = done[1]
        self.pid = int(os.read(ready[0], 20) or b"0")
        os.close(ready[0])

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        os.close(self._writer)
        os.waitpid(self._child, 0)


def _wait(procfs: bytes, uid: int, ready: int, done: int, *, dumpable: bool) -> None:
    try:
        own = os.readlink(procfs + b"/self")
        if uid != os.geteuid():
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            credentials.give_up_capabilities()
        # A change of ids hides a process from its own user until it executes a program.
        credentials.set_dumpable(int(dumpable))
        os.write(ready, own)
        os.read(done, 1)
    finally:
        os._exit(0)

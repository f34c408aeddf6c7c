"""May this peer see that process? The kernel is asked, as the peer, whether it would open its maps.

Rules of our own would be wrong somewhere (ptrace(2), "Ptrace access mode checking", is long, and security modules
add to it), so the calling thread takes on the peer's ids without any capability, opens, and becomes itself again.
"""

import os
import threading

from mapsd.errors import NoAuthority
from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.linux import credentials

if TYPE_CHECKING:
    from typing import Self

_BROKEN = 70  # EX_SOFTWARE: a thread with another's credentials must not go on


class Peer(NamedTuple):
    """Who asks, as the kernel says: ids and groups in our user namespace.

    *foreign* says that the peer lives in another user or pid namespace, where its ids mean other rights or processes.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    foreign: bool = False


class Authority:
    """Asks the kernel, one question at a time."""

    def __init__(self) -> None:
        """Remember who we are."""
        self._lock = threading.Lock()
        self._dumpable = credentials.dumpable()

    def may_see(self, peer: Peer, pid: int) -> bool:
        """Return whether the kernel would let *peer*, without capabilities, open the maps of a process now.

        A process that is gone, a peer of other namespaces and whatever goes wrong are a no. A thread that cannot
        become itself again ends the whole process.
        """
        if peer.foreign:
            return False
        with self._lock:
            return self._asked(peer, pid)

    def _asked(self, peer: Peer, pid: int) -> bool:
        mine = credentials.own()
        try:
            credentials.become(peer.uid, peer.gid, peer.groups, mine)
            return _opens(pid)
        except OSError:
            return False
        finally:
            self._restore(mine)

    def _restore(self, mine: credentials.Credentials) -> None:
        try:
            credentials.restore(mine)
            credentials.set_dumpable(self._dumpable)
        except BaseException:  # noqa: BLE001  (nothing at all may go on as somebody else)
            os._exit(_BROKEN)

    def test(self) -> None:
        """Raise NoAuthority unless this kernel and our capabilities give right answers about processes of our own."""
        nobody = Peer(_OTHER, _OTHER, ())
        before = credentials.own()
        with _Child(_OTHER) as others, _Child(os.geteuid()) as ours:
            if not self.may_see(nobody, others.pid):
                raise NoAuthority("a process of the same user cannot be seen: CAP_SETUID and CAP_SETGID are needed")
            if self.may_see(nobody, ours.pid) or self.may_see(nobody._replace(foreign=True), others.pid):
                raise NoAuthority("a process of another user can be seen")
        if credentials.own() != before:
            raise NoAuthority("credentials were not restored")


_OTHER = 65533  # no user's that a system gives; nothing is done as it but to be looked at


class _Child:
    """A process of a user, which waits until it is ended."""

    def __init__(self, uid: int) -> None:
        ready, done = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if not self.pid:
            _wait_as(uid, ready[1], done[0], (ready[0], done[1]))
        self._writer = done[1]
        os.close(done[0])
        os.close(ready[1])
        os.read(ready[0], 1)
        os.close(ready[0])

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        os.waitpid(self.pid, 0)


def _wait_as(uid: int, ready: int, done: int, others: tuple[int, int]) -> None:
    try:
        for fd in others:
            os.close(fd)
        if uid != os.geteuid():
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            # A change of ids hides a process from its own user until it executes a program.
            credentials.set_dumpable(1)
        os.write(ready, b".")
        os.read(done, 1)
    finally:
        os._exit(0)


def _opens(pid: int) -> bool:
    try:
        os.close(os.open(f"/proc/{pid}/maps", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True

"""May this peer see that process? The kernel is asked, as the peer, whether it would open its maps.

Rules of our own would be wrong somewhere (ptrace(2), "Ptrace access mode checking", is long, and security modules
add to it), so the calling thread takes on the peer's ids without any capability, opens, and becomes itself again.
"""

import os
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from mapsd.errors import NoAuthority
from mapsd.linux import syscalls
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.rights import credentials
from mapsd.linux.rights.disguise import asked_as
from mapsd.linux.rights.reading import Reader
from mapsd.linux.rights.sample import Sample

CHUNK = 64  # processes that are asked about, and descriptors that are open, before the thread is itself again
_NOTHING_ELSE = syscalls.RESOLVE_NO_XDEV | syscalls.RESOLVE_NO_SYMLINKS  # what was bound over a file there is no answer
_OTHER, _ANOTHER = 65533, 65532  # no users that a system gives; nothing is done as they but to be looked at
Held = list[tuple[int, int]]  # a pid, and its maps as they were opened


class Peer(NamedTuple):
    """Who asks, as the kernel says: ids and groups in our user namespace.

    *foreign* says that the peer lives in another user or pid namespace, where its ids mean other rights or processes.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    foreign: bool = False


class Authority:
    """Asks the kernel as the peer. Needs CAP_SETUID and CAP_SETGID, and any capability that the peer does not have."""

    def __init__(self, procfs: bytes = b"/proc") -> None:
        """Ask about the processes that *procfs* shows."""
        self._procfs = procfs

    def may_see(self, peer: Peer, pid: int) -> bool:
        """Return whether the kernel would let *peer*, without capabilities, read the maps of a process now.

        A process that is gone, a peer of other namespaces and whatever goes wrong are a no. Raises OSError where we
        ourselves have no descriptor or memory left to ask. A thread that cannot become itself again ends the process.
        """
        return pid in self.visible(peer, (pid,))

    def visible(self, peer: Peer, pids: Sequence[int]) -> Collection[int]:
        """Return those of *pids* of which may_see() is true; raises what it raises."""
        if peer.foreign:
            return frozenset()

        def ask(opening: Callable[[], None]) -> None:
            asked_as(peer.uid, peer.gid, peer.groups, opening)
        # Our own memory is open to each of our threads, whatever its credentials (may_access_mm(), kernel/fork.c). Our
        # permitted capabilities close it to everybody without capabilities (cap_ptrace_access_check()).
        return _without_us(self._procfs, _visible(self._procfs, pids, ask))

    def reader(self, peer: Peer) -> Reader:
        """Return what gives files as *peer* may read them."""
        return Reader(peer.uid, peer.gid, peer.groups)

    def test(self) -> None:
        """Raise NoAuthority unless this kernel and our capabilities give right answers about processes of our own."""
        before = credentials.own()
        other = _OTHER if before.uid != _OTHER else _ANOTHER
        if _dumpable_as(other) == 1:
            raise NoAuthority("fs.suid_dumpable is 1, so whoever asks could look into the daemon")
        with (Sample(self._procfs, other) as theirs, Sample(self._procfs, before.uid) as ours,
              Sample(self._procfs, other, dumpable=False) as hidden):
            seen = self.visible(Peer(other, other, ()), (theirs.pid, ours.pid, hidden.pid, *_ourselves(self._procfs)))
            foreign = self.visible(Peer(other, other, (), foreign=True), (theirs.pid,))
        if theirs.pid not in seen:
            raise NoAuthority("a process of the same user cannot be seen")
        if len(seen) > 1 or foreign:
            raise NoAuthority("a process that its user may not see can be seen")
        if credentials.own() != before:
            raise NoAuthority("credentials were not restored")


class OwnAuthority:
    """Asks the kernel as ourselves, for a peer that is the same to it: same ids, and neither has a capability.

    What ptrace(2) compares are the user and group ids, the capabilities and the user namespaces of the two.
    """

    def __init__(self, procfs: bytes = b"/proc") -> None:
        """Ask about the processes that *procfs* shows."""
        self._procfs = procfs

    def may_see(self, peer: Peer, pid: int) -> bool:
        """Return whether *peer* is our own user and may read the maps of a process now. Raises as Authority does."""
        return pid in self.visible(peer, (pid,))

    def visible(self, peer: Peer, pids: Sequence[int]) -> Collection[int]:
        """Return those of *pids* of which may_see() is true; raises what it raises."""
        if peer.foreign or (peer.uid, peer.gid) != (os.geteuid(), os.getegid()):
            return frozenset()
        seen = _visible(self._procfs, pids, lambda opening: opening())
        return seen if credentials.dumpable() == 1 else _without_us(self._procfs, seen)

    def reader(self, peer: Peer) -> None:
        """Return None: whoever sees anything may read what we may."""

    def test(self) -> None:
        """Raise NoAuthority unless we are one user without capabilities, and answers about our own processes right."""
        if credentials.own().permitted or len({*os.getresuid()}) > 1 or len({*os.getresgid()}) > 1:
            raise NoAuthority("we have rights that our user does not have")
        own = Peer(os.geteuid(), os.getegid(), ())
        with Sample(self._procfs, own.uid) as ours, Sample(self._procfs, own.uid, dumpable=False) as hidden:
            if set(self.visible(own, (ours.pid, hidden.pid))) != {ours.pid}:
                raise NoAuthority("not the processes of our own user are seen")


def established(procfs: bytes = b"/proc") -> Authority | OwnAuthority:
    """Return what answers who may see which of the processes that *procfs* shows, tested.

    That is OwnAuthority where we have no capability at all. To be called before there are threads, as it forks.
    Raises NoAuthority.
    """
    authority = Authority(procfs) if credentials.own().permitted else OwnAuthority(procfs)
    try:
        authority.test()
    except OSError as error:
        raise NoAuthority(f"it could not be tried: {error}") from error
    return authority


def _visible(procfs: bytes, pids: Sequence[int], ask: Callable[[Callable[[], None]], None]) -> frozenset[int]:
    """Return of which processes the maps can be opened in *ask*, which may change who we are."""
    with opened(os.open(procfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as directory:
        # As ourselves first: without openat2 a module is imported, whose file a peer may not be able to read.
        os.close(syscalls.openat2(directory, b".", os.O_PATH, _NOTHING_ELSE))
        return frozenset(pid for begin in range(0, len(pids), CHUNK)
                         for pid in _readable(directory, pids[begin:begin + CHUNK], ask))


def _readable(procfs: int, pids: Sequence[int], ask: Callable[[Callable[[], None]], None]) -> list[int]:
    held: Held = []
    try:
        ask(lambda: _open_each(procfs, pids, held))
        # A process without memory (a zombie, a thread of the kernel) opens for everybody before Linux 6.17.
        return [pid for pid, fd in held if _has_text(fd)]
    except OSError as error:
        unless_exhausted(error)
        return []
    finally:
        for _, fd in held:
            os.close(fd)


def _open_each(procfs: int, pids: Sequence[int], held: Held) -> None:
    for pid in pids:
        try:
            held.append((pid, syscalls.openat2(procfs, b"%d/maps" % pid, os.O_RDONLY, _NOTHING_ELSE)))
        except OSError as error:
            unless_exhausted(error)


def _has_text(fd: int) -> bool:
    try:
        return bool(os.read(fd, 1))
    except OSError as error:
        unless_exhausted(error)
        return False


def _without_us(procfs: bytes, pids: frozenset[int]) -> frozenset[int]:
    """Return *pids* without those that are threads of ours. Raises OSError."""
    return frozenset(pid for pid in pids if not _is_ours(procfs, pid))


def _is_ours(procfs: bytes, pid: int) -> bool:
    try:
        os.stat(procfs + b"/self/task/%d" % pid)
    except FileNotFoundError:
        return False
    return True


def _ourselves(procfs: bytes) -> list[int]:
    return [int(name) for name in os.listdir(procfs + b"/self/task")]


def _dumpable_as(uid: int) -> int:
    try:
        return asked_as(uid, uid, (), credentials.dumpable)
    except OSError as error:
        raise NoAuthority("CAP_SETUID and CAP_SETGID are needed") from error

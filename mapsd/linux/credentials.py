"""One thread takes on the credentials of somebody else, and its own again. See credentials(7), capabilities(7).

The C library would change every thread of the process; these are the kernel's own calls, which change the calling one.
"""

import os
import struct

from mapsd.light import NamedTuple
from mapsd.linux import syscalls

_KEEP = -1
_HEADER = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, include/uapi/linux/capability.h; our own
_SETS = struct.Struct("=6I")  # effective, permitted, inheritable of capabilities 0 to 31, then of 32 to 63
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


class Credentials(NamedTuple):
    """Who a thread is to the kernel: effective ids, supplementary groups and the three sets of capget(2)."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    sets: tuple[int, ...]


def own() -> Credentials:
    """Return the calling thread's. Raises OSError."""
    sets = _SETS.unpack(syscalls.capget(_HEADER, _SETS.size))
    return Credentials(os.geteuid(), os.getegid(), tuple(os.getgroups()), sets)


def become(uid: int, gid: int, groups: tuple[int, ...], mine: Credentials) -> None:
    """Take on effective ids and groups, without any effective capability; *mine* is restored by restore().

    Needs CAP_SETUID and CAP_SETGID. Raises OSError, and then some of it may be done: restore.
    """
    syscalls.setgroups(groups)
    syscalls.setresgid(_KEEP, gid, _KEEP)
    syscalls.setresuid(_KEEP, uid, _KEEP)
    _set_capabilities((0, *mine.sets[1:3], 0, *mine.sets[4:]))


def restore(mine: Credentials) -> None:
    """Be what one was again. Raises OSError where that does not work or is not what came out."""
    if own() == mine:
        return
    # The permitted set was kept; a change of the effective uid alters the effective set, so it is set once more.
    _set_capabilities(mine.sets)
    syscalls.setresuid(_KEEP, mine.uid, _KEEP)
    syscalls.setresgid(_KEEP, mine.gid, _KEEP)
    syscalls.setgroups(mine.groups)
    _set_capabilities(mine.sets)
    if own() != mine:
        raise OSError(0, "credentials were not restored")


def dumpable() -> int:
    """Return whether /proc/self is the process's own (PR_GET_DUMPABLE(2const)): a change of ids takes that away."""
    return syscalls.prctl(_PR_GET_DUMPABLE, 0)


def set_dumpable(value: int) -> None:
    """Give it back. Raises OSError."""
    syscalls.prctl(_PR_SET_DUMPABLE, value)


def _set_capabilities(sets: tuple[int, ...]) -> None:
    syscalls.capset(_HEADER, _SETS.pack(*sets))

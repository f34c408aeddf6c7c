"""One thread takes on the credentials of somebody else, and its own again. See credentials(7), capabilities(7).

The C library would change every thread of the process; these are the kernel's own calls, which change the calling one.
They keep the interpreter's lock: to wait for it among busy threads after each of them takes milliseconds, and no other
Python code should run while a thread is half somebody else.
"""

import ctypes
import errno
import os
import struct

from mapsd.light import NamedTuple
from mapsd.linux import numbers

_KEEP = -1
_NO_ID = 0xFFFFFFFF  # (uid_t) -1: to the kernel "keep", in SO_PEERCRED "nobody known"
_HEADER = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, include/uapi/linux/capability.h; our own
_SETS = struct.Struct("=6I")  # effective, permitted, inheritable of capabilities 0 to 31, then of 32 to 63
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Credentials(NamedTuple):
    """Who a thread is to the kernel: effective ids, supplementary groups and the three sets of capget(2)."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    sets: tuple[int, ...]

    @property
    def permitted(self) -> bool:
        """Return whether there is any capability, in effect or to be put into effect."""
        return any((*self.sets[:2], *self.sets[3:5]))


def own() -> Credentials:
    """Return the calling thread's, groups in order. Raises OSError."""
    buffer = ctypes.create_string_buffer(_SETS.size)
    _call("capget", _HEADER, buffer)
    return Credentials(os.geteuid(), os.getegid(), tuple(sorted(os.getgroups())), _SETS.unpack(buffer.raw))


def become(uid: int, gid: int, groups: tuple[int, ...], mine: Credentials) -> None:
    """Take on effective ids and groups, without any effective capability; restore() makes it *mine* again.

    Real and saved ids stay ours, so that the other user may not signal the thread, and so do the permitted
    capabilities, so that it may not trace or slow it. Needs CAP_SETUID and CAP_SETGID. Raises OSError, and then some of
    it may be done: restore.
    """
    wanted = _without_effective(uid, gid, groups, mine)
    _set_groups(groups)
    _call("setresgid", _KEEP, gid, _KEEP)
    _call("setresuid", _KEEP, uid, _KEEP)
    _set_capabilities(wanted.sets)
    # A filter of system calls may say yes and do nothing.
    if own() != wanted:
        raise OSError(errno.EPERM, "credentials were not taken on")


def restore(mine: Credentials) -> None:
    """Be what one was again. Raises OSError where that does not work or is not what came out."""
    if own() == mine:
        return
    # First what lets the rest be done, groups before ids as becoming root and leaving it empties the effective set.
    _set_capabilities(mine.sets)
    _set_groups(mine.groups)
    _call("setresgid", _KEEP, mine.gid, _KEEP)
    _call("setresuid", _KEEP, mine.uid, _KEEP)
    _set_capabilities(mine.sets)
    if own() != mine:
        raise OSError(errno.EPERM, "credentials were not restored")


def give_up_capabilities() -> None:
    """Have none any more, for good. Raises OSError."""
    _set_capabilities((0,) * 6)


def dumpable() -> int:
    """Return PR_GET_DUMPABLE(2const): at 1 the files of /proc/self are its user's, and that user may look into it.

    It is the process's, not the thread's, and any thread's change of ids sets it to fs.suid_dumpable of proc(5).
    """
    return int(_libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))


def set_dumpable(value: int) -> None:
    """Make it what it was. Raises OSError."""
    # 2 cannot be set, only 0, which the kernel treats alike but for core dumps (since Linux 2.6.18).
    if dumpable() != value and _libc.prctl(_PR_SET_DUMPABLE, int(value == 1), 0, 0, 0):
        raise _failure()


def _without_effective(uid: int, gid: int, groups: tuple[int, ...], mine: Credentials) -> Credentials:
    if not all(0 <= number < _NO_ID for number in (uid, gid, *groups)):
        raise OSError(errno.EINVAL, "no user or group has this number")
    _, permitted, inheritable, _, permitted_above, inheritable_above = mine.sets
    return Credentials(uid, gid, tuple(sorted(groups)),
                       (0, permitted, inheritable, 0, permitted_above, inheritable_above))


def _set_groups(groups: tuple[int, ...]) -> None:
    array = (ctypes.c_uint32 * max(len(groups), 1))(*groups)
    _call("setgroups", ctypes.c_size_t(len(groups)), array)


def _set_capabilities(sets: tuple[int, ...]) -> None:
    _call("capset", _HEADER, _SETS.pack(*sets))


def _call(name: str, *words: object) -> None:
    if _libc.syscall(numbers.of(name), *words) == -1:
        raise _failure()


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))

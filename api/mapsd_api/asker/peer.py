"""Who is at the other end of a Unix socket, as the kernel noted it when the connection was made. See unix(7).

Nothing that the other end sends is believed. Whoever was handed the connection speaks as the one who made it.
"""

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
from typing import NamedTuple

from mapsd.errors import NoAuthority
from mapsd.linux.elsewhere.pidnamespace import numbers_as_ours
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.rights.authority import Peer
from mapsd_api.listening.listener import Kind

_SO_PEERGROUPS, _SO_PEERPIDFD = 59, 77  # include/uapi/asm-generic/socket.h: Linux 4.13, 6.5
_PIDFD_GET_PID_NAMESPACE, _PIDFD_GET_USER_NAMESPACE = 0xFF05, 0xFF09  # <linux/pidfd.h>: Linux 6.11
_UCRED = struct.Struct("=iII")  # pid, uid, gid
_GROUP = struct.Struct("=I")
_ALL_IDS = [b"0", b"0", b"4294967295"]  # uid_map of the initial user namespace, see user_namespaces(7)
Namespace = tuple[int, int]  # device and inode of its file on nsfs


class Connection(NamedTuple):
    """How an asker came; *peer* is None where the kernel knows nobody, as of TCP."""

    via: Kind
    peer: Peer | None


class Home(NamedTuple):
    """Where ids and pids mean what they mean to us.

    *pid* is the namespace in which *procfs* numbers processes; *unmapped* are the numbers that the kernel shows for
    users and groups that our user namespace has no number for.
    """

    procfs: bytes
    user: Namespace
    pid: Namespace
    unmapped: frozenset[int]


def home(procfs: bytes = b"/proc") -> Home:
    """Return where we are, and the processes of a procfs. Raises NoAuthority where that is not to be found out."""
    process = b"/self" if numbers_as_ours(procfs) else b"/1"  # its first process is at home there
    try:
        return Home(procfs, _file(procfs + b"/self/ns/user"), _file(procfs + process + b"/ns/pid"), _unmapped(procfs))
    except OSError as error:
        raise NoAuthority(f"the pid namespace of {os.fsdecode(procfs)} is not known: {error}") from error


def _file(path: bytes) -> Namespace:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _unmapped(procfs: bytes) -> frozenset[int]:
    if all(_text(procfs + b"/self/" + name).split() == _ALL_IDS for name in (b"uid_map", b"gid_map")):
        return frozenset()
    return frozenset(int(_text(procfs + b"/sys/kernel/" + name)) for name in (b"overflowuid", b"overflowgid"))


def _text(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def peer_of(connection: socket.socket, home: Home) -> Peer:
    """Return who made a connection of a Unix socket; foreign where it cannot be established that it lives at *home*.

    Raises OSError where we have no descriptor left to find out.
    """
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        groups = _groups(connection.fileno())
        with opened(_pidfd(connection, pid)) as pidfd:
            at_home = _namespaces(pidfd, home.procfs) == (home.user, home.pid)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            unless_exhausted(error)
        return Peer(uid, gid, (), foreign=True)
    return Peer(uid, gid, groups, foreign=not at_home or bool(home.unmapped & {uid, gid}))


def _groups(fd: int) -> tuple[int, ...]:
    # Python's getsockopt() gives at most 1,024 bytes; there may be 65,536 groups.
    libc, size = ctypes.CDLL(None, use_errno=True), ctypes.c_uint32(_GROUP.size * 64)
    while True:
        buffer = ctypes.create_string_buffer(size.value)
        if libc.getsockopt(fd, socket.SOL_SOCKET, _SO_PEERGROUPS, buffer, ctypes.byref(size)) == 0:
            return tuple(number for number, in _GROUP.iter_unpack(buffer.raw[:size.value]))
        if ctypes.get_errno() != errno.ERANGE:  # else the size is now what is needed
            raise OSError(ctypes.get_errno(), "SO_PEERGROUPS")


def _pidfd(connection: socket.socket, pid: int) -> int:
    try:
        return connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
        if not hasattr(os, "pidfd_open"):
            raise OSError(errno.ENOSYS, "this Python was built for Linux before 5.3") from error
        # Before Linux 6.5 the process may have ended, and another have its number: its namespaces are then taken for
        # the peer's. Ids and groups are the peer's all the same.
        return os.pidfd_open(pid)


def _namespaces(pidfd: int, procfs: bytes) -> tuple[Namespace, Namespace]:
    """Return the user and the pid namespace of a process that lives. Raises OSError and ValueError."""
    try:
        return _asked(pidfd, _PIDFD_GET_USER_NAMESPACE), _asked(pidfd, _PIDFD_GET_PID_NAMESPACE)
    except OSError as error:
        if error.errno not in {errno.ENOTTY, errno.EINVAL}:
            raise
        return _read(pidfd, procfs)  # before Linux 6.11


def _asked(pidfd: int, what: int) -> Namespace:
    with opened(fcntl.ioctl(pidfd, what, 0)) as fd:
        found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _read(pidfd: int, procfs: bytes) -> tuple[Namespace, Namespace]:
    lines = _text(procfs + b"/self/fdinfo/%d" % pidfd).splitlines()
    [pid] = [int(line.split()[1]) for line in lines if line.startswith(b"Pid:")]
    found = _file(procfs + b"/%d/ns/user" % pid), _file(procfs + b"/%d/ns/pid" % pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):  # it has exited, so the number may have been another's
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return found

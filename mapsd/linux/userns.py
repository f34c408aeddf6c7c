"""User namespaces: who made those that a process is in. See ioctl_ns(2)."""

import fcntl
import os
import struct

from mapsd.linux.files import opened
from mapsd.linux.procfs import ProcFs

_NS_GET_PARENT, _NS_GET_OWNER_UID = 0xB702, 0xB704  # <linux/nsfs.h>
_DEPTH = 33  # user namespaces in one another, user_namespaces(7)


def owners(process: ProcFs) -> tuple[int, ...]:
    """Return the user ids that made a process's user namespace and those around it, up to ours, which is left out.

    Raises OSError where they may not be looked at.
    """
    with opened(os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)) as ours:
        here = os.fstat(ours)
    found: list[int] = []
    fd = process.open("ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while os.fstat(fd).st_ino != here.st_ino and len(found) < _DEPTH:
            found.append(struct.unpack("I", fcntl.ioctl(fd, _NS_GET_OWNER_UID, bytes(4)))[0])
            parent = fcntl.ioctl(fd, _NS_GET_PARENT)
            os.close(fd)
            fd = parent
    finally:
        os.close(fd)
    return tuple(found)

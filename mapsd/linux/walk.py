"""A name inside a process's root, followed link by link: where it leads, or where it ends. See path_resolution(7)."""

import errno
import os

from mapsd.linux import capabilities
from mapsd.linux.files import facts, found, opened
from mapsd.linux.procfs import ProcFs
from mapsd.model import Absent, FileFacts, Found, Refused
from mapsd.model.layers import Way
from mapsd.pathnames import PATH_MAX, followed

_LINK = os.O_PATH | os.O_NOFOLLOW
_SELF = (b"self", b"thread-self")
_CHANGED = "the name leads elsewhere each time it is followed"


def walk(process: ProcFs, path: bytes) -> Way:
    """Return where an absolute name leads, or where it ends: nothing is opened but by O_PATH.

    The kernel follows it first, without magic links. Raises ProcessGone, AccessDenied.
    """
    if len(path) >= PATH_MAX:
        return Way(path, Refused(os.strerror(errno.ENAMETOOLONG)))
    steps = _Walk(process)
    whole = steps.seen(path, os.O_PATH)
    if isinstance(whole, Refused):
        return Way(path, whole)
    way = steps.followed(path)
    if isinstance(whole, Absent):
        # `file/` and `file/..` need a directory.
        return way._replace(found=Refused(os.strerror(errno.ENOTDIR))) if isinstance(way.found, FileFacts) else way
    if isinstance(way.found, Refused):
        return way
    if not isinstance(way.found, FileFacts) or _one(way.found) != _one(whole):
        return way._replace(found=Refused(_CHANGED))
    return way._replace(found=whole)


def _one(seen: FileFacts) -> tuple[object, ...]:
    return seen.st_dev, seen.inode, seen.mount_id


class _Walk:
    """What names lead to in a process's root."""

    def __init__(self, process: ProcFs) -> None:
        self._process = process

    def followed(self, path: bytes) -> Way:
        """Return where an absolute name leads."""
        return followed(path, lambda at: self.seen(at, _LINK), self._text)

    def seen(self, path: bytes, flags: int) -> Found:
        """Return what a path opens."""
        def ask() -> FileFacts:
            with opened(self._process.open_named(path, flags | os.O_CLOEXEC)) as fd:
                return facts(fd)
        there = found(ask, "CAP_DAC_READ_SEARCH")
        if not isinstance(there, Refused) or not there.needs:
            return there
        # An overlay refuses redirects and metacopies that are switched off or malformed, whoever asks.
        whoever = there.reason == os.strerror(errno.EPERM) or not capabilities.own().lacks(there.needs)
        return Refused(there.reason) if whoever else there

    def _text(self, path: bytes, seen: Found) -> bytes | Refused:
        if path.rpartition(b"/")[2] in _SELF and self._is_proc(seen):
            return Refused("/proc/self is another process for each that follows it")
        try:
            with opened(self._process.open_named(path, _LINK | os.O_CLOEXEC)) as fd:
                return os.readlink(b"", dir_fd=fd)
        except OSError as error:
            return Refused(f"a link cannot be read: {error.strerror}")

    def _is_proc(self, seen: Found) -> bool:
        return isinstance(seen, FileFacts) and any(
            mount.id == seen.mount_id and mount.fs_type == b"proc" for mount in self._process.mounts())

"""A name inside a process's root, followed link by link: where it leads, or where it ends. See path_resolution(7)."""

import errno
import os

from mapsd.linux import capabilities
from mapsd.linux.files import facts, found, opened
from mapsd.linux.pathnames import LINKS, PATH_MAX, names
from mapsd.linux.procfs import ProcFs
from mapsd.model import Absent, FileFacts, Found, Refused
from mapsd.model.layers import Link, Way

_LINK = os.O_PATH | os.O_NOFOLLOW
_SELF = (b"self", b"thread-self")
_TOO_LONG = "without links the path is longer than the kernel resolves"
_TOO_MANY = "Too many levels of symbolic links"
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
    """What a name has led to so far."""

    def __init__(self, process: ProcFs) -> None:
        self._process = process
        self._links: list[Link] = []

    def followed(self, path: bytes) -> Way:
        """Return where an absolute name leads."""
        todo, done = names(path), b""
        while todo:
            name = todo.pop(0)
            if name == b"..":
                # No part of *done* is a link, so that its text says where it lies.
                done = done.rpartition(b"/")[0]
                continue
            at = done + b"/" + name
            if len(at) >= PATH_MAX:
                return Way(at, Refused(_TOO_LONG), b"", tuple(self._links))
            seen = self.seen(at, _LINK)
            if isinstance(seen, Absent):
                rest = [name, *todo]
                return Way(done or b"/", seen, b"/".join(rest[:_upwards(rest)]), tuple(self._links))
            if isinstance(seen, Refused):
                return Way(at, seen, b"", tuple(self._links))
            if seen.kind != "symlink":
                done = at
                continue
            text = self._text(at, seen)
            if isinstance(text, Refused) or len(self._links) == LINKS:
                return Way(at, text if isinstance(text, Refused) else Refused(_TOO_MANY), b"", tuple(self._links))
            self._links.append(Link(at, text))
            todo, done = names(text) + todo, b"" if text.startswith(b"/") else done
        return Way(done or b"/", self.seen(done or b"/", _LINK), b"", tuple(self._links))

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

    def _text(self, path: bytes, seen: FileFacts) -> bytes | Refused:
        if path.rpartition(b"/")[2] in _SELF and self._is_proc(seen):
            return Refused("/proc/self is another process for each that follows it")
        try:
            with opened(self._process.open_named(path, _LINK | os.O_CLOEXEC)) as fd:
                return os.readlink(b"", dir_fd=fd)
        except OSError as error:
            return Refused(f"a link cannot be read: {error.strerror}")

    def _is_proc(self, seen: FileFacts) -> bool:
        return any(mount.id == seen.mount_id and mount.fs_type == b"proc" for mount in self._process.mounts())


def _upwards(rest: list[bytes]) -> int:
    """Return how many names come before the first `..`: below what is missing nothing leads upwards."""
    return rest.index(b"..") if b".." in rest else len(rest)

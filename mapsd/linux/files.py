"""What an open descriptor is, as a value; and OS errors as answers or failures."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mapsd.linux import syscalls
from mapsd.model import Absent, DeviceId, FileFacts, Found, Handle, Refused

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@contextmanager
def opened(fd: int) -> Iterator[int]:
    """Close *fd* at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def facts(fd: int, names: tuple[str, ...] = (), prefix: str = "") -> FileFacts:
    """Return what *fd* is, with the overlay attributes *names* under *prefix*."""
    seen = syscalls.statx(fd)
    link = b"/proc/self/fd/%d" % fd
    return FileFacts(
        _kind(seen), seen.device, seen.inode, seen.nlink, seen.size,
        _mount_id(fd) if seen.mount_id is None else seen.mount_id,
        _handle(fd), _name(link), _attributes(link, names, prefix), seen.changed,
    )


def _name(link: bytes) -> bytes:
    try:
        return os.readlink(link)
    except OSError as error:
        # d_path() has one page: a longer path has no text.
        if error.errno != errno.ENAMETOOLONG:
            raise
        return b""


def _kind(seen: syscalls.Statx) -> str:
    if stat.S_ISREG(seen.mode):
        return "file"
    if stat.S_ISDIR(seen.mode):
        return "directory"
    if stat.S_ISLNK(seen.mode):
        return "symlink"
    if stat.S_ISCHR(seen.mode) and seen.rdev == DeviceId(0, 0):
        return "whiteout"
    return "device" if stat.S_ISCHR(seen.mode) or stat.S_ISBLK(seen.mode) else "other"


def _mount_id(fd: int) -> int:
    # Before Linux 5.8 statx has no mount id, fdinfo has (since 3.15).
    with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
        for line in file:
            if line.startswith(b"mnt_id:"):
                return int(line.split()[1])
    raise OSError(errno.ENOTSUP, "no mount id")


def _handle(fd: int) -> Handle | None:
    try:
        return syscalls.name_to_handle_at(fd)
    except OSError:
        # Not every filesystem has handles, and AT_HANDLE_FID is Linux 6.6: None says just that.
        return None


def _attributes(link: bytes, names: tuple[str, ...], prefix: str) -> tuple[tuple[str, bytes], ...]:
    # Through /proc/self/fd, since fgetxattr refuses an O_PATH descriptor.
    found = []
    for name in names:
        try:
            found.append((name, os.getxattr(link, prefix + name)))
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.EOPNOTSUPP}:
                raise
    return tuple(found)


def found(ask: Callable[[], FileFacts], needs: str) -> Found:
    """Return the facts, Absent where there is no such file, Refused with *needs* where it is forbidden."""
    try:
        return ask()
    except OSError as error:
        if error.errno in _ABSENT:
            return Absent()
        if error.errno == errno.ESRCH:
            raise
        unless_exhausted(error)
        return Refused(error.strerror or str(error), needs if error.errno in _FORBIDDEN else "")


def unless_exhausted(error: OSError) -> None:
    """Raise *error* where the observer itself ran out of something: that says nothing about the file asked for."""
    if error.errno in _EXHAUSTED:
        raise error

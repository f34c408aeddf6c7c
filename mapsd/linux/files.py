"""What an open descriptor is, as a value; and OS errors as answers or failures."""

import errno
import os
import stat

from mapsd.light import Callable
from mapsd.linux import syscalls
from mapsd.model import Absent, DeviceId, FileFacts, Found, Handle, Refused

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class opened:  # noqa: N801  (a statement's word, as contextlib.closing)
    """Close a descriptor at the end of the block; a class, since a generator's frame costs more than the call."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        """Take the descriptor over."""
        self._fd = fd

    def __enter__(self) -> int:
        """Return the descriptor."""
        return self._fd

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self._fd)


Known = dict[tuple[syscalls.Fields, bytes], FileFacts]


def facts(fd: int, names: tuple[str, ...] = (), prefix: str = "", known: Known | None = None, *,
          fields: syscalls.Fields | None = None, handle: Handle | None = None) -> FileFacts:
    """Return what *fd* is, with the overlay attributes *names* under *prefix*.

    *known* remembers files without attributes: one name and one inode are one object, with one handle. *fields* and
    *handle* are what statx_fields() and name_to_handle_at() say of *fd*, where they were asked already.
    """
    fields, link = fields or syscalls.statx_fields(fd), b"/proc/self/fd/%d" % fd
    path = _name(link)
    if known is not None and (fields, path) in known:
        return known[fields, path]
    seen = syscalls.statx_of(fields)
    made = _facts(fd, seen, path, _attributes(link, names, prefix) if names else (), handle)
    if known is not None and seen.mount_id is not None:
        known[fields, path] = made
    return made


def _facts(fd: int, seen: syscalls.Statx, path: bytes, xattrs: tuple[tuple[str, bytes], ...],
           handle: Handle | None) -> FileFacts:
    return FileFacts(_kind(seen), seen.device, seen.inode, seen.nlink, seen.size, mount_id(fd, seen),
                     handle or handle_of(fd), path, xattrs, seen.changed, seen.born)


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


def mount_id(fd: int, seen: syscalls.Statx) -> int:
    """Return the number of the mount on which *fd* was opened, which statx says since Linux 5.8; raises OSError."""
    return _from_fdinfo(fd) if seen.mount_id is None else seen.mount_id


def _from_fdinfo(fd: int) -> int:
    # Since Linux 3.15.
    with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
        for line in file:
            if line.startswith(b"mnt_id:"):
                return int(line.split()[1])
    raise OSError(errno.ENOTSUP, "no mount id")


def handle_of(fd: int) -> Handle | None:
    """Return the handle by which a file's filesystem knows it, None where it says none."""
    try:
        return syscalls.name_to_handle_at(fd)
    except OSError:
        # Not every filesystem has handles, and AT_HANDLE_FID is Linux 6.6: None says just that.
        return None


def _attributes(link: bytes, names: tuple[str, ...], prefix: str) -> tuple[tuple[str, bytes], ...]:
    # Through /proc/self/fd, since fgetxattr refuses an O_PATH descriptor. One list saves asking for each name.
    try:
        listed = os.listxattr(link)
        return tuple((name, os.getxattr(link, prefix + name)) for name in names if prefix + name in listed)
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.EOPNOTSUPP}:
            raise
        return ()


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

"""The files below one directory, which nothing in it leads out of: no link, no mount, no device. See openat2(2).

What is there may be anybody's: a file is opened by O_PATH and seen to be a regular one before it is read, so that no
pipe, device or server is waited for, and every answer is bounded. No access time changes.
"""

import errno
import os
import stat
from typing import TypeVar

from mapsd.light import Callable, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import facts, found, opened, unless_exhausted
from mapsd.model import Absent, FileFacts, Found, Refused

NAMES = 200_000  # in a directory
_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_NEEDS = "CAP_DAC_READ_SEARCH"
_CHUNK = 1 << 20
_Answer = TypeVar("_Answer")
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Files:
    """The port Tree on an open directory; close() gives the descriptor back."""

    def __init__(self, directory: int, *, across: bool = False) -> None:
        """Take a descriptor of the directory over; mounts below it are entered where *across* says so."""
        self._fd, self._resolve = directory, _INSIDE | (0 if across else syscalls.RESOLVE_NO_XDEV)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    @property
    def owner(self) -> int:
        """Return the user id that owns the directory."""
        return os.fstat(self._fd).st_uid

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        def ask() -> bytes | Refused:
            with opened(self._open(path, os.O_PATH)) as fd:
                if os.fstat(fd).st_size > limit:
                    return Refused(_too_large(limit))
                text = _content(fd, limit + 1)
                return Refused(_too_large(limit)) if isinstance(text, bytes) and len(text) > limit else text
        return _answer(ask)

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""
        def ask() -> bytes | Refused:
            with opened(self._open(path, os.O_PATH)) as fd:
                return _content(fd, size)
        return _answer(ask)

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are more than NAMES."""
        def ask() -> list[bytes] | Refused:
            with opened(self._open(path, os.O_PATH | os.O_DIRECTORY)) as fd, opened(_reopened(fd, 0)) as directory:
                return _names(directory)
        return _answer(ask)

    def entry(self, path: bytes) -> Found:
        """Return what a path is; a symbolic link at its end is not followed."""
        def ask() -> FileFacts:
            with opened(self._open(path, os.O_PATH | os.O_NOFOLLOW)) as fd:
                return facts(fd)
        return found(ask, _NEEDS)

    def link(self, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""
        def ask() -> bytes | Refused:
            with opened(self._open(path, os.O_PATH | os.O_NOFOLLOW)) as fd:
                if not stat.S_ISLNK(os.fstat(fd).st_mode):
                    return Refused("it is no symbolic link")
                return os.readlink(b"", dir_fd=fd)
        return _answer(ask)

    def _open(self, path: bytes, flags: int) -> int:
        if b"\0" in path:
            raise OSError(errno.ENOENT, "no name has a zero byte")
        return syscalls.openat2(self._fd, path or b".", flags | os.O_CLOEXEC, self._resolve)


def tree_at(path: bytes, opener: Callable[[bytes, int], int], *, across: bool = False) -> Files | Absent | Refused:
    """Return the tree below the directory that *opener* finds at a path."""
    return _answer(lambda: Files(opener(path, _DIRECTORY), across=across))


def _names(fd: int) -> list[bytes] | Refused:
    names: list[bytes] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            names.append(os.fsencode(entry.name))
            if len(names) > NAMES:
                return Refused(f"the directory has more than {NAMES:,} entries")
    return sorted(names)


def _content(fd: int, size: int) -> bytes | Refused:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return Refused("it is no regular file")
    # Through the descriptor: whatever the name leads to by now, it is this file.
    with opened(_reopened(fd, os.O_NONBLOCK)) as file:
        chunks = []
        while size > 0 and (chunk := os.read(file, min(size, _CHUNK))):
            chunks.append(chunk)
            size -= len(chunk)
    return b"".join(chunks)


def _reopened(fd: int, flags: int) -> int:
    """Return a descriptor to read what is open by O_PATH, so that its access time stays; raises OSError."""
    stays = os.fstatvfs(fd).f_flag & (os.ST_RDONLY | os.ST_NOATIME)
    return os.open(b"/proc/self/fd/%d" % fd, flags | os.O_RDONLY | os.O_CLOEXEC | (0 if stays else os.O_NOATIME))


def _too_large(limit: int) -> str:
    return f"it is larger than {limit:,} bytes"


def _answer(ask: Callable[[], _Answer]) -> _Answer | Absent | Refused:
    try:
        return ask()
    except OSError as error:
        if error.errno in _ABSENT:
            return Absent()
        unless_exhausted(error)
        # O_NOATIME is for the owner: EPERM, where permissions are EACCES.
        needs = {errno.EACCES: _NEEDS, errno.EPERM: "CAP_FOWNER"}
        return Refused(error.strerror or str(error), needs.get(error.errno or 0, ""))

"""What lies in an open file or directory: bounded, and no access time changes unless somebody says so."""

import errno
import os
import stat
from typing import TypeVar

from mapsd.light import Callable
from mapsd.linux.files import opened, unless_exhausted
from mapsd.model import Absent, Refused

NAMES = 200_000  # in a directory
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_NEEDS = {errno.EACCES: "CAP_DAC_READ_SEARCH", errno.EPERM: "CAP_FOWNER"}  # O_NOATIME is for the owner: EPERM
_CHUNK = 1 << 20
_Answer = TypeVar("_Answer")


def text(fd: int, limit: int, *, quietly: bool = True) -> bytes | Refused:
    """Return the bytes of a regular file that is open by O_PATH, Refused where it has more than *limit*.

    *quietly* says that it is not read where that would change its access time. Raises OSError.
    """
    if os.fstat(fd).st_size > limit:
        return Refused(_too_large(limit))
    found = head(fd, limit + 1, quietly=quietly)
    return Refused(_too_large(limit)) if isinstance(found, bytes) and len(found) > limit else found


def head(fd: int, size: int, *, quietly: bool = True) -> bytes | Refused:
    """Return the first *size* bytes of a regular file that is open by O_PATH. Raises OSError."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return Refused("it is no regular file")
    # Through the descriptor: whatever the name leads to by now, it is this file.
    with opened(_reopened(fd, os.O_NONBLOCK, quietly=quietly)) as file:
        chunks = []
        while size > 0 and (chunk := os.read(file, min(size, _CHUNK))):
            chunks.append(chunk)
            size -= len(chunk)
    return b"".join(chunks)


def names(fd: int, *, quietly: bool = True) -> list[bytes] | Refused:
    """Return the names in a directory that is open by O_PATH, in order, Refused where they are more than NAMES.

    Raises OSError.
    """
    found: list[bytes] = []
    with opened(_reopened(fd, os.O_DIRECTORY, quietly=quietly)) as directory, os.scandir(directory) as entries:
        for entry in entries:
            found.append(os.fsencode(entry.name))
            if len(found) > NAMES:
                return Refused(f"the directory has more than {NAMES:,} entries")
    return sorted(found)


def link(fd: int) -> bytes | Refused:
    """Return the text of a symbolic link that is open by O_PATH. Raises OSError."""
    if not stat.S_ISLNK(os.fstat(fd).st_mode):
        return Refused("it is no symbolic link")
    return os.readlink(b"", dir_fd=fd)


def answer(ask: Callable[[], _Answer]) -> _Answer | Absent | Refused:
    """Return what is asked, Absent where there is no such file, Refused where it may not be read."""
    try:
        return ask()
    except OSError as error:
        if error.errno in _ABSENT:
            return Absent()
        unless_exhausted(error)
        return Refused(error.strerror or str(error), _NEEDS.get(error.errno or 0, ""))


def _reopened(fd: int, flags: int, *, quietly: bool) -> int:
    """Return a descriptor to read what is open by O_PATH, so that its access time stays; raises OSError."""
    name, flags = b"/proc/self/fd/%d" % fd, flags | os.O_RDONLY | os.O_CLOEXEC
    if os.fstatvfs(fd).f_flag & (os.ST_RDONLY | os.ST_NOATIME):
        return os.open(name, flags)
    try:
        return os.open(name, flags | os.O_NOATIME)
    except OSError as error:
        if quietly or error.errno != errno.EPERM:
            raise
        return os.open(name, flags)


def _too_large(limit: int) -> str:
    return f"it is larger than {limit:,} bytes"

"""The files below one directory, which nothing in it leads out of: no link, no mount, no device. See openat2(2).

What is there may be anybody's: a file is opened by O_PATH and seen to be a regular one before it is read, so that no
pipe, device or server is waited for, and every answer is bounded.
"""

import errno
import os

from mapsd.light import Callable, Sequence
from mapsd.linux import contents, syscalls
from mapsd.linux.contents import answer
from mapsd.linux.files import facts, found, opened
from mapsd.linux.views import is_on_way
from mapsd.model import Absent, FileFacts, Found, Refused

_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_NEEDS = "CAP_DAC_READ_SEARCH"
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Files:
    """The port Tree on an open directory; close() gives the descriptor back."""

    def __init__(self, directory: int, *, across: bool = False, quietly: bool = True,
                 served: Sequence[bytes] = ()) -> None:
        """Take a descriptor of the directory over; mounts below it are entered where *across* says so.

        None of those that are *served* is, by their absolute paths in it. Without *quietly* a file whose access time
        only its owner may leave as it is is read all the same.
        """
        self._fd, self._resolve = directory, _INSIDE | (0 if across else syscalls.RESOLVE_NO_XDEV)
        self._quietly, self._served = quietly, served if across else ()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what is equal for the same directory on the same mount, seen in the same way."""
        return self._resolve, *syscalls.identity_of(syscalls.statx_fields(self._fd))

    @property
    def owner(self) -> int:
        """Return the user id that owns the directory."""
        return os.fstat(self._fd).st_uid

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        def ask() -> bytes | Refused:
            with opened(self._open(path, os.O_PATH)) as fd:
                return contents.text(fd, limit, quietly=self._quietly)
        return answer(ask)

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""
        def ask() -> bytes | Refused:
            with opened(self._open(path, os.O_PATH)) as fd:
                return contents.head(fd, size, quietly=self._quietly)
        return answer(ask)

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""
        def ask() -> list[bytes] | Refused:
            with opened(self._open(path, os.O_PATH | os.O_DIRECTORY)) as fd:
                return contents.names(fd, quietly=self._quietly)
        return answer(ask)

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
                return contents.link(fd)
        return answer(ask)

    def _open(self, path: bytes, flags: int) -> int:
        if b"\0" in path:
            raise OSError(errno.ENOENT, "no name has a zero byte")
        return self._opened(path or b".", flags | os.O_CLOEXEC)

    def _opened(self, path: bytes, flags: int) -> int:
        if not self._served:
            return syscalls.openat2(self._fd, path, flags, self._resolve)
        try:
            return syscalls.openat2(self._fd, path, flags, _INSIDE | syscalls.RESOLVE_NO_XDEV)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        plain = os.path.normpath(b"/" + path.lstrip(b"/"))
        if any(is_on_way(one, plain) for one in self._served):
            raise OSError(errno.ETIMEDOUT, "a filesystem on the way is served by a process, which may not answer")
        # A link may lead anywhere.
        return syscalls.openat2(self._fd, path, flags, _INSIDE | syscalls.RESOLVE_NO_SYMLINKS)


def tree_at(path: bytes, opener: Callable[[bytes, int], int], *, across: bool = False,
            quietly: bool = True, served: Sequence[bytes] = ()) -> Files | Absent | Refused:
    """Return the tree below the directory that *opener* finds at a path."""
    return answer(lambda: Files(opener(path, _DIRECTORY), across=across, quietly=quietly, served=served))

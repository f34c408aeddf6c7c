"""A file that appears whole or not at all.

The file has no name while it is written (O_TMPFILE), so that nothing is left of it whatever ends the process. Where the
filesystem has no such files it is written under a name of its own, `.mapsd-…`, which is removed unless the process is
killed. See open(2), linkat(2), renameat2(2).
"""

import ctypes
import errno
import os
import stat

from mapsd.errors import NotWritten
from mapsd.linux import numbers

RENAME_NOREPLACE = 1
_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
_NO_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_ZEROS = bytes(1 << 18)


class OutFile:
    """A new file; it has its name from commit() on. close() drops what was not committed."""

    def __init__(self, path: bytes, *, replace: bool) -> None:
        """Open its directory. Raises NotWritten, also where the name is taken and not by a file to replace."""
        self._path, self._replace, self._size, self._temporary = path, replace, 0, b""
        directory, self._name = os.path.split(path)
        with translated(path):
            if self._name in {b"", b".", b".."} or b"\0" in path:
                raise OSError(errno.EINVAL, "not the name of a file")
            self._dir = os.open(directory or b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._unless_taken()
                self._fd = self._create()
            except OSError:
                os.close(self._dir)
                raise

    def _unless_taken(self) -> None:
        try:
            mode = os.stat(self._name, dir_fd=self._dir, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise OSError(errno.EEXIST, "it exists and is no regular file: neither followed nor replaced")
        if not self._replace:
            raise OSError(errno.EEXIST, "it exists (--force replaces it)")

    def _create(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(b".", flags | os.O_TMPFILE, 0o600, dir_fd=self._dir)
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
        self._temporary = _new_name()
        return os.open(self._temporary, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=self._dir)

    def close(self) -> None:
        """Give the descriptors back, and remove what has no name yet."""
        os.close(self._fd)
        if self._temporary:
            os.unlink(self._temporary, dir_fd=self._dir)
        os.close(self._dir)

    def write(self, data: bytes) -> None:
        """Take the next bytes; whole chunks of zeros become holes of the file."""
        if data == _ZEROS:
            return self.skip(len(data))
        with translated(self._path):
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self._fd, rest, self._size)
                self._size += written
                rest = rest[written:]
        return None

    def skip(self, size: int) -> None:
        """Take zeros that need no room on the disk."""
        self._size += size

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes that were taken."""
        with translated(self._path):
            return os.pread(self._fd, size, offset)

    def commit(self) -> None:
        """Give the file its name, in one step, once its bytes are on the disk."""
        with translated(self._path):
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
            self._unless_taken()
            if self._replace:
                self._name_temporarily()
                os.rename(self._temporary, self._name, src_dir_fd=self._dir, dst_dir_fd=self._dir)
                self._temporary = b""
            elif self._temporary:
                self._move()
            else:
                self._link(self._name)

    def _name_temporarily(self) -> None:
        if not self._temporary:
            name = _new_name()
            self._link(name)
            self._temporary = name

    def _link(self, name: bytes) -> None:
        os.link(b"/proc/self/fd/%d" % self._fd, name, dst_dir_fd=self._dir, follow_symlinks=True)

    def _move(self) -> None:
        """Rename without replacing: by a second link, or where there are none (vfat) by renameat2(2)."""
        try:
            os.link(self._temporary, self._name, src_dir_fd=self._dir, dst_dir_fd=self._dir, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            _rename_unless_taken(self._dir, self._temporary, self._name)
            self._temporary = b""


def _new_name() -> bytes:
    return b".mapsd-" + os.urandom(8).hex().encode("ascii")


def _rename_unless_taken(directory: int, old: bytes, new: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(numbers.of("renameat2"), directory, old, directory, new, RENAME_NOREPLACE) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class translated:  # noqa: N801  (a statement's word, as contextlib.closing)
    """Turn the OS errors of a block that writes into failures of ours."""

    def __init__(self, path: bytes) -> None:
        """Name the output in messages by *path*."""
        self._path = path

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise NotWritten from an OSError."""
        if isinstance(error, OSError):
            raise NotWritten(self._path, error.strerror or str(error)) from error

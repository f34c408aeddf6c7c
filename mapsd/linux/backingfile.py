"""A backing file, opened to be read: only where its path leads to the very file of the answer."""

import errno
import os

from mapsd.light import Callable, Iterator, NamedTuple, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import facts, opened, unless_exhausted
from mapsd.linux.views import View
from mapsd.model import Backing, DeviceId, FileFacts, Mount, Refused
from mapsd.parse import mountinfo

CHUNK = 1 << 18  # bytes
_O_PATH = os.O_PATH | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Content(NamedTuple):
    """What tells that a file was written to: its size in bytes, and its time of change in nanoseconds."""

    size: int
    modified: int


class BackingFile:
    """An open backing file; close() gives the descriptor back."""

    def __init__(self, fd: int, seen: FileFacts) -> None:
        """Take the descriptor over."""
        self._fd, self._seen = fd, seen

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def content(self) -> Content:
        """Return its size and time of change now."""
        found = os.fstat(self._fd)
        return Content(found.st_size, found.st_mtime_ns)

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the first *size* bytes, fewer where the file ends before; raises OSError."""
        at = 0
        while at < size:
            data = os.pread(self._fd, min(CHUNK, size - at), at)
            if not data:
                return
            at += len(data)
            yield data

    def is_at(self, path: bytes) -> bool:
        """Return whether a path leads to this very file now."""
        try:
            with opened(_view().open(path, _O_PATH)) as found:
                now = facts(found)
        except OSError as error:
            unless_exhausted(error)
            return False
        return (now.st_dev, now.inode, now.handle) == (self._seen.st_dev, self._seen.inode, self._seen.handle)


def open_backing(backing: Backing, path: bytes) -> BackingFile | Refused:
    """Return the file at *path* where it is the backing file, by device and inode; else why it is not read."""
    return backing_at(backing, lambda flags: _view().open(path, flags), _mounts)


def backing_at(backing: Backing, opener: Callable[[int], int],
               mounts: Callable[[], Sequence[Mount]]) -> BackingFile | Refused:
    """Return the file that *opener* opens (flags) where it is the backing file; *mounts* are the observer's."""
    try:
        with opened(opener(_O_PATH)) as found:
            seen = facts(found)
            if seen.kind != "file":
                return Refused("what is at its path is no regular file")
            if (_device(seen, mounts()), seen.inode) != (backing.device, backing.inode):
                return Refused("another file is at its path")
            return BackingFile(_readable(found), seen)
    except OSError as error:
        unless_exhausted(error)
        return Refused(f"it cannot be opened: {error.strerror}")


def _readable(found: int) -> int:
    link = b"/proc/self/fd/%d" % found
    try:
        return os.open(link, _READ | os.O_NOATIME)
    except OSError as error:
        # Only the owner and CAP_FOWNER may leave the time of access as it is.
        if error.errno != errno.EPERM:
            raise
        return os.open(link, _READ)


def _view() -> View:
    return View(lambda path, flags, resolve: syscalls.openat2(
        syscalls.AT_FDCWD, path, flags, resolve | syscalls.RESOLVE_NO_MAGICLINKS), _mounts, b"")


def _mounts() -> list[Mount]:
    with open("/proc/self/mountinfo", "rb") as file:
        return mountinfo.parse(file.read())


def _device(seen: FileFacts, mounts: Sequence[Mount]) -> DeviceId:
    """Return the device as mountinfo and maps have it: stat shows another one for a subvolume of btrfs."""
    return next((mount.device for mount in mounts if mount.id == seen.mount_id), seen.st_dev)

"""Files by handle: independent of names, so renamed, covered and unlinked files are still found."""

import errno
import fcntl
import os

from mapsd.light import Callable, Iterator, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import unless_exhausted
from mapsd.linux.views import SERVED
from mapsd.model import Handle, Mount, OverlayHandle

_FS_IOC_GETFSUUID = 0x80111500  # Linux 6.9: struct fsuuid2, a length and 16 bytes
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
# Servers that may hang their callers, and filesystems that can be no layer.
_SKIPPED = (*SERVED, b"proc", b"sysfs", b"cgroup")

Opener = Callable[[bytes, int], int]


class Filesystems:
    """The mounted filesystems by UUID, found when first asked for."""

    def __init__(self, views: Sequence[tuple[Sequence[Mount], Opener]]) -> None:
        """Remember where to look: mounts, and how their mount points are opened."""
        self._views = views
        self._roots: dict[bytes, list[int]] | None = None

    def close(self) -> None:
        """Give the descriptors back."""
        for roots in (self._roots or {}).values():
            for fd in roots:
                os.close(fd)
        self._roots = None

    def open(self, wanted: OverlayHandle, flags: int) -> int:
        """Return a descriptor of the file; raises OSError. Needs CAP_DAC_READ_SEARCH."""
        if self._roots is None:
            self._roots = {}
            for uuid, fd in self._find():
                self._roots.setdefault(uuid, []).append(fd)
        return open_one(self._roots.get(wanted.uuid, ()), wanted.handle, flags)

    def _find(self) -> Iterator[tuple[bytes, int]]:
        for fd in self._candidates():
            uuid = _uuid(fd)
            if uuid is None:
                os.close(fd)
            else:
                yield uuid, fd

    def _candidates(self) -> Iterator[int]:
        """Yield a directory of each filesystem, once: btrfs has one superblock and a device a subvolume."""
        devices = set()
        for mounts, opener in self._views:
            for mount in mounts:
                if mount.fs_type.startswith(_SKIPPED) or mount.fs_type == b"overlay" or mount.device in devices:
                    continue
                try:
                    fd = opener(mount.mount_point, _DIRECTORY)
                except OSError as error:
                    unless_exhausted(error)
                    # A file is mounted there, or it is out of reach: another mount of it may do.
                    continue
                if syscalls.statx(fd).mount_id not in {mount.id, None}:
                    os.close(fd)
                    continue
                devices.add(mount.device)
                yield fd


def open_one(roots: Sequence[int], handle: Handle, flags: int) -> int:
    """Return a descriptor of the one file that has this handle on these filesystems; raises OSError."""
    failure = OSError(errno.ENXIO, "no reachable mount of the layer's filesystem")
    fds = []
    for root in roots:
        try:
            fds.append(_same(syscalls.open_by_handle_at(root, handle, flags), handle))
        except OSError as error:
            unless_exhausted(error)
            failure = error
    for fd in fds[1:]:
        os.close(fd)
    if len(fds) > 1:
        # Copies of one image keep its UUID, and number their files alike.
        os.close(fds[0])
        raise OSError(errno.ENOTUNIQ, "several mounted filesystems have a file with this handle")
    if not fds:
        raise failure
    return fds[0]


def _same(fd: int, handle: Handle) -> int:
    try:
        same = _handle(fd) == handle
    except OSError:
        os.close(fd)
        raise
    if same:
        return fd
    os.close(fd)
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def _handle(fd: int) -> Handle:
    try:
        return syscalls.name_to_handle_at(fd)
    except OSError as error:
        # Before Linux 6.6 only for what can be opened by it, as this was.
        if error.errno != errno.EINVAL:
            raise
        return syscalls.name_to_handle_at(fd, 0)


def _uuid(fd: int) -> bytes | None:
    try:
        answer = fcntl.ioctl(fd, _FS_IOC_GETFSUUID, bytes(17))
    except OSError:
        return None
    return answer[1:17]

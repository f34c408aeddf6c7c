"""Files by handle: independent of names, so renamed, covered and unlinked files are still found."""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence

from mapsd.linux import syscalls
from mapsd.linux.procfs import ProcFs
from mapsd.model import Handle, Mount, OverlayHandle
from mapsd.parse import mountinfo

_FS_IOC_GETFSUUID = 0x80111500  # Linux 6.9: struct fsuuid2, a length and 16 bytes
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
# Servers that may hang their callers, and filesystems that can be no layer.
_SKIPPED = (b"fuse", b"nfs", b"cifs", b"smb", b"9p", b"ceph", b"afs", b"autofs", b"proc", b"sysfs", b"cgroup")


class Filesystems:
    """The mounted filesystems by UUID, found when first asked for."""

    def __init__(self, process: ProcFs, mounts: Sequence[Mount]) -> None:
        """Remember where to look: the observer's mounts, then the process's."""
        self._process, self._mounts = process, mounts
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
        failure = OSError(errno.ENXIO, "no reachable mount of the layer's filesystem")
        fds = []
        for root in self._roots.get(wanted.uuid, ()):
            try:
                fds.append(_same(syscalls.open_by_handle_at(root, wanted.handle, flags), wanted.handle))
            except OSError as error:
                failure = error
        for fd in fds[1:]:
            os.close(fd)
        if len(fds) > 1:
            # Copies of one image keep its UUID, and number their files alike.
            os.close(fds[0])
            raise OSError(errno.ENOTUNIQ, "several mounted filesystems have the UUID of the layer's")
        if not fds:
            raise failure
        return fds[0]

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
        inside = mountinfo.parse(self._process.text("mountinfo"))
        for mounts, opener in ((self._mounts, os.open), (inside, self._process.open_named)):
            for mount in mounts:
                if mount.fs_type.startswith(_SKIPPED) or mount.fs_type == b"overlay" or mount.device in devices:
                    continue
                try:
                    fd = opener(mount.mount_point, _DIRECTORY)
                except OSError:
                    # A file is mounted there, or it is out of reach: another mount of it may do.
                    continue
                if syscalls.statx(fd).mount_id not in {mount.id, None}:
                    os.close(fd)
                    continue
                devices.add(mount.device)
                yield fd


def _same(fd: int, handle: Handle) -> int:
    if syscalls.name_to_handle_at(fd) == handle:
        return fd
    os.close(fd)
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def _uuid(fd: int) -> bytes | None:
    try:
        answer = fcntl.ioctl(fd, _FS_IOC_GETFSUUID, bytes(17))
    except OSError:
        return None
    return answer[1:17]

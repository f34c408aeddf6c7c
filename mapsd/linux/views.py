"""Opening by name, in the observer's view or a process's, without waiting for a server that is silent.

A path may pass through a filesystem whose server (FUSE, NFS …) never answers, and an open would
then hang beyond any signal. Such mounts are probed once, by a process of their own.
"""

import errno
import os
import sys

from mapsd.light import Callable, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import opened
from mapsd.model import Mount

SERVED = (b"fuse", b"nfs", b"cifs", b"smb", b"9p", b"ceph", b"afs", b"autofs", b"lustre", b"virtiofs", b"orangefs")
PROBE_SECONDS = 1.0
_PROBE = "import os, sys; os.stat(os.fsencode(sys.argv[1])); os.statvfs(os.fsencode(sys.argv[1]))"

Opener = Callable[[bytes, int, int], int]


class View:
    """Names as one mount namespace and root has them."""

    def __init__(self, opener: Opener, mounts: Callable[[], Sequence[Mount]], prefix: bytes) -> None:
        """Open with *opener* (path, flags, RESOLVE flags); *prefix* + path is the same name for the observer."""
        self._opener, self._mounts, self._prefix = opener, mounts, prefix
        self._served: list[Mount] | None = None
        self._silent: dict[bytes, bool] = {}

    def open(self, path: bytes, flags: int) -> int:
        """Return a descriptor of what *path* opens; raises OSError, ETIMEDOUT where a server on the way is silent."""
        try:
            return self.open_plainly(path, flags)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        # A symlink may lead anywhere.
        self._unless_silent(self._servers())
        return self._opener(path, flags, 0)

    def open_plainly(self, path: bytes, flags: int) -> int:
        """Return a descriptor as open() does, but raise OSError, ELOOP where a symbolic link is on the way."""
        self._unless_silent([mount for mount in self._servers() if is_on_way(mount.mount_point, path)])
        return self._opener(path, flags, syscalls.RESOLVE_NO_SYMLINKS)

    def _servers(self) -> list[Mount]:
        if self._served is None:
            self._served = [mount for mount in self._mounts()
                            if mount.fs_type.startswith(SERVED) and mount.fs_type != b"fusectl"]
        return self._served

    def _unless_silent(self, mounts: list[Mount]) -> None:
        for mount in mounts:
            if mount.mount_point not in self._silent:
                self._silent[mount.mount_point] = not _answers(self._prefix + mount.mount_point)
            if self._silent[mount.mount_point]:
                raise OSError(errno.ETIMEDOUT, "a filesystem on the way has a server that does not answer")


def is_on_way(mount_point: bytes, path: bytes) -> bool:
    """Return whether an absolute path without symbolic links passes through a mount point."""
    return mount_point in {b"/", path} or path.startswith(mount_point + b"/")


def _answers(path: bytes) -> bool:
    """Return whether a process of its own can ask the filesystem at *path* within the time allowed."""
    if not sys.executable:
        return False
    from select import POLLIN, poll  # noqa: PLC0415  (few machines have such a mount)
    reader, writer = os.pipe()
    with opened(reader):
        with opened(writer):
            quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 2)]
            child = os.posix_spawn(sys.executable, [sys.executable, "-S", "-I", "-c", _PROBE, os.fsdecode(path)],
                                   os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1), *quiet])
        # It prints nothing: the end of its output is its own. A pidfd would be Linux 5.3.
        # Not select(2), which knows no descriptor above 1023.
        waiting = poll()
        waiting.register(reader, POLLIN)
        ended = bool(waiting.poll(PROBE_SECONDS * 1000))
    if not ended:
        # One that waits for the server beyond any signal is reaped by whoever waits last.
        os.kill(child, 9)
    os.waitpid(child, 0 if ended else os.WNOHANG)
    return ended

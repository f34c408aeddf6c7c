"""The root of a machine that is seen from elsewhere: what is opened below it, and what the machine calls it."""

import errno
import os
import stat

from mapsd.errors import NoHost
from mapsd.light import Sequence
from mapsd.linux import syscalls
from mapsd.linux.elsewhere.hostmounts import HostMounts, bound, is_root
from mapsd.linux.files import facts, opened
from mapsd.model import Host, Mount
from mapsd.parse import mountinfo
from mapsd.pathnames import LINKS, names

_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_NO_LINKS = _IN_ROOT | syscalls.RESOLVE_NO_SYMLINKS
_LINK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class HostRoot:
    """An open root; close() gives the descriptor back.

    A bind of the machine's root may lack mounts that the machine has, and have others: what lies there is refused.
    """

    def __init__(self, host: Host, first: bytes) -> None:
        """Open the root; *first* is the mountinfo of the machine's first process. Raises NoHost."""
        self.path = host.root or b"/"
        self._fd = _opened(self.path)
        try:
            text = os.readlink(b"/proc/self/fd/%d" % self._fd)
            machine = mountinfo.parse(first)
            itself = self.path == host.procfs + b"/1/root"
            found = HostMounts(tuple(machine)) if itself else _mounts(self._fd, text, machine)
        except BaseException:
            self.close()
            raise
        if found is None:
            self.close()
            raise NoHost(self.path, f"is not the root of process 1 of {os.fsdecode(host.procfs)}")
        self.mounts: Sequence[Mount] = found.mounts
        self.lacking, self.extra = found.lacking, found.extra
        self._prefix, self._other = text.rstrip(b"/"), found.lacking | found.extra

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def open(self, path: bytes, flags: int, resolve: int) -> int:
        """Return a descriptor of what the machine calls *path*; raises OSError."""
        if self._other and resolve & syscalls.RESOLVE_NO_SYMLINKS:
            self._unless_led_through_other(path)
        elif self._other:
            path, resolve = self._real(path, flags), resolve | syscalls.RESOLVE_NO_SYMLINKS
        return syscalls.openat2(self._fd, path, flags, resolve | _IN_ROOT)

    def names(self, path: bytes) -> tuple[bytes, ...]:
        """Return what the machine may call the file of which /proc/self/fd says *path*."""
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + b"/")):
            return path[len(self._prefix):] or b"/", path
        return (path,)

    def _unless_led_through_other(self, path: bytes) -> None:
        at = b""
        for name in names(path):
            at = at.rpartition(b"/")[0] if name == b".." else at + b"/" + name
            self._unless_other(at)

    def _real(self, path: bytes, flags: int) -> bytes:
        """Return *path* without symbolic links. Raises OSError where it leads through what is not the machine's."""
        todo, done, links = names(path), b"", 0
        while todo:
            name = todo.pop(0)
            if name == b"..":
                self._link(done + b"/.")
                done = done.rpartition(b"/")[0]
                continue
            at = done + b"/" + name
            self._unless_other(at)
            text = None if not todo and flags & os.O_NOFOLLOW else self._link(at)
            if text is None:
                done = at
                continue
            links += 1
            if links > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            todo, done = names(text) + todo, b"" if text.startswith(b"/") else done
        return done + path[-1:] if path.endswith(b"/") else done or b"/"

    def _unless_other(self, path: bytes) -> None:
        if path in self._other:
            raise OSError(errno.EXDEV, "the machine has another mount there than its root shows here")

    def _link(self, path: bytes) -> bytes | None:
        """Return the text of a symbolic link, None for anything else; raises OSError."""
        with opened(syscalls.openat2(self._fd, path, _LINK, _NO_LINKS)) as fd:
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                return None
            if syscalls.fstatfs_type(fd) == syscalls.PROC_SUPER_MAGIC:
                raise OSError(errno.ELOOP, "a link of a procfs leads elsewhere for each that follows it")
            return os.readlink(b"", dir_fd=fd)


def _opened(path: bytes) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        raise NoHost(path, "the root of the machine may not be looked at: it needs CAP_SYS_PTRACE and a process 1 that "
                           "may be looked at, or a bind of it (--host-root)") from error
    except OSError as error:
        raise NoHost(path, f"the root of the machine cannot be opened: {error.strerror}") from error


def _mounts(root: int, text: bytes, machine: Sequence[Mount]) -> HostMounts | None:
    """Return the machine's mounts as they are below an open directory, *text* in our own mount namespace."""
    top = facts(root).mount_id
    if text == b"/" and is_root(machine, top):
        return HostMounts(tuple(machine))
    with open("/proc/self/mountinfo", "rb") as file:
        own = {mount.id: mount for mount in mountinfo.parse(file.read())}
    here = own.get(top)
    return bound(machine, list(own.values()), here) if here is not None and here.mount_point == text else None

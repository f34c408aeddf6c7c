"""What openat2 does, without that call (before Linux 5.6, or a filter of system calls forbids it): name by name.

One name at a time is opened by O_PATH and O_NOFOLLOW below an open directory, so that it is known what it is before it
is followed or read. See openat2(2), path_resolution(7), and link_path_walk() and step_into() in fs/namei.c.
"""

import errno
import os
import stat

from mapsd.linux import syscalls
from mapsd.linux.files import mount_id, opened
from mapsd.model import DeviceId
from mapsd.pathnames import LINKS, PATH_MAX

HELD = 64  # directories above the present one that are held open: `..` leads back so far
_LINK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = _LINK | os.O_DIRECTORY
_PROC_ROOT_INO = 1  # include/linux/proc_ns.h
_SCOPED = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_IN_ROOT
_SHARED = stat.S_ISVTX | stat.S_IWOTH
_NOSYMFOLLOW = 0x2000  # ST_NOSYMFOLLOW, statfs(2): Linux 5.10


def open_stepwise(dirfd: int, path: bytes, flags: int, resolve: int) -> int:
    """Return a descriptor of what *path* opens below *dirfd*, as openat2(2) does with the flags RESOLVE_*.

    No magic link is followed whatever *resolve* says, and only a regular file or a directory is opened to be read.
    Raises OSError; EAGAIN where it is not known where `..` leads: a directory was moved meanwhile, a mount covers the
    one where the walk began, or that is not the root of a mount namespace and `..` is asked of it.
    """
    path = path.partition(b"\0")[0]
    if not path:
        raise _failed(errno.ENOENT)
    if len(path) >= PATH_MAX:
        raise _failed(errno.ENAMETOOLONG)
    walk = _Walk(dirfd, path, flags, resolve)
    try:
        walk.follow(path)
        return walk.result()
    finally:
        walk.close()


class _Walk:
    """A walk: the directories that it went through are held, so that nothing that is done to their names matters."""

    def __init__(self, dirfd: int, path: bytes, flags: int, resolve: int) -> None:
        self._flags, self._resolve, self._links, self._left = flags, resolve, 0, False
        if resolve & _SCOPED:
            self._held = [os.dup(dirfd)]
        elif path.startswith(b"/"):
            self._held = [os.open(b"/", _DIRECTORY)]
        else:
            self._held = [os.open(b".", _DIRECTORY, dir_fd=None if dirfd == syscalls.AT_FDCWD else dirfd)]

    def close(self) -> None:
        """Give the descriptors back."""
        while self._held:
            os.close(self._held.pop())

    def follow(self, path: bytes) -> None:
        """Go where *path* leads."""
        # Of a slash at the end an empty name is left: what is before it is no last one, but a directory.
        todo = path.split(b"/")
        if not todo[0]:
            self._restart()
        while todo:
            name = todo.pop(0)
            if name == b"..":
                self._up()
            elif name == b".":
                self._search()
            elif name:
                todo[:0] = self._down(name, todo)

    def result(self) -> int:
        """Return a descriptor of where the walk is, opened with its flags; raises OSError."""
        mode = _mode(self._held[-1])
        if self._flags & os.O_DIRECTORY and not stat.S_ISDIR(mode):
            raise _failed(errno.ENOTDIR)
        if self._flags & os.O_PATH:
            return self._held.pop()
        if stat.S_ISLNK(mode):
            raise _failed(errno.ELOOP)
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError(errno.ENXIO, "neither a regular file nor a directory")
        return os.open(b"/proc/self/fd/%d" % self._held[-1], self._flags & ~os.O_NOFOLLOW | os.O_CLOEXEC)

    def _down(self, name: bytes, todo: list[bytes]) -> list[bytes]:
        """Enter what *name* is, and return the names of its text instead where it is a link to be followed."""
        fd = self._opened(name, directory=bool(todo or self._flags & os.O_DIRECTORY))
        mode = _mode(fd)
        if stat.S_ISLNK(mode) and (todo or not self._flags & os.O_NOFOLLOW):
            with opened(fd):
                text = self._text(fd, trailing=not any(todo))
            names = text.split(b"/")
            if not names[0]:
                self._restart()
            return names
        self._enter(fd)
        if todo and not stat.S_ISDIR(mode):
            raise _failed(errno.ENOTDIR)
        return []

    def _opened(self, name: bytes, *, directory: bool) -> int:
        # O_DIRECTORY has an automount point mounted, as a walk through it does.
        if directory:
            try:
                return os.open(name, _DIRECTORY, dir_fd=self._held[-1])
            except NotADirectoryError:
                pass  # a link, or a file
        return os.open(name, _LINK, dir_fd=self._held[-1])

    def _text(self, link: int, *, trailing: bool) -> bytes:
        self._links += 1
        follows_none = self._resolve & syscalls.RESOLVE_NO_SYMLINKS or os.fstatvfs(link).f_flag & _NOSYMFOLLOW
        if self._links > LINKS or follows_none or self._is_magic(link):
            raise _failed(errno.ELOOP)
        if trailing and self._is_planted(link):
            raise _failed(errno.EACCES)
        return os.readlink(b"", dir_fd=link)

    def _is_magic(self, link: int) -> bool:
        # Those beside the processes are texts (self, mounts, net); of others procfs does not say.
        if syscalls.fstatfs_type(link) != syscalls.PROC_SUPER_MAGIC:
            return False
        at = self._held[-1]
        return syscalls.fstatfs_type(at) != syscalls.PROC_SUPER_MAGIC or os.fstat(at).st_ino != _PROC_ROOT_INO

    def _is_planted(self, link: int) -> bool:
        # may_follow_link(): what fs.protected_symlinks protects from, which is taken for set.
        seen, parent = os.fstat(link), os.fstat(self._held[-1])
        return parent.st_mode & _SHARED == _SHARED and seen.st_uid not in {os.geteuid(), parent.st_uid}

    def _up(self) -> None:
        if not self._resolve & _SCOPED:
            self._enter(os.open(b"..", _DIRECTORY, dir_fd=self._held[-1]))
        elif len(self._held) > 1:
            with opened(self._held.pop()) as below:
                self._unless_elsewhere(below)
        elif self._resolve & syscalls.RESOLVE_BENEATH:
            raise _failed(errno.EXDEV)
        else:
            self._unless_elsewhere(self._held[0])

    def _unless_elsewhere(self, below: int) -> None:
        """Raise OSError unless `..` of a directory is where the walk is now, to which it is never followed.

        It is outside once the directory was moved out. From a root it is what a mount that covers the root shows.
        """
        with opened(os.open(b"..", _DIRECTORY, dir_fd=below)) as above:
            if _place(above) != _place(self._held[-1]) or (self._left and len(self._held) == 1):
                raise _failed(errno.EAGAIN)

    def _search(self) -> None:
        """Raise OSError where the present directory may not be searched."""
        syscalls.statx_fields(self._held[-1], b".")

    def _restart(self) -> None:
        """Go to the root: where the walk began, if it is to stay there."""
        if self._resolve & syscalls.RESOLVE_BENEATH:
            raise _failed(errno.EXDEV)
        if not self._resolve & _SCOPED:
            self._enter(os.open(b"/", _DIRECTORY))
            return
        while len(self._held) > 1:
            os.close(self._held.pop())
        self._left = False

    def _enter(self, fd: int) -> None:
        self._held.append(fd)
        if self._resolve & syscalls.RESOLVE_NO_XDEV and _place(fd)[0] != _place(self._held[-2])[0]:
            raise _failed(errno.EXDEV)
        if not self._resolve & _SCOPED:
            os.close(self._held.pop(0))
        elif len(self._held) > HELD + 1:
            os.close(self._held.pop(1))
            self._left = True


def _mode(fd: int) -> int:
    return syscalls.statx(fd).mode


def _place(fd: int) -> tuple[int, DeviceId, int]:
    seen = syscalls.statx(fd)
    return mount_id(fd, seen), seen.device, seen.inode


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))

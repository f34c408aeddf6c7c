"""One process, read through one descriptor of its /proc directory, so that a reused pid can not mix two."""

import errno
import os

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import Callable
from mapsd.linux import syscalls
from mapsd.linux.files import Known, facts, found, opened, unless_exhausted
from mapsd.linux.views import View
from mapsd.model import HERE, DeviceId, FileFacts, Found, Host, Mount, Refused, Vma
from mapsd.parse import mountinfo, stat

FD_LINKS = 256
_O_PATH = os.O_PATH | os.O_CLOEXEC
Printed = tuple[DeviceId, int, bytes]  # what maps says of a file: device, inode, name


class ProcFs:
    """The port Process on a live procfs. See proc(5)."""

    def __init__(self, pid: int, thread: int | None = None, host: Host = HERE) -> None:
        """Open the directory of *pid* (or of its thread) of a machine. Raises ProcessGone, AccessDenied, NoHost."""
        self.pid, self.host = pid, host
        with self._translated("process", seen=False):
            self._dir = _directory(thread or pid, host)
        self._root: int | None = None
        self._files: Known = {}
        self._mapped: dict[Printed, tuple[syscalls.Fields, FileFacts]] = {}
        self.path = b"%s/%d" % (host.procfs, pid) + (b"" if thread is None else b"/task/%d" % thread)
        self._view = View(self._open_in_root, self.mounts, self.path + b"/root")

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._dir)
        if self._root is not None:
            os.close(self._root)

    def _translated(self, what: str, *, seen: bool = True) -> "_Translated":
        return _Translated(self.pid, what, seen=seen)

    def text(self, name: str) -> bytes:
        """Return a whole file of the process's directory. Raises ProcessGone, AccessDenied."""
        with self._translated(name), opened(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)) as fd:
            return _whole(fd)

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of an entry of the process's directory; raises OSError."""
        return os.open(name, flags, dir_fd=self._dir)

    def stat(self) -> stat.Stat:
        """Return the process's stat line."""
        return stat.parse(self.text("stat"))

    def target(self, name: str | bytes) -> bytes | None:
        """Return the text of a magic link (exe, root, ns/mnt), None where it is hidden or empty."""
        try:
            return os.readlink(os.fsencode(name), dir_fd=self._dir)
        except OSError:
            # A kernel thread has no exe, a foreign process hides its root: the answer says null.
            return None

    def threads(self) -> list[int]:
        """Return the ids of the process's threads."""
        with self._translated("task"), opened(os.open("task", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)) as fd:
            return sorted(int(name) for name in os.listdir(fd))

    def link(self, vma: Vma) -> bytes | None:
        """Return the raw text of a map_files link."""
        return self.target(_range(vma.start, vma.end))

    def open_mapped(self, start: int, end: int, flags: int) -> int:
        """Return a descriptor of what a map_files link opens now."""
        return os.open(_range(start, end), flags, dir_fd=self._dir)

    def open_named(self, path: bytes, flags: int) -> int:
        """Return a descriptor of what *path* opens inside the process's root, never through a magic link."""
        return self._view.open(path, flags)

    def open_plainly(self, path: bytes, flags: int) -> int:
        """Return a descriptor as open_named() does, but raise OSError, ELOOP where a symbolic link is on the way."""
        return self._view.open_plainly(path, flags)

    def _open_in_root(self, path: bytes, flags: int, resolve: int) -> int:
        if self._root is None:
            self._root = os.open("root", _O_PATH | os.O_DIRECTORY, dir_fd=self._dir)
        inside = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
        return syscalls.openat2(self._root, path, flags, inside | resolve)

    def mounts(self) -> list[Mount]:
        """Return the process's mounts. Raises ParseError."""
        return mountinfo.parse(self.mountinfo())

    def mountinfo(self) -> bytes:
        """Return the text of mountinfo, empty for a process that has left its namespace. Raises ProcessGone."""
        try:
            return self.text("mountinfo")
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return b""

    def open_pagemap(self) -> int:
        """Return a descriptor of the process's pagemap."""
        return os.open("pagemap", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)

    def open_maps(self) -> int:
        """Return a descriptor of the process's maps, which stays with its present memory."""
        return os.open("maps", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)

    def opened_maps(self) -> int:
        """Return open_maps(). Raises ProcessGone, AccessDenied."""
        with self._translated("maps"):
            return self.open_maps()

    def reread(self, fd: int) -> bytes:
        """Return a whole file of the process's directory from its start, empty where its memory is gone."""
        with self._translated("maps"):
            try:
                os.lseek(fd, 0, os.SEEK_SET)
                return _whole(fd)
            except ProcessLookupError:
                return b""

    def mapped(self, vma: Vma) -> Found:
        """Return what the map_files link opens now. Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN.

        What maps prints alike, and is one inode on one mount, is opened once.
        """
        printed = vma.device, vma.inode, vma.name
        known = self._mapped.get(printed)
        return known[1] if known is not None and self._is_still(vma, known[0]) else self._opened(vma, printed)

    def _is_still(self, vma: Vma, fields: syscalls.Fields) -> bool:
        try:
            return self.mapped_fields(vma) == fields
        except OSError:
            # To open it says what stands in the way.
            return False

    def _opened(self, vma: Vma, printed: Printed) -> Found:
        def ask() -> FileFacts:
            with opened(self.open_mapped(vma.start, vma.end, _O_PATH)) as fd:
                fields = syscalls.statx_fields(fd)
                made = facts(fd, known=self._files, fields=fields)
            # A text with a backslash may stand for two names; before Linux 5.8 the fields do not tell mounts apart.
            if made.path == vma.name and b"\\" not in vma.name and (fields, vma.name) in self._files:
                self._mapped[printed] = fields, made
            return made
        with self._translated("file"):
            return found(ask, "CAP_CHECKPOINT_RESTORE")

    def mapped_fields(self, vma: Vma) -> syscalls.Fields:
        """Return what the map_files link opens now, fit to be compared; raises OSError."""
        return syscalls.statx_fields(self._dir, _range(vma.start, vma.end))

    def links(self) -> list[bytes]:
        """Return the texts of the exe link and of the first fd links."""
        try:
            with opened(os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._dir)) as fd:
                names = sorted(os.listdir(fd), key=int)[:FD_LINKS]
        except OSError as error:
            unless_exhausted(error)
            names = []
        texts = [self.target("exe"), *(self.target(f"fd/{name}") for name in names)]
        return [text for text in dict.fromkeys(texts) if text is not None and text.startswith(b"/")]

    def named(self, path: bytes) -> Found:
        """Return what *path* opens inside the process's root."""
        if b"\0" in path or len(path) > 4095:
            return Refused("the path is longer than the kernel resolves")
        return self._facts(lambda: self.open_named(path, _O_PATH), "CAP_SYS_PTRACE")

    def _facts(self, opener: Callable[[], int], needs: str) -> Found:
        def ask() -> FileFacts:
            with opened(opener()) as fd:
                return facts(fd, known=self._files)
        with self._translated("file"):
            return found(ask, needs)


def _directory(pid: int, host: Host) -> int:
    if host is HERE:
        return os.open(f"/proc/{pid}", _O_PATH | os.O_DIRECTORY)
    from mapsd.linux.elsewhere.host import open_process  # noqa: PLC0415  (our own /proc is believed)
    return open_process(pid, host)


def _whole(fd: int) -> bytes:
    chunks = []
    while chunk := os.read(fd, 1 << 17):
        chunks.append(chunk)
    return b"".join(chunks)


def _range(start: int, end: int) -> bytes:
    return b"map_files/%x-%x" % (start, end)


class _Translated:
    """Turn the errors of a block that asks about a process into failures of ours."""

    def __init__(self, pid: int, what: str, *, seen: bool) -> None:
        self._pid, self._what, self._seen = pid, what, seen

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in {errno.ENOENT, errno.ESRCH}:
            raise ProcessGone(self._pid, seen=self._seen) from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise AccessDenied(f"{self._pid}: {self._what}", "CAP_SYS_PTRACE") from error

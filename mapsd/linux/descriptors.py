"""What a process has open, as its magic links show it. See proc_pid_fd(5), proc_pid_exe(5), proc_pid_cwd(5)."""

import errno
import os
import stat

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import Callable
from mapsd.linux import syscalls
from mapsd.linux.files import Known, facts, found, opened, unless_exhausted
from mapsd.linux.procfs import ProcFs
from mapsd.model import Absent, DeviceId, FileFacts, Found, Refused, Vma
from mapsd.model.open import LINKS, Entry
from mapsd.parse import fdinfo

NEEDS_LINK, NEEDS_LIST = "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"
_O_PATH = os.O_PATH | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFCHR: "device",
          stat.S_IFBLK: "device", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
# Each page size of huge pages has a mount of its own (fs/hugetlbfs/inode.c, init_hugetlbfs_fs).
_SHMEM = (0, os.MFD_HUGETLB, os.MFD_HUGETLB | os.MFD_HUGE_2MB, os.MFD_HUGETLB | os.MFD_HUGE_1GB)


class Descriptors:
    """The port Process of one held entry: the only "mapping" that there is stands for what the entry opens.

    An entry is held by a descriptor of ours that only names its file (O_PATH): whatever the process does with its own
    meanwhile, every question is about one file, and neither its position nor what it holds is touched.
    """

    def __init__(self, process: ProcFs) -> None:
        """Ask about *process*, which stays the caller's."""
        self._process = process
        self._held: int | None = None
        self._text: bytes | None = None
        self._files: Known = {}
        self._shmem: frozenset[tuple[DeviceId, int]] | None = None

    def names(self) -> list[str] | Refused:
        """Return the numbers of the descriptors, in order. Raises ProcessGone."""
        try:
            with opened(self._process.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as directory:
                return sorted(os.listdir(directory), key=int)
        except PermissionError as error:
            return Refused(error.strerror or str(error), NEEDS_LIST if self._traceable() else NEEDS_LINK)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise ProcessGone(self._process.pid, seen=True) from error

    def _traceable(self) -> bool:
        return self._process.target("root") is not None

    def entry(self, fd: str) -> Entry | Absent | Refused:
        """Return what a link and fdinfo say of an entry, absent where nothing is open there (any more)."""
        name = _path(fd)
        text = self._process.target(name)
        if fd in LINKS or text is None:
            seen = self._found(lambda: self._process.open(name, _O_PATH))
            if not isinstance(seen, FileFacts):
                return seen
            if fd in LINKS:
                return Entry(fd, text, None, seen.st_dev, seen.inode, seen.mount_id)
        try:
            return Entry(fd, text, fdinfo.parse(self._process.text(f"fdinfo/{fd}")))
        except ProcessGone:
            return Absent()
        except AccessDenied as error:
            return Refused("permission denied", error.needs)

    def hold(self, fd: str) -> Found:
        """Hold what an entry opens now, until release(), and return what it is."""
        self.release()
        try:
            self._held = self._process.open(_path(fd), _O_PATH)
        except OSError as error:
            unless_exhausted(error)
            if error.errno in {errno.ENOENT, errno.ESRCH}:
                return Absent()
            return Refused(error.strerror or str(error), NEEDS_LINK)
        seen = self.held()
        self._text = seen.path if isinstance(seen, FileFacts) else None
        return seen

    def release(self) -> None:
        """Let go of what is held."""
        if self._held is not None:
            os.close(self._held)
        self._held = self._text = None

    def held(self) -> Found:
        """Return what is held, as it is now."""
        return self._found(lambda: self.reopen(_O_PATH))

    def reopen(self, flags: int) -> int:
        """Return another descriptor of what is held; raises OSError."""
        if self._held is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return os.open(b"/proc/self/fd/%d" % self._held, flags)

    def kind(self) -> str:
        """Return which kind of file is held, as its inode says: "other" where it says none."""
        if self._held is None:
            return "other"
        return _KINDS.get(stat.S_IFMT(syscalls.statx(self._held).mode), "other")

    def is_shmem(self, seen: FileFacts) -> bool:
        """Return whether a file is on one of the kernel's own mounts, where memfd_create(2) makes its files."""
        if self._shmem is None:
            self._shmem = frozenset(_shmem())
        return (seen.st_dev, seen.mount_id) in self._shmem

    def link(self, _: Vma) -> bytes | None:
        """Return the text of the link of what is held."""
        return self._text or None

    def mapped(self, _: Vma) -> Found:
        """Return what is held."""
        return self.held()

    def links(self) -> list[bytes]:
        """Return none: a descriptor's own link is right."""
        return []

    def named(self, path: bytes) -> Found:
        """Return what *path* opens inside the process's root; a symbolic link itself where one is held."""
        if self.kind() != "symlink":
            return self._process.named(path)
        if len(path) > 4095:
            return Refused("the path is longer than the kernel resolves")
        return self._found(lambda: self._process.open_named(path, _O_PATH | os.O_NOFOLLOW))

    def _found(self, opener: Callable[[], int]) -> Found:
        def ask() -> FileFacts:
            with opened(opener()) as fd:
                return facts(fd, known=self._files)
        try:
            return found(ask, NEEDS_LINK)
        except ProcessLookupError as error:
            raise ProcessGone(self._process.pid, seen=True) from error


def _path(fd: str) -> str:
    return fd if fd in LINKS else f"fd/{fd}"


def _shmem() -> list[tuple[DeviceId, int]]:
    seen = []
    for flags in _SHMEM:
        try:
            fd = os.memfd_create("mapsd", flags | os.MFD_CLOEXEC)
        except OSError as error:
            unless_exhausted(error)
            continue  # this kernel has no huge pages of that size
        with opened(fd):
            made = facts(fd)
            seen.append((made.st_dev, made.mount_id))
    return seen

"""Build ids: the one that the kernel reads in the file really mapped, and a candidate file's own.

PROCMAP_QUERY (Linux 6.11) answers from vm_file, which for a mapping of an overlay is the layer's file, whatever
the path opens now. The kernel reads that file as it is now, not as it was when it was mapped; from disk what is not
in memory; and without a bound: 4 GiB of notes on a tmpfs keep it busy for a minute that no signal ends, program headers
past 2^63 on ext4 keep Linux 6.12 busy until it is killed. So ask `mapped` only after `of` has found an id in every file
that the mapping may hold: those are in memory, and short. Ask `of` again afterwards: a file that was rewritten
meanwhile tells nothing apart. The query accesses a file that is on no overlay (its atime may change), not a layer's
file: the overlay opens it with O_NOATIME. See lib/buildid.c.
"""

import errno
import os

from mapsd.light import Callable
from mapsd.linux import syscalls
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import PAGE, open_regular
from mapsd.linux.procmap import is_sound, query
from mapsd.model import Refused, Vma
from mapsd.parse import elf
from mapsd.ports import FileRef

_NEEDS = {errno.EPERM: "CAP_FOWNER", errno.EACCES: "CAP_DAC_READ_SEARCH"}


class LiveBuildIds:
    """The port BuildIds on a live system, for one reading of one process; close() gives the descriptor back.

    A descriptor of maps stays with the memory that the process had when it was opened: after an exec it says
    that this memory is gone, or, where another process shares it, goes on to answer. Make a new object for
    each reading of maps. One thread at a time.
    """

    def __init__(self, machine: LiveMachine, open_maps: Callable[[], int],
                 trial: Callable[[], bool] = is_sound) -> None:
        """Open candidates as *machine* does; *open_maps* returns a descriptor of the process's maps.

        *trial* says whether the kernel may be asked at all; it is called once, before the first question.
        """
        self._machine, self._open_maps, self._trial = machine, open_maps, trial
        self._maps: int | None = None
        self._unsound: Refused | None = None

    def close(self) -> None:
        """Give the descriptor back."""
        if self._maps is not None:
            os.close(self._maps)
            self._maps = None

    def mapped(self, vma: Vma) -> bytes | Refused:
        """Return the build id that the kernel reads in the file really mapped at *vma*.

        Refused where it finds none: the file has none, is no ELF file in the machine's byte order, or cannot be read.
        The answer is for a mapping with these very addresses, offset, device and inode.
        """
        try:
            maps = self._opened_maps()
        except OSError as error:
            unless_exhausted(error)
            return Refused(f"the process's maps cannot be opened: {error.strerror}",
                           "CAP_SYS_PTRACE" if error.errno in _NEEDS else "")
        if self._unsound is not None:
            return self._unsound
        try:
            found = query(maps, vma.start)
        except OSError as error:
            unless_exhausted(error)
            return Refused(_unanswered(error))
        if found[:-1] != (vma.start, vma.end, vma.offset, vma.device, vma.inode):
            return Refused("the addresses held another mapping meanwhile")
        return found.build_id or Refused("the kernel finds no build id in the mapped file")

    def _opened_maps(self) -> int:
        if self._maps is None:
            self._unsound = _tried(self._trial)
            self._maps = self._open_maps()
        return self._maps

    def of(self, candidate: FileRef) -> bytes | Refused:
        """Return the build id in a candidate's own ELF notes, as it is in memory now.

        Refused where it has none in which kernels agree (see mapsd.parse.elf), where what is read of it is not in
        memory, and where it changed meanwhile. No time of access changes and no disk is read.
        """
        try:
            with (opened(self._machine.open(candidate, os.O_PATH | os.O_CLOEXEC)) as found,
                  opened(open_regular(found)) as fd):
                return _read_twice(fd)
        except OSError as error:
            unless_exhausted(error)
            return Refused(f"the candidate's build id cannot be read: {error.strerror}",
                           _NEEDS.get(error.errno or 0, ""))


def _tried(trial: Callable[[], bool]) -> Refused | None:
    """Return why the kernel may not be asked, None where it may."""
    try:
        if trial():
            return None
    except OSError as error:
        unless_exhausted(error)
        if error.errno == errno.ENOTTY:
            return Refused(_unanswered(error))
        return Refused(f"whether this kernel can be asked for a build id cannot be tried: {error.strerror}")
    return Refused("this kernel may crash when it is asked for a build id (mended in Linux 6.19): it is not asked")


def _unanswered(error: OSError) -> str:
    match error.errno:
        case errno.ENOTTY:
            return "this kernel has no PROCMAP_QUERY (Linux 6.11)"
        case errno.ENOENT:
            return "the addresses hold no mapping any more"
        case errno.ESRCH:
            return "the memory that was asked about is gone: the process exited or executed another program"
        case _:
            return f"PROCMAP_QUERY failed: {error.strerror}"


def _read_twice(fd: int) -> bytes | Refused:
    # A write changes the ctime before the data; a store through a mapping may change nothing, but a torn id differs.
    before = syscalls.statx(fd)
    first, second = (elf.build_id(_InMemory(fd, before.size)) for _ in range(2))
    if first != second or syscalls.statx(fd) != before:
        return Refused("the candidate changed while its build id was read")
    return first if first is not None else Refused("the candidate has no build id on which kernels agree")


class _InMemory:
    """Reads those pages of a file that are in memory; raises OSError for others."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd, self._size = fd, size
        self._pages: set[int] = set()

    def __call__(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self._size)
        for page in range(offset // PAGE, -(-end // PAGE)):
            if page not in self._pages:
                self._unless_absent(page)
        return os.pread(self._fd, end - offset, offset) if end > offset else b""

    def _unless_absent(self, page: int) -> None:
        mapped = syscalls.mmap_page(self._fd, page * PAGE, PAGE)
        try:
            if not syscalls.mincore(mapped):
                raise OSError(errno.EAGAIN, "it is not in memory")
        finally:
            syscalls.munmap(mapped, PAGE)
        self._pages.add(page)

"""The memory of one process. See proc_pid_mem(5), proc_pid_pagemap(5), proc_pid_smaps(5).

Reading a page that is not in memory faults it into the process; it is asked for only where the caller says so.
"""

import errno
import os
from bisect import bisect

from mapsd.errors import KernelLacks, NotExtracted, ProcessGone
from mapsd.light import Sequence
from mapsd.linux.procfs import ProcFs
from mapsd.linux.threads import living_thread
from mapsd.model import Vma
from mapsd.parse import pages, smaps

PAGE = os.sysconf("SC_PAGE_SIZE")
CHUNK = 1 << 18  # bytes
_ENTRIES = 1 << 15  # pages asked about at once
_READ = os.O_RDONLY | os.O_CLOEXEC
_UNREADABLE = frozenset({errno.EIO, errno.EFAULT})


class Memory(ProcFs):
    """A process whose memory is read; close() gives the descriptors back."""

    def __init__(self, pid: int) -> None:
        """Open the process, or a thread that is left where its leader has exited. Raises ProcessGone, AccessDenied."""
        super().__init__(pid, _living_thread(pid))
        self._mem = self._pagemap = -1

    def close(self) -> None:
        """Give the descriptors back."""
        super().close()
        for fd in (self._mem, self._pagemap):
            if fd >= 0:
                os.close(fd)

    def open_memory(self) -> None:
        """Bind to the address space that the process has now: another program's is never read for it.

        Raises ProcessGone, and AccessDenied where the process may not be traced.
        """
        with self._translated("mem"):
            self._mem = os.open("mem", _READ, dir_fd=self._dir)

    def read(self, address: int, size: int) -> bytes:
        """Return the bytes at an address: fewer before a page that cannot be read, none where the first cannot.

        Raises ProcessGone and NotExtracted where the address space has ended.
        """
        if self._mem < 0:
            self.open_memory()
        try:
            data = os.pread(self._mem, size, address)
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            return b""
        if not data:
            self._ended()
        return data

    def _ended(self) -> None:
        if self.stat().exiting:
            raise ProcessGone(self.pid, seen=True)
        raise NotExtracted(str(self.pid), "the process executed another program meanwhile")

    def runs(self, start: int, end: int) -> list[pages.Run]:
        """Return the states of the pages from *start* up to before *end*, as runs.

        Raises ProcessGone, AccessDenied, KernelLacks.
        """
        found: list[pages.Run] = []
        with self._translated("pagemap"):
            if self._pagemap < 0:
                _unless_lacking()
                self._pagemap = self.open_pagemap()
            for at in range(start, end, _ENTRIES * PAGE):
                count = min(_ENTRIES, (end - at) // PAGE)
                data = os.pread(self._pagemap, count * 8, at // PAGE * 8)
                if len(data) < count * 8:
                    self._ended()
                first = (at - start) // PAGE
                found += (run._replace(first=first + run.first, end=first + run.end) for run in pages.runs(data))
        return found

    def vm_flags(self, vmas: Sequence[Vma]) -> dict[Vma, frozenset[bytes]]:
        """Return the flags of mappings, for those that are still there, also where they have grown.

        The kernel counts the pages of all mappings for it. Raises ProcessGone, AccessDenied, KernelLacks.
        """
        _unless_lacking()
        now = list(smaps.vm_flags(self.text("smaps")))
        starts = [start for start, _, _ in now]
        found = ((vma, now[bisect(starts, vma.start) - 1]) for vma in vmas if now)
        return {vma: flags for vma, (start, end, flags) in found if start <= vma.start < vma.end <= end}


def _unless_lacking() -> None:
    if not os.access(b"/proc/self/smaps", os.F_OK):
        raise KernelLacks("pagemap and smaps (CONFIG_PROC_PAGE_MONITOR)")


def _living_thread(pid: int) -> int | None:
    process = ProcFs(pid)
    try:
        return living_thread(process, process.stat())
    finally:
        process.close()

"""Page frames: whether a mapping and a candidate file share a page of the page cache.

A page that is present in the target is compared with the same page of the candidate, mapped by us
read-only. The target is read before and after, so a page that moves meanwhile is not taken for
another. See Documentation/admin-guide/mm/pagemap.rst; bit 61 marks a file's page.
"""

import errno
import os
import stat
from itertools import islice

from mapsd.light import Iterator, NamedTuple
from mapsd.linux import syscalls
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.machine import LiveMachine
from mapsd.model import Vma
from mapsd.parse import pagemap
from mapsd.ports import FileRef

PAGE = os.sysconf("SC_PAGE_SIZE")
PAGES_ASKED, PAGES_COMPARED, CHUNK = 1 << 18, 4, 4096
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOATIME | os.O_CLOEXEC | os.O_NOCTTY


class LivePageFrames:
    """The port PageFrames on a live system, for one reading of one process.

    A descriptor of pagemap stays with the memory that the process had when it was opened, as one of maps does: make a
    new object for each reading of maps. One thread at a time.
    """

    def __init__(self, machine: LiveMachine, *, keep: bool = False, numbered: bool = True) -> None:
        """Compare mappings of the process that *machine* looks at.

        With *keep* both pagemaps stay open until close(), else only for one comparison. What was seen names the frames
        where they are *numbered*.
        """
        self._machine, self._keep = machine, keep
        self._said = _by_number if numbered else _plainly
        self._kept: tuple[int, int] | None = None
        self._present: tuple[Vma, list[int]] | None = None

    def close(self) -> None:
        """Give the descriptors back."""
        if self._kept is not None:
            for fd in self._kept:
                os.close(fd)
            self._kept = None

    def compare(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent", and what was seen or stood in the way."""
        try:
            with opened(self._machine.open(candidate, os.O_PATH | os.O_CLOEXEC)) as found:
                verdict = self._compare_opened(vma, found)
            if self._is_still(vma):
                return verdict
        except OSError as error:
            unless_exhausted(error)
            return "silent", f"the candidate cannot be opened: {error.strerror}"
        finally:
            if not self._keep:
                self.close()
        return "silent", "the addresses held another mapping meanwhile"

    def contents(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether the pages of the mapping have a candidate's bytes."""
        from mapsd.linux.pagecontents import compare  # noqa: PLC0415  (only where a server gives the bytes)
        try:
            verdict = compare(self._machine, self._pagemaps()[0], vma, candidate)
            if self._is_still(vma):
                return verdict
        except OSError as error:
            unless_exhausted(error)
            return "silent", f"its memory or the candidate cannot be read: {error.strerror}"
        finally:
            if not self._keep:
                self.close()
        return "silent", "the addresses held another mapping meanwhile"

    def _is_still(self, vma: Vma) -> bool:
        # The kernel's maps text escapes newlines only; a text longer than a page has no link.
        link = self._machine.process.link(vma)
        return link is None or link.replace(b"\n", rb"\012") == vma.name

    def _compare_opened(self, vma: Vma, found: int) -> tuple[str, str]:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return "different", "the candidate is not a regular file"
        with opened(_reopened(found)) as fd:
            return self._compare(vma, fd)

    def _compare(self, vma: Vma, fd: int) -> tuple[str, str]:
        refuted = ""
        theirs, ours = self._pagemaps()
        pages = self._pages(theirs, vma)
        for page in pages:
            found = _compare_page(theirs, ours, fd, vma, page)
            verdict, detail = self._said(found) if isinstance(found, _Frames) else found
            if verdict == "same":
                return verdict, detail
            refuted = detail if verdict == "different" else refuted
        if refuted:
            return "different", refuted
        if pages:
            return "silent", "page frames were not stable or hidden (they need CAP_SYS_ADMIN)"
        return "silent", "no page of the file is present in the mapping"

    def _pagemaps(self) -> tuple[int, int]:
        if self._kept is None:
            theirs = self._machine.process.open_pagemap()
            try:
                self._kept = theirs, _own_pagemap()
            except OSError:
                os.close(theirs)
                raise
        return self._kept

    def _pages(self, theirs: int, vma: Vma) -> list[int]:
        """Return the first pages that are present, looked for once for all candidates of a mapping."""
        if self._present is None or self._present[0] is not vma:
            self._present = vma, list(islice(present(theirs, vma), PAGES_COMPARED))
        return self._present[1]


def open_regular(found: int) -> int:
    """Return a descriptor to read the regular file behind an O_PATH one; its time of access stays. Raises OSError."""
    if not stat.S_ISREG(os.fstat(found).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return _reopened(found)


def _reopened(found: int) -> int:
    return os.open(b"/proc/self/fd/%d" % found, _READ)


def _own_pagemap() -> int:
    return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)


def present(pagemap_fd: int, vma: Vma) -> Iterator[int]:
    """Yield the numbers (in pages, from the start of the mapping) of present file pages."""
    pages = min((vma.end - vma.start) // PAGE, PAGES_ASKED)
    for first in range(0, pages, CHUNK):
        count = min(CHUNK, pages - first)
        data = os.pread(pagemap_fd, count * 8, (vma.start // PAGE + first) * 8)
        for number, one in enumerate(pagemap.parse(data), first):
            if one.present and one.file:
                yield number


def entry(pagemap_fd: int, address: int) -> pagemap.PageEntry:
    """Return what pagemap says of the page at an address; raises OSError."""
    data = pagemap.parse(os.pread(pagemap_fd, 8, address // PAGE * 8))
    return data[0] if data else pagemap.PageEntry(present=False, file=False, frame=0)


def _compare_page(theirs: int, ours: int, fd: int, vma: Vma, page: int) -> "_Frames | tuple[str, str]":
    address, offset = vma.start + page * PAGE, vma.offset + page * PAGE
    if offset >= os.fstat(fd).st_size:
        # A mapped page of a file is dropped when the file shrinks: present means inside the file.
        return "silent", f"page {offset // PAGE} lies behind the candidate's end"
    before = entry(theirs, address)
    mapped = syscalls.mmap_page(fd, offset, PAGE)
    try:
        if not syscalls.mincore(mapped):
            mine = 0
        else:
            syscalls.populate_read(mapped, PAGE)
            mine = entry(ours, mapped).frame
    finally:
        syscalls.munmap(mapped, PAGE)
    if before != entry(theirs, address) or not before.frame or not before.file:
        return "silent", "the page moved or is hidden"
    return _Frames(offset // PAGE, before.frame, mine)


class _Frames(NamedTuple):
    """The frame of a file's page in the mapping and in the candidate (0: it is not in memory)."""

    page: int
    theirs: int
    candidates: int


def _by_number(seen: _Frames) -> tuple[str, str]:
    if seen.candidates == seen.theirs:
        return "same", f"page {seen.page} is frame {seen.theirs:#x} in both"
    held = f"frame {seen.candidates:#x}" if seen.candidates else "not in memory"
    return "different", f"page {seen.page} is frame {seen.theirs:#x} in the mapping and {held} in the candidate"


def _plainly(seen: _Frames) -> tuple[str, str]:
    if seen.candidates == seen.theirs:
        return "same", f"page {seen.page} is one frame in both"
    held = "another frame" if seen.candidates else "not in memory"
    return "different", f"page {seen.page} is {held} in the candidate"

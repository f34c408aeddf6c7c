"""The bytes of a mapping's pages against those of a file, where a page cache is not the file's own: FUSE.

Only pages that are in the process's page tables and are the file's (pagemap, bit 61) are read, each just after it was
seen there: another one would be asked of the server. One that leaves memory in between is asked for all the same, so
a thread reads, and nobody waits for it longer than the time allowed. See proc_pid_mem(5).
"""

import os
from itertools import islice

from mapsd.light import TYPE_CHECKING
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.pageframes import PAGE, entry, open_regular, present

if TYPE_CHECKING:
    from mapsd.linux.machine import LiveMachine
    from mapsd.model import Vma
    from mapsd.ports import FileRef

PAGES = 4096  # of one mapping, from its start
SECONDS = 1.0
_NONE = "none of its own pages is in memory"


def compare(machine: "LiveMachine", pagemap: int, vma: "Vma", candidate: "FileRef") -> tuple[str, str]:
    """Return "same", "different" or "silent", and what was seen; raises OSError for a candidate that cannot be read."""
    from threading import Thread  # noqa: PLC0415  (few files are served by a process)
    pages = list(islice(present(pagemap, vma), PAGES))
    if not pages:
        return "silent", _NONE
    said: list[tuple[str, str] | OSError] = []
    own = os.dup(pagemap)
    # What it has open is its own: it may outlive who asked.
    reader = Thread(target=lambda: said.append(_told(machine, own, vma, candidate, pages)), daemon=True)
    try:
        reader.start()
    except RuntimeError:
        os.close(own)
        return "silent", "no thread can be started to read its memory"
    reader.join(SECONDS)
    if not said:
        return "silent", "its memory was not read in time: the server of a page may not answer"
    if isinstance(said[0], OSError):
        raise said[0]
    return said[0]


def _told(machine: "LiveMachine", pagemap: int, vma: "Vma", candidate: "FileRef", pages: list[int]) -> (
        tuple[str, str] | OSError):
    with opened(pagemap):
        try:
            return _opened(machine, pagemap, vma, candidate, pages)
        except OSError as error:
            return error


def _opened(machine: "LiveMachine", pagemap: int, vma: "Vma", candidate: "FileRef", pages: list[int]) -> (
        tuple[str, str]):
    with (opened(machine.open(candidate, os.O_PATH | os.O_CLOEXEC)) as found, opened(open_regular(found)) as fd,
          opened(machine.process.open("mem", os.O_RDONLY | os.O_CLOEXEC)) as memory):
        return _compared(pagemap, memory, fd, vma, pages)


def _compared(pagemap: int, memory: int, fd: int, vma: "Vma", pages: list[int]) -> tuple[str, str]:
    seen = 0
    for page in pages:
        theirs = _page(pagemap, memory, vma.start + page * PAGE)
        if theirs is None:
            continue
        if theirs != os.pread(fd, PAGE, vma.offset + page * PAGE).ljust(PAGE, b"\0"):
            return "different", f"page {vma.offset // PAGE + page} has other bytes"
        seen += 1
    return ("same", f"{seen} of its pages in memory have the bytes of the file") if seen else ("silent", _NONE)


def _page(pagemap: int, memory: int, address: int) -> bytes | None:
    now = entry(pagemap, address)
    if not (now.present and now.file):
        return None
    try:
        data = os.pread(memory, PAGE, address)
    except OSError as error:
        unless_exhausted(error)
        return None
    return data if len(data) == PAGE else None

"""/proc/PID/pagemap as runs of pages of one state. See Documentation/admin-guide/mm/pagemap.rst."""

from itertools import groupby

from mapsd.light import Iterator, NamedTuple

_PRESENT, _SWAPPED, _FILE, _GUARD = 1 << 63, 1 << 62, 1 << 61, 1 << 58


class Run(NamedTuple):
    """Pages of one state, from *first* up to before *end*, counted from the first of the text.

    *state* is "file" (a page of the file, or shared), "anonymous" (the process's own, also where it is swapped out)
    or "absent" (the process has no page there; a guard, MADV_GUARD_INSTALL of Linux 6.13, is none).
    """

    first: int
    end: int
    state: str


def runs(data: bytes) -> Iterator[Run]:
    """Yield the runs of as many whole pages as *data* holds."""
    end = 0
    for state, pages in groupby(map(_state, memoryview(data[:len(data) // 8 * 8]).cast("Q"))):
        first, end = end, end + sum(1 for _ in pages)
        yield Run(first, end, state)


def _state(word: int) -> str:
    # A swap entry that is a guard's or only moves (migration) has the bits 58 and 61 (fs/proc/task_mmu.c).
    if not word & (_PRESENT | _SWAPPED) or word & _GUARD:
        return "absent"
    return "file" if word & _FILE else "anonymous"

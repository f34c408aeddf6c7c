"""A file put together from the memory of a process: which pages are read for which of its bytes.

Offsets and sizes are in bytes. Where several mappings hold the same part of the file, a page of the file is taken
before one that would have to be faulted in, and a page of the process's own last: it may differ from the file.
"""

from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.model import Vma
from mapsd.parse.pages import Run

_ZEROED = frozenset({"anonymous", "heap", "stack"})


class Mapped(NamedTuple):
    """One mapping and the states of its pages; *fault* says whether pages that it has not in memory may be read."""

    vma: Vma
    runs: Sequence[Run]
    fault: bool


class Piece(NamedTuple):
    """Bytes from *start* up to before *end* of the file are in memory from *address* on.

    *private* says that the process may have pages of its own there instead of the file's, *own* that it has.
    """

    start: int
    end: int
    address: int
    private: bool = False
    own: bool = False


class Hole(NamedTuple):
    """Bytes that were not read.

    *why* is unmapped, absent (not in memory), untouched (memory of no file that was never written to: zeros) or
    unreadable.
    """

    start: int
    end: int
    why: str


class Own(NamedTuple):
    """Bytes of the file for which the process has pages of its own, from *address* on."""

    start: int
    end: int
    address: int


def is_zeroed(kind: str) -> bool:
    """Return whether a page that the process has not in memory reads as zeros."""
    return kind in _ZEROED


def is_private(vma: Vma) -> bool:
    """Return whether the process has copies of its own of the pages of a file that it writes to."""
    return vma.perms.endswith("p") and vma.inode != 0


def piece_of(vma: Vma) -> Piece:
    """Return a whole mapping as a piece: at its place in the file, of no file at the beginning."""
    start = vma.offset if vma.inode else 0
    return Piece(start, start + vma.end - vma.start, vma.start, is_private(vma))


def pieces(parts: Sequence[Mapped], page: int) -> list[Piece]:
    """Return what is to be read, in order and without overlaps; *page* is the size of a page."""
    ranked: tuple[list[Piece], ...] = ([], [], [])
    for part in parts:
        for run in part.runs:
            rank = _rank(run.state, part)
            if rank is not None:
                ranked[rank].append(_piece(run, part.vma, page))
    found: list[Piece] = []
    for level in ranked:
        found = sorted([*found, *_in_gaps(sorted(level), found)])
    return found


def _rank(state: str, part: Mapped) -> int | None:
    if state == "absent":
        return 1 if part.fault else None
    return 2 if state == "anonymous" and is_private(part.vma) else 0


def _piece(run: Run, vma: Vma, page: int) -> Piece:
    whole = piece_of(vma)
    cut = _cut(whole, whole.start + run.first * page, whole.start + run.end * page)
    return cut._replace(own=whole.private and run.state == "anonymous")


def _in_gaps(more: Sequence[Piece], found: Sequence[Piece]) -> Iterator[Piece]:
    """Yield what of *more* lies in the gaps of *found*, each byte once; both are sorted, *more* may overlap itself."""
    number = at = 0
    for piece in more:
        start, at = max(piece.start, at), max(piece.end, at)
        while start < piece.end:
            while number < len(found) and found[number].end <= start:
                number += 1
            taken = found[number] if number < len(found) else Piece(piece.end, piece.end, 0)
            if taken.start > start:
                yield _cut(piece, start, min(taken.start, piece.end))
            start = max(taken.end, start) if taken.start <= piece.end else piece.end


def _cut(piece: Piece, start: int, end: int) -> Piece:
    return piece._replace(start=start, end=end, address=piece.address + start - piece.start)


def holes(parts: Sequence[Mapped], kind: str, read: Sequence[Piece]) -> list[Hole]:
    """Return the ranges that no piece gives, up to the end of the last mapping."""
    mapped = sorted(piece_of(part.vma) for part in parts)
    absent = list(_in_gaps(mapped, read))
    whole = Piece(0, max(piece.end for piece in mapped), 0)
    unmapped = _in_gaps([whole], sorted([*read, *absent]))
    why = "untouched" if is_zeroed(kind) else "absent"
    return sorted([*(Hole(one.start, one.end, why) for one in absent),
                   *(Hole(one.start, one.end, "unmapped") for one in unmapped)])


def merged(found: Sequence[Hole]) -> list[Hole]:
    """Return holes in order, neighbours of one kind as one."""
    kept: list[Hole] = []
    for hole in sorted(found):
        if kept and (kept[-1].end, kept[-1].why) == (hole.start, hole.why):
            kept[-1] = kept[-1]._replace(end=hole.end)
        else:
            kept.append(hole)
    return kept


def joined(found: Sequence[Own]) -> list[Own]:
    """Return own pages in order, neighbours as one."""
    kept: list[Own] = []
    for own in sorted(found):
        if kept and (kept[-1].end, kept[-1].address + own.start - kept[-1].start) == (own.start, own.address):
            kept[-1] = kept[-1]._replace(end=own.end)
        else:
            kept.append(own)
    return kept


def own_pages(piece: Piece, runs: Sequence[Run], page: int) -> list[Own]:
    """Return which of a piece's pages are the process's own; *runs* are the states of its pages."""
    if not piece.private:
        return []
    runs = [Run(0, (piece.end - piece.start) // page, "anonymous")] if piece.own else runs
    return [Own(piece.start + run.first * page, piece.start + run.end * page, piece.address + run.first * page)
            for run in runs if run.state == "anonymous"]

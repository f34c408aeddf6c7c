"""Rows become lines of a terminal: what does not fit stands below its row, so that nothing is ever cut."""

from mapsd.light import Iterator, Sequence
from mapsd.views.columns import SAME
from mapsd.views.table import HEADING, LABEL, Heading, Line, Paint, aligned, unpainted, width

_AGAIN = '"'  # for what the row before it says
_LEAST = 24  # columns: what is narrower is no column for several long texts
_EMPTY = frozenset({"-", "", SAME})  # is not worth a line below
_GAP, _NARROWEST = 2, 8


class Fitted:
    """Rows under headings, as wide as a terminal; each batch has its own headings."""

    def __init__(self, headings: Sequence[Heading], room: int, *, headed: bool = True,
                 paint: Paint = unpainted) -> None:
        """Make a table for a terminal of *room* columns; *headed* is whether the headings are printed."""
        self._headings, self._room, self._headed, self._paint = tuple(headings), room, headed, paint
        self._label = 0

    def lines(self, rows: Sequence[Line]) -> Iterator[str]:
        """Yield the lines of a batch of rows under their headings."""
        widths = self._widths(rows, loose=True)
        if any(self._pushed(row, widths) > self._room for row in rows):
            widths = self._widths(rows, loose=False)
        below = [number for number, one in enumerate(self._headings) if one.long or not widths[number]]
        self._label = max((width(self._headings[number].name) for number in below), default=0)
        if self._headed and any(widths):
            names = [one.name for one, size in zip(self._headings, widths, strict=True) if size]
            yield aligned(names, [self._paint(HEADING, name) for name in names], [*filter(None, widths)])
        for row in rows:
            yield from self._beside(row, widths)
            for number in below:
                yield from self._below(row, number, widths[number])

    def _pushed(self, row: Line, widths: Sequence[int]) -> int:
        """Return how wide a row is if a loose cell is wider than its column, else 0."""
        loose = (number for number, one in enumerate(self._headings) if one.loose and widths[number])
        if not any(width(row.cells[number]) > widths[number] for number in loose):
            return 0
        cells = self._fitting(row, widths)
        return width(aligned(cells, cells, [*filter(None, widths)]))

    def _widths(self, rows: Sequence[Line], *, loose: bool) -> list[int]:
        """Return how wide each column is, 0 for one that stands below."""
        cells = [sorted(width(self._cell(row, number)) for row in rows) for number in range(len(self._headings))]
        least = [width(one.name) if self._headed else 0 for one in self._headings]
        natural = [max((least[number], *each[-2 if one.loose and loose else -1:][:1]))
                   for number, (one, each) in enumerate(zip(self._headings, cells, strict=True))]
        found, left = [0] * len(natural), self._room + _GAP
        for number, one in enumerate(self._headings):
            if not one.long and natural[number] + _GAP <= left:
                found[number] = natural[number]
                left -= natural[number] + _GAP
        long = [number for number, one in enumerate(self._headings) if one.long]
        for number, share in zip(long, shares([natural[number] for number in long], left), strict=True):
            fits = [size for size in cells[number] if size <= share]
            found[number] = max((least[number], *fits)) if (fits or not rows) and least[number] <= share else 0
        return found

    def _cell(self, row: Line, number: int) -> str:
        one = self._headings[number]
        return _AGAIN if row.again and one.once and one.long else row.cells[number]

    def _fitting(self, row: Line, widths: Sequence[int]) -> list[str]:
        """Return the cells of a row's own line, empty those that are too long for their column."""
        cells = [(self._headings[number], self._cell(row, number), size) for number, size in enumerate(widths) if size]
        return [cell if not one.long or width(cell) <= size else "" for one, cell, size in cells]

    def _beside(self, row: Line, widths: Sequence[int]) -> Iterator[str]:
        cells = self._fitting(row, widths)
        if any(cells):
            names = [one.name for one, size in zip(self._headings, widths, strict=True) if size]
            yield aligned(cells, [*map(self._paint, names, cells)], [*filter(None, widths)])

    def _below(self, row: Line, number: int, size: int) -> Iterator[str]:
        one, cell = self._headings[number], row.cells[number]
        if cell in _EMPTY or (row.again and one.once) or (size and (not one.long or width(cell) <= size)):
            return
        mark = self._paint(LABEL, one.name) + " " * (self._label - width(one.name))
        for part in folded(cell, max(_NARROWEST, self._room - self._label - 2 * _GAP)):
            yield f"  {mark}  {self._paint(one.name, part)}"
            mark = " " * self._label


def shares(natural: Sequence[int], left: int) -> list[int]:
    """Return how wide each of several long columns may be in *left* terminal columns, their gaps included.

    Where there is not enough for all the last ones get none; what a short one leaves goes to the others.
    """
    kept = len(natural)
    while kept > 1 and left < _GAP * kept + min(sum(natural[:kept]), _LEAST * kept):
        kept -= 1
    found, room = [0] * len(natural), left - _GAP * kept
    for place, number in enumerate(sorted(range(kept), key=natural.__getitem__)):
        found[number] = max(0, min(natural[number], room // (kept - place)))
        room -= found[number]
    return found


def folded(text: str, room: int) -> Iterator[str]:
    """Yield a text in parts that are at most *room* columns wide."""
    part, size = "", 0
    for char in text:
        more = width(char)
        if size + more > room:
            yield part
            part, size = "", 0
        part, size = part + char, size + more
    yield part

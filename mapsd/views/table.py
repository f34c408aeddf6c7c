"""Rows become lines, aligned for a reader."""

from mapsd.light import Callable, Iterator, NamedTuple, Sequence

_GAP = "  "


class Heading(NamedTuple):
    """The head of a column.

    *long* is what may be too long for a terminal, *once* what is said once of a file; *loose* is a column whose one
    cell that is wider than all others does not widen it.
    """

    name: str
    long: bool = False
    once: bool = False
    loose: bool = False


class Line(NamedTuple):
    """The cells of a row; *again* says that it is of the same file as the row before it."""

    cells: tuple[str, ...]
    again: bool = False


Paint = Callable[[str, str], str]  # a column's name, or one of these two, and a text give the text in colour
HEADING, LABEL = "heading", "label"


def unpainted(_: str, cell: str) -> str:
    """Return a text as it is."""
    return cell


class Table:
    """Rows under their headings, several batches one after the other; a column never becomes narrower."""

    def __init__(self, headings: Sequence[Heading], *, headed: bool = True, paint: Paint = unpainted) -> None:
        """Make a table; *headed* is whether the headings are printed."""
        self._names, self._headed, self._paint = tuple(one.name for one in headings), headed, paint
        self._widths = [width(name) if headed else 0 for name in self._names]

    def lines(self, rows: Sequence[Line]) -> Iterator[str]:
        """Yield the lines of a batch of rows, the headings before the first batch."""
        for number, cells in enumerate(zip(*(row.cells for row in rows), strict=True)):
            measure = len if "".join(cells).isascii() else width
            self._widths[number] = max(self._widths[number], *map(measure, cells))
        if self._headed:
            self._headed = False
            yield aligned(self._names, [self._paint(HEADING, name) for name in self._names], self._widths)
        for row in rows:
            shown = row.cells if self._paint is unpainted else [*map(self._paint, self._names, row.cells)]
            yield aligned(row.cells, shown, self._widths)


def aligned(cells: Sequence[str], shown: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of cells, *shown* being the same in colour; it ends with its last text."""
    if shown is cells and "".join(cells).isascii():
        padded = list(map(str.ljust, cells, widths))
    else:
        padded = [one + " " * (room - width(cell)) for cell, one, room in zip(cells, shown, widths, strict=True)]
    padded[-1] = shown[-1]
    line = _GAP.join(padded)
    return line if cells[-1] else line.rstrip(" ")


def width(cell: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(cell) if cell.isascii() else sum(map(_width, cell))


def _width(char: str) -> int:
    from unicodedata import category, east_asian_width  # noqa: PLC0415  (few names need it)
    if category(char) in {"Mn", "Me"}:
        return 0
    return 2 if east_asian_width(char) in {"W", "F"} else 1

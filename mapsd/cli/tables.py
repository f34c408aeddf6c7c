"""The tables of a lookup: which columns, whose rows, and in which form."""

from itertools import repeat

from mapsd.cli.arguments import quoted
from mapsd.cli.command import Asked, filled
from mapsd.cli.output import Text
from mapsd.cli.terminal import Terminal, coloured
from mapsd.errors import UsageError
from mapsd.light import Callable, Iterator
from mapsd.model import ProcessAnswer
from mapsd.views.columns import COLUMNS, FILES, MAPPINGS, PACKAGES, Column, Row, Value, brief, named, text
from mapsd.views.render import escaped, printable
from mapsd.views.selection import files, stories
from mapsd.views.table import HEADING, Heading, Line, Paint, Table, unpainted

_NARROWEST = 20
Lines = Callable[[Iterator[ProcessAnswer]], Iterator[Text]]


def lines(asked: Asked, seen: Terminal | None, *, several: bool) -> Lines:
    """Return what makes the lines of a table. Raises UsageError for a column that there is not."""
    made = _Tables(asked, seen, several=several)
    if "null" in asked.flags:
        return made.null
    if "raw" in asked.flags:
        return made.raw
    return made.plain if seen is None else made.fitted


def listed(seen: Terminal | None) -> Iterator[str]:
    """Yield every column and what it means, a line each where no terminal is too narrow."""
    room = max(len(one.name) for one in COLUMNS)
    for one in COLUMNS:
        first, *more = filled(one.about, max(_NARROWEST, seen.width - room - 2)) if seen is not None else [one.about]
        yield f"{one.name:<{room}}  {first}"
        yield from (" " * (room + 2) + line for line in more)


class _Tables:
    """Every form of one choice of columns and rows."""

    def __init__(self, asked: Asked, seen: Terminal | None, *, several: bool) -> None:
        flags = asked.flags
        default: tuple[str, ...] = FILES if "files" in flags else MAPPINGS
        self._titled = several and seen is not None and not {"raw", "null"} & flags
        if "packages" in flags:
            default = (*default, *PACKAGES)
        if several and not self._titled:
            default = ("PID", *default)
        self._columns, self._told = _columns(asked, default)
        self._rows = _files if "files" in flags else _mappings
        self._headed, self._paint, self._seen = "noheadings" not in flags, _paint(asked, seen), seen
        # The vsyscall page is at the far end of the addresses, where they are longer than anywhere else.
        self._headings = [Heading(one.name, long=one.long, once=one.of == "file", loose=one.name == "ADDRESS")
                          for one in self._columns]

    def null(self, answers: Iterator[ProcessAnswer]) -> Iterator[Text]:
        from mapsd.views.exact import harmless, null  # noqa: PLC0415  (a reader needs none)
        for values in self._values(answers):
            yield null(values if self._seen is None else [harmless(value) for value in values])

    def raw(self, answers: Iterator[ProcessAnswer]) -> Iterator[Text]:
        from mapsd.views.exact import raw  # noqa: PLC0415  (a reader needs none)
        if self._headed:
            yield raw([one.name for one in self._columns])
        yield from map(raw, self._values(answers))

    def _values(self, answers: Iterator[ProcessAnswer]) -> Iterator[list[Value]]:
        return ([one.value(row) for one in self._columns] for answer in answers for row in self._rows(answer))

    def _stories(self, rows: list[Row]) -> Iterator[tuple[Row, bool]]:
        """Yield each row, and whether it is of the same file as the one before it; never where columns were told."""
        again = repeat(False) if self._told else stories([row.mapping for row in rows])
        return zip(rows, again, strict=False)

    def plain(self, answers: Iterator[ProcessAnswer]) -> Iterator[Text]:
        table = Table(self._headings, headed=self._headed, paint=self._paint)
        for answer in answers:
            yield from table.lines([Line(tuple([text(one, row) for one in self._columns]))
                                    for row in self._rows(answer)])

    def fitted(self, answers: Iterator[ProcessAnswer]) -> Iterator[Text]:
        from mapsd.views.fitted import Fitted  # noqa: PLC0415  (a pipe needs none)
        assert self._seen is not None  # noqa: S101  (see lines())
        table = Fitted(self._headings, self._seen.width, headed=self._headed, paint=self._paint)
        shown = text if self._told else brief
        gap = False
        for answer in answers:
            rows = [Line(tuple(shown(one, row) for one in self._columns), again)
                    for row, again in self._stories(self._rows(answer))]
            if self._titled and rows:
                yield from [""] * gap
                yield self._paint(HEADING, f"{answer.process.pid} {printable(escaped(answer.process.name))}")
                gap = True
            if rows or not self._titled:
                yield from table.lines(rows)


def _columns(asked: Asked, default: tuple[str, ...]) -> tuple[tuple[Column, ...], bool]:
    """Return the columns, and whether they were told one by one."""
    if "output-all" in asked.flags:
        return COLUMNS, True
    output = asked.values.get("output")
    words = [] if output is None else output.removeprefix("+").upper().split(",")
    known = {one.name for one in COLUMNS}
    for word in words:
        if word not in known:
            raise UsageError(f"no such column: {quoted(word)} (see mapsd lookup --list-columns)")
    told = output is not None and not output.startswith("+")
    return named(words if told else [*default, *words]), told


def _paint(asked: Asked, seen: Terminal | None) -> Paint:
    if not coloured(asked.values.get("color", "auto"), seen):
        return unpainted
    from mapsd.views.colour import painted  # noqa: PLC0415  (a program wants none)
    return painted


def _mappings(answer: ProcessAnswer) -> list[Row]:
    return [Row(answer.process, mapping, (mapping,), answer.container) for mapping in answer.mappings]


def _files(answer: ProcessAnswer) -> list[Row]:
    return [Row(answer.process, each[0], each, answer.container) for each in files(answer.mappings)]

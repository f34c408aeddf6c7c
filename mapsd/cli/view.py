"""From answers to the form that was asked for."""

from mapsd.cli.arguments import quoted
from mapsd.cli.command import Asked
from mapsd.cli.output import Text, write
from mapsd.cli.terminal import Terminal
from mapsd.errors import UsageError
from mapsd.light import Callable, Iterator
from mapsd.model import ProcessAnswer
from mapsd.views.render import as_json
from mapsd.views.selection import STATES, Wanted, overlaid

FORMATS = ("table", "json", "ndjson", "proc")
_OF_TABLES = ("files", "output", "output-all", "noheadings", "raw", "null")
Lines = Callable[[Iterator[ProcessAnswer]], Iterator[Text]]


def lines(asked: Asked, seen: Terminal | None, *, several: bool) -> Lines:
    """Return what makes lines of answers; *several* processes may answer. Raises UsageError."""
    form = asked.values.get("format", "json" if "json" in asked.flags else "ndjson" if "ndjson" in asked.flags
                            else "table")
    if form == "table":
        from mapsd.cli.tables import lines as table  # noqa: PLC0415  (JSON needs none)
        return table(asked, seen, several=several)
    for name in _OF_TABLES:
        if name in asked.flags or name in asked.values:
            raise UsageError(f"--{name} is for tables, not for {form}")
    if form == "proc":
        if "packages" in asked.flags:
            raise UsageError("the text of maps has no packages")
        if several:
            raise UsageError("the text of maps is of one process")
        return lambda answers: _maps(answers, seen)
    return _ndjson if form == "ndjson" else _array if several else _object


def is_of_containers(asked: Asked) -> bool:
    """Return whether the form that was asked for says something of containers."""
    if {"json", "ndjson"} & {*asked.flags, asked.values.get("format")} or "output-all" in asked.flags:
        return True
    if "output" not in asked.values:
        return False
    from mapsd.views.columns import OF_CONTAINERS  # noqa: PLC0415  (JSON needs none)
    return not OF_CONTAINERS.isdisjoint(_named(asked))


def is_of_packages(asked: Asked) -> bool:
    """Return whether packages are asked for: by name, or by one of their columns."""
    if "packages" in asked.flags or "output" not in asked.values:
        return "packages" in asked.flags
    from mapsd.views.columns import OF_PACKAGES  # noqa: PLC0415  (as above)
    return not {column.name for column in OF_PACKAGES}.isdisjoint(_named(asked))


def _named(asked: Asked) -> list[str]:
    """Return the names of columns that were asked for one by one."""
    return asked.values["output"].removeprefix("+").upper().split(",")


def filters(asked: Asked) -> list[Wanted]:
    """Return what every mapping must meet. Raises UsageError for a word that is no state."""
    found: list[Wanted] = [overlaid] if "overlay-only" in asked.flags else []
    if "state" in asked.values:
        states = asked.values["state"].split(",")
        for state in states:
            if state not in STATES:
                raise UsageError(f"no such state: {quoted(state)} (one of {', '.join(STATES)})")
        found.append(lambda mapping: mapping.state in states)
    return found


def written(asked: Asked, seen: Terminal | None, made: Iterator[Text]) -> bool:
    """Write lines, on a terminal through a pager where they are many, and return whether they were taken."""
    if seen is None or "no-pager" in asked.flags:
        return write(made)
    from mapsd.cli.pager import show  # noqa: PLC0415  (imports subprocess)
    return show(made, seen.height)


def _object(answers: Iterator[ProcessAnswer]) -> Iterator[str]:
    import json  # noqa: PLC0415  (9 ms that the table does not need)
    # A single process that failed is no JSON at all.
    yield from (json.dumps(as_json(answer), indent=1) for answer in answers)


def _array(answers: Iterator[ProcessAnswer]) -> Iterator[str]:
    mark = "["
    for text in _object(answers):
        yield mark + text
        mark = ","
    # Several processes are always an array, also of none.
    yield "]" if mark == "," else "[]"


def _ndjson(answers: Iterator[ProcessAnswer]) -> Iterator[str]:
    import json  # noqa: PLC0415  (9 ms that the table does not need)
    yield from (json.dumps(as_json(answer)) for answer in answers)


def _maps(answers: Iterator[ProcessAnswer], seen: Terminal | None) -> Iterator[Text]:
    from mapsd.views.mapstext import lines as maps  # noqa: PLC0415  (rarely asked for)
    found = (line for answer in answers for line in maps(answer))
    if seen is None:
        return found
    from mapsd.views.exact import harmless  # noqa: PLC0415  (a program needs none)
    return (harmless(line[:-1]) for line in found)

"""What a column is, and a row of a lookup's table."""

from mapsd.light import TYPE_CHECKING, Callable, NamedTuple
from mapsd.model import Answer, ProcessFacts

if TYPE_CHECKING:
    from mapsd.model.containers import Container

Value = bytes | str | None


class Row(NamedTuple):
    """One row: a mapping, or (*mappings*) all those of one file, of which *mapping* is the first."""

    process: ProcessFacts
    mapping: Answer
    mappings: tuple[Answer, ...]
    container: "Container | None" = None


class Column(NamedTuple):
    """One column; *value* gives exact bytes for what may hold any bytes, None where there is nothing.

    *of* says what the value belongs to: process, file or mapping. *long* is what may be too long for a terminal.
    *cell* is the text for a reader where that says more than the value.
    """

    name: str
    about: str
    value: Callable[[Row], Value]
    of: str = "file"
    long: bool = False
    cell: Callable[[Row], str] | None = None


def field(whole: str, name: str) -> Callable[[Row], Value]:
    """Return the value of a field of the mount or of the backing file, where there is one."""
    def value(row: Row) -> Value:
        there = getattr(row.mapping, whole)
        found = None if there is None else getattr(there, name)
        return found if found is None or isinstance(found, bytes) else str(found)
    return value

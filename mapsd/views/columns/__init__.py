"""The columns of a lookup's table: the contract's fields in capitals, what each means, and its value for a row."""

from mapsd.light import Sequence
from mapsd.views.columns.backing import OF_BACKINGS
from mapsd.views.columns.finding import OF_FINDINGS
from mapsd.views.columns.mapping import OF_MAPPINGS
from mapsd.views.columns.name import OF_NAMES
from mapsd.views.columns.package import OF_PACKAGES
from mapsd.views.columns.process import OF_PROCESSES
from mapsd.views.columns.row import Column, Row, Value
from mapsd.views.render import escaped, printable

__all__ = ["COLUMNS", "FILES", "MAPPINGS", "OF_CONTAINERS", "OF_PACKAGES", "PACKAGES", "SAME", "Column", "Row", "Value",
           "brief", "named", "text"]

SAME = "(same)"
COLUMNS = (*OF_PROCESSES, *OF_MAPPINGS, *OF_NAMES, *OF_BACKINGS, *OF_PACKAGES, *OF_FINDINGS)
MAPPINGS = ("ADDRESS", "PERMS", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING")
FILES = ("START", "MAPPINGS", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING")
PACKAGES = ("PACKAGE", "PACKAGE_VERSION", "PACKAGE_STATE")
# Those that a lookup must ask for the container.
OF_CONTAINERS = frozenset({"CONTAINER", "CONTAINER_ID", "ENGINE", "IMAGE", "IMAGE_DIGEST", "POD", "POD_NAMESPACE",
                           "POSITION", "DIFF_ID", "DIGEST", "STEP"})


def text(column: Column, row: Row) -> str:
    """Return what a reader sees of a value, `-` where there is none. No control byte is left."""
    value = column.value(row) if column.cell is None else column.cell(row)
    if not value:
        return "-"
    shown = escaped(value) if isinstance(value, bytes) else value
    return shown if shown.isprintable() else printable(shown)


def brief(column: Column, row: Row) -> str:
    """Return text(), or SAME for the path of a backing file that is the user path as well."""
    backing = row.mapping.backing
    if column.name == "BACKING" and backing is not None and backing.path == row.mapping.user_path is not None:
        return SAME
    return text(column, row)


def named(names: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of these names. Raises KeyError for one that there is not."""
    known = {column.name: column for column in COLUMNS}
    return tuple(known[name] for name in names)

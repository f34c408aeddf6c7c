"""How a database's files are read from a root."""

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Protocol
from mapsd.model import Absent, Refused
from mapsd.model.packages import Record

if TYPE_CHECKING:
    from mapsd.sources import Tree


SHARED = 64  # packages that have one name: more is no database of a package manager
TOO_MANY = Refused(f"more than {SHARED} packages have that name")


class Database(Protocol):
    """The packages of one kind in one root."""

    @property
    def kind(self) -> str:
        """Return which kind of package."""

    def records(self, path: bytes) -> "list[Record | Refused]":
        """Return what the packages say that have a name (from the root), and what could not be read of them."""

    def same(self) -> bool:
        """Return whether the database is still what it was when it was read."""


def read(tree: "Tree", path: bytes, limit: int) -> bytes | Absent | Refused:
    """Return a file's bytes, Refused with its name."""
    found = tree.read(path, limit)
    return refused(path, found) if isinstance(found, Refused) else found


def refused(path: bytes, why: Refused | ParseError) -> Refused:
    """Return that a file was not read, or not understood."""
    name = path.decode("utf-8", "backslashreplace")
    return Refused(f"{name}: {why.reason}", why.needs if isinstance(why, Refused) else "")

"""How a database's files are read from a root."""

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Protocol
from mapsd.model import Absent, Refused
from mapsd.model.packages import Record

if TYPE_CHECKING:
    from mapsd.sources import Tree


SHARED = 64  # packages that have one name: more is no database of a package manager
_PAGE = 4096  # bytes
TOO_MANY = Refused(f"more than {SHARED} packages have that name")


class Database(Protocol):
    """The packages of one kind in one root."""

    @property
    def kind(self) -> str:
        """Return which kind of package."""

    def records(self, path: bytes) -> "list[Record | Refused]":
        """Return what the packages say that have a name (from the root), and what could not be read of them."""


class Bounded:
    """Reads many files of a root, *total* bytes in all; each counts as a page at least."""

    def __init__(self, tree: "Tree", total: int) -> None:
        """Keep the root and the bound."""
        self._tree, self._total, self._left = tree, total, total

    @property
    def exceeded(self) -> Refused | None:
        """Return what is said of every file from now on, None while there is room."""
        return None if self._left > 0 else Refused(f"more than {self._total >> 20} MiB would have to be read")

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a file's bytes, Refused with its name."""
        if self.exceeded is not None:
            return refused(path, self.exceeded)
        found = read(self._tree, path, limit)
        self._left -= max(_PAGE, len(found)) if isinstance(found, bytes) else 0
        return found


def read(tree: "Tree", path: bytes, limit: int) -> bytes | Absent | Refused:
    """Return a file's bytes, Refused with its name."""
    found = tree.read(path, limit)
    return refused(path, found) if isinstance(found, Refused) else found


def refused(path: bytes, why: Refused | ParseError) -> Refused:
    """Return that a file was not read, or not understood."""
    name = path.decode("utf-8", "backslashreplace")
    return Refused(f"{name}: {why.reason}", why.needs if isinstance(why, Refused) else "")

"""The package databases in the roots of processes: many processes have one root."""

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import Absent, Found, Refused
from mapsd.packages.databases import Databases

if TYPE_CHECKING:
    from mapsd.linux.tree import Files
    from mapsd.sources import Tree

ROOTS = 8  # whose databases are kept in memory


class Roots:
    """The databases in the roots that were asked last: another process with such a root need not read them again."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[tuple[object, ...], tuple[Opened, Databases]] = {}

    def databases(self, files: "Files") -> Databases:
        """Return the databases in a root that is open, as they are now."""
        opened, databases = self._known.pop(files.identity, (None, None))
        if opened is None or databases is None:
            opened = Opened(files)
            databases = Databases(opened)
        opened.files = files
        databases = databases.again()
        self._known[files.identity] = opened, databases
        if len(self._known) > ROOTS:
            del self._known[next(iter(self._known))]
        return databases


class Opened:
    """The port Tree on files that are opened for one lookup after the other."""

    def __init__(self, files: "Tree") -> None:
        """Begin with these."""
        self.files = files

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        return self.files.read(path, limit)

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""
        return self.files.head(path, size)

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""
        return self.files.listed(path)

    def entry(self, path: bytes) -> Found:
        """Return what a path is; a symbolic link at its end is not followed."""
        return self.files.entry(path)

    def link(self, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""
        return self.files.link(path)

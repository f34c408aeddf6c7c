"""The package databases in the roots of processes: many processes have one root."""

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import Absent, Found, Refused
from mapsd.packages.databases import Databases

if TYPE_CHECKING:
    from mapsd.sources import Tree

ROOTS, KEPT = 8, 32 << 20  # whose databases are kept in memory, and bytes that were read for all of them


class Roots:
    """The databases in the roots that were asked last: another process with such a root need not read them again."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[tuple[object, ...], tuple[Opened, Databases]] = {}

    def databases(self, key: tuple[object, ...], files: "Tree") -> Databases:
        """Return the databases in a root that is open, as they are now; *key* says which root, and who reads it."""
        opened, databases = self._known.pop(key, (None, None))
        if opened is None or databases is None:
            opened = Opened(files)
            databases = Databases(opened)
        opened.files = files
        databases = databases.again()
        if not databases.are_read:
            opened.read_bytes = 0
        opened.counts = not databases.are_read
        self._known[key] = opened, databases
        return databases

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._known)

    def forget(self, key: tuple[object, ...]) -> None:
        """Keep a root no longer: its databases were not read as a whole."""
        self._known.pop(key, None)

    def settle(self) -> None:
        """Keep not more than there is room for: what is too large by itself goes, then the oldest."""
        for key in [key for key, (opened, _) in self._known.items() if opened.read_bytes > KEPT]:
            del self._known[key]
        while len(self._known) > ROOTS or sum(opened.read_bytes for opened, _ in self._known.values()) > KEPT:
            del self._known[next(iter(self._known))]


class Opened:
    """The port Tree on files that are opened for one lookup after the other."""

    def __init__(self, files: "Tree") -> None:
        """Begin with these."""
        self.files, self.read_bytes, self.counts = files, 0, True

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        found = self.files.read(path, limit)
        self.read_bytes += len(found) if self.counts and isinstance(found, bytes) else 0
        return found

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

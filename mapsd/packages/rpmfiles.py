"""The headers of all packages that rpm knows in a root, whichever database it keeps them in."""

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Callable, Iterator
from mapsd.model import Absent, FileFacts, Refused
from mapsd.packages.directories import Directories
from mapsd.packages.reading import read, refused
from mapsd.parse import bdb, ndb, sqlite, sqlitewal

if TYPE_CHECKING:
    from mapsd.sources import Tree

# %_dbpath: of most, of Fedora and SUSE, of images made by rpm-ostree.
HOMES = (b"var/lib/rpm", b"usr/lib/sysimage/rpm", b"usr/share/rpm")
SQLITE, NDB, BDB = b"rpmdb.sqlite", b"Packages.db", b"Packages"
WAL, JOURNAL = SQLITE + b"-wal", SQLITE + b"-journal"
WATCHED = tuple(home + b"/" + name for home in HOMES for name in (SQLITE, WAL, JOURNAL, NDB, BDB))
DATA, LOG = 128 << 20, 16 << 20  # bytes of a database, and of what is not in it yet


def headers(tree: "Tree", directories: Directories) -> Iterator[bytes] | Absent | Refused:
    """Return the header of each package, absent where there is no rpm; what is returned raises ParseError."""
    found: dict[object, bytes] = {}
    for home in HOMES:
        for name in (SQLITE, NDB, BDB):
            entry = tree.entry(home + b"/" + name)
            if isinstance(entry, Refused):
                return refused(home + b"/" + name, entry)
            real = directories.real(home)
            if isinstance(real, Refused):
                return refused(home, real)
            if isinstance(entry, FileFacts) and (entry.size or entry.kind != "file"):
                found.setdefault((real, name), home + b"/" + name)
    if len(found) > 1:
        return Refused(f"rpm has {len(found)} databases here, and which it uses is not known")
    for path in found.values():
        return _opened(tree, path)
    return Absent()


def _opened(tree: "Tree", path: bytes) -> Iterator[bytes] | Absent | Refused:
    data = read(tree, path, DATA)
    if not isinstance(data, bytes):
        return data
    kind = path.rpartition(b"/")[2]
    if kind == SQLITE:
        return _sqlite(tree, path, data)
    readers: dict[bytes, Callable[[bytes], Iterator[bytes]]] = {NDB: ndb.blobs, BDB: _bdb}
    return readers[kind](data)


def _bdb(data: bytes) -> Iterator[bytes]:
    # The key 0 has the number of the last package.
    return (value for key, value in bdb.values(data) if key.strip(b"\0"))


def _sqlite(tree: "Tree", path: bytes, data: bytes) -> Iterator[bytes] | Refused:
    journal, log = (read(tree, path + end, LOG) for end in (b"-journal", b"-wal"))
    if isinstance(journal, Refused):
        return journal
    if isinstance(log, Refused):
        return log
    if isinstance(journal, bytes) and journal.startswith(sqlite.HOT):
        return refused(path, Refused("a transaction was not finished, and is not rolled back yet"))
    return _rows(data, log if isinstance(log, bytes) else b"")


def _rows(data: bytes, log: bytes) -> Iterator[bytes]:
    page = sqlitewal.merged(sqlite.pages(data), sqlite.page_size(data), log)
    for _, row in sqlite.rows(page, "Packages"):
        blob = row[1] if len(row) == 2 else None
        if not isinstance(blob, bytes):
            raise ParseError("rpm rpmdb.sqlite", b"", "a package without a header")
        yield blob

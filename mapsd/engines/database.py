"""A database of a store, as it was at one moment: copied while its engine may be writing."""

from mapsd.engines.documents import Unread, content, optional
from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, Refused
from mapsd.parse import bbolt, sqlite, sqlitewal

if TYPE_CHECKING:
    from mapsd.sources import Tree

LIMIT = 128 << 20  # bytes
_ATTEMPTS = 5
_CHANGED = "it changed each time it was copied"


def opened(tree: "Tree", path: bytes) -> bbolt.Bucket:
    """Return the bucket of a bbolt database that holds all others. Raises Unread, ParseError."""
    for _ in range(_ATTEMPTS):
        data = content(tree, path, LIMIT)
        meta = bbolt.newest(data)
        # What the newest transaction names is not written over before another one has ended: see mapsd.parse.bbolt.
        again = tree.head(path, 2 * meta.page_size)
        if not isinstance(again, Absent | Refused) and bbolt.newest(again).transaction == meta.transaction:
            return bbolt.opened(data)
    raise Unread(path, _CHANGED)


def pages(tree: "Tree", path: bytes) -> sqlite.Page:
    """Return the pages of an SQLite database, with those of its write-ahead log. Raises Unread, ParseError."""
    for _ in range(_ATTEMPTS):
        data, journal = content(tree, path, LIMIT), tree.head(path + b"-journal", len(sqlite.HOT))
        if isinstance(journal, Refused):
            raise Unread(path + b"-journal", journal.reason, journal.needs)
        log = optional(tree, path + b"-wal", LIMIT)
        # Without a hot journal the file is as a transaction left it, and it is what was copied before; what was copied
        # into it from the log meanwhile would have changed it. See "Atomic Commit In SQLite" and wal.html there.
        if journal != sqlite.HOT and content(tree, path, LIMIT) == data:
            return sqlitewal.merged(sqlite.pages(data), sqlite.page_size(data), log or b"")
    raise Unread(path, "a transaction was not finished, and is not rolled back yet" if journal == sqlite.HOT
                 else _CHANGED)

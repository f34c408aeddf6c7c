"""A bbolt database of a store, as it was at one moment: copied while its engine may be writing."""

from mapsd.engines.documents import Unread, content
from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, Refused
from mapsd.parse import bbolt

if TYPE_CHECKING:
    from mapsd.sources import Tree

LIMIT = 128 << 20  # bytes
_ATTEMPTS = 5


def opened(tree: "Tree", path: bytes) -> bbolt.Bucket:
    """Return the bucket that holds all others. Raises Unread, ParseError."""
    for _ in range(_ATTEMPTS):
        data = content(tree, path, LIMIT)
        meta = bbolt.newest(data)
        # What the newest transaction names is not written over before another one has ended: see mapsd.parse.bbolt.
        again = tree.head(path, 2 * meta.page_size)
        if not isinstance(again, Absent | Refused) and bbolt.newest(again).transaction == meta.transaction:
            return bbolt.opened(data)
    raise Unread(path, "it changed each time it was copied")

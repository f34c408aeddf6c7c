"""The snapshots of a containerd's snapshotter: directories of layers, each upon its parent.

    SNAPSHOTTER/snapshots/N/fs                    the files of a snapshot
    SNAPSHOTTER/metadata.db                       v1/snapshots/KEY: id (N), parent (a KEY); KEY is GROUP/NUMBER/NAME

The name of an image layer's snapshot is its chain id. See core/snapshots/storage/bolt.go of containerd.
"""

from mapsd.engines.database import opened
from mapsd.engines.documents import Unread, is_digest
from mapsd.engines.image import LAYERS
from mapsd.light import TYPE_CHECKING, NamedTuple, Sequence
from mapsd.parse.bbolt import Bucket

if TYPE_CHECKING:
    from mapsd.sources import Tree

SNAPSHOTTER = "io.containerd.snapshotter.v1."


class Snapshot(NamedTuple):
    """One snapshot: the directory's number, and its key as the snapshotter has it."""

    number: int
    key: bytes

    @property
    def name(self) -> str:
        """Return what containerd's clients call it."""
        return self.key.split(b"/", 2)[-1].decode("utf-8", "replace")


def snapshots(tree: "Tree", driver: str) -> Bucket:
    """Return all that a snapshotter has, by their keys. Raises Unread, ParseError."""
    path = f"{driver}/metadata.db".encode()
    found = opened(tree, path).bucket(b"v1", b"snapshots")
    if found is None:
        raise Unread(path, "it has no snapshots")
    return found


def numbered(known: Bucket, number: int) -> list[Snapshot]:
    """Return the snapshot in the directory of a number, and those below it. Raises Unread, ParseError."""
    keys = [key for key, record in known.buckets() if number_of(record) == number]
    if len(keys) != 1:
        raise Unread(b"metadata.db", f"{len(keys) or 'no'} snapshots have the number {number}")
    return chain(known, keys[0])


def chain(known: Bucket, key: bytes | None) -> list[Snapshot]:
    """Return a snapshot and those below it, the topmost first. Raises Unread, ParseError."""
    found: list[Snapshot] = []
    while key:
        record = known.bucket(key)
        at = None if record is None else number_of(record)
        if record is None or at is None or len(found) > LAYERS:
            raise Unread(b"metadata.db", "the chain of snapshots has a gap, or no end")
        found.append(Snapshot(at, key))
        key = record.value(b"parent")
    return found


def of_image(below: Sequence[Snapshot]) -> Sequence[Snapshot]:
    """Return the snapshots of an image, the topmost first: above them the container has some of its own."""
    first = next((place for place, one in enumerate(below) if is_digest(one.name)), len(below))
    return below[first:] if all(is_digest(one.name) for one in below[first:]) else []


def number_of(record: Bucket) -> int | None:
    """Return the number of a snapshot's directory, None where that has a form that nobody knows."""
    # binary.Uvarint() of Go: seven bits a byte, the lowest first.
    value, shift = 0, 0
    for byte in (record.value(b"id") or b"")[:10]:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    return None

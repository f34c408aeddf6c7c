"""Whether a file is the one that a package recorded."""

from mapsd.light import Callable
from mapsd.model import Refused
from mapsd.model.packages import Difference, Differs, Digest, Owned, Record, Same, Undecided

_LEAST = 16  # bytes of a digest: less says nothing

Compute = Callable[[str], bytes | Refused]


def difference(record: Record, size: int, digest: Compute) -> Difference:
    """Return whether a file of *size* bytes is the one that a record describes.

    *digest* returns the digest of its bytes by an algorithm that hashlib names; it is asked once at most.
    """
    if record.size is not None and record.size != size:
        return Differs("size", str(record.size), str(size))
    recorded = record.digest
    if recorded is None or len(recorded.value) < _LEAST:
        what = "only a size" if record.size is not None else "no digest and no size"
        return Undecided(f"{record.package.name} has {what} of the file to compare")
    held = digest(recorded.algorithm)
    if isinstance(held, Refused):
        return Undecided(held.reason)
    return _compared(recorded, held)


def brought(owned: Owned, size: int, digest: Compute) -> tuple[Record, Difference]:
    """Return the first record that describes a file of *size* bytes, or else the very first, and how it differs.

    *digest* is that of difference(), asked once for each record at most.
    """
    first: tuple[Record, Difference] | None = None
    for record in owned.records:
        found = difference(record, size, digest)
        if isinstance(found, Same):
            return record, found
        first = first or (record, found)
    if first is None:
        raise ValueError("owned by nobody")
    return first


def _compared(recorded: Digest, held: bytes) -> Difference:
    part = held[:len(recorded.value)]
    if part == recorded.value:
        return Same(recorded)
    return Differs(recorded.algorithm, recorded.value.hex(), part.hex())

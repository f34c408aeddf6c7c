"""What containerd knows of its images and snapshots, group by group: io.containerd.metadata.v1.bolt/meta.db.

    v1/GROUP/images/NAME                          target (what the name stands for), updatedat
    v1/GROUP/snapshots/SNAPSHOTTER/NAME           name: the snapshot's key in the snapshotter's own database

containerd calls a group a namespace. See core/metadata/buckets.go of containerd.
"""

from mapsd.engines.documents import is_digest, printable
from mapsd.light import NamedTuple
from mapsd.parse.bbolt import Bucket

META = b"io.containerd.metadata.v1.bolt/meta.db"
DOCKER = "moby"  # the group of Docker's; see daemon/start.go and daemon/containerd of moby


class Target(NamedTuple):
    """What the name of an image stands for, and since when."""

    digest: str
    updated: bytes


def target(meta: Bucket, name: str | None) -> Target | None:
    """Return what a name of a group stands for, None where nothing is called so. Raises Unread, ParseError."""
    image = meta.bucket(b"images", name.encode()) if name is not None else None
    return None if image is None else target_of(image)


def target_of(image: Bucket) -> Target | None:
    """Return what an image's record stands for, None where that is no digest. Raises Unread, ParseError."""
    named = image.bucket(b"target")
    digest = text(named, b"digest") if named is not None else None
    return Target(digest, moment(image, b"updatedat")) if digest is not None and is_digest(digest) else None


def key_of(meta: Bucket, snapshotter: str, name: str) -> bytes | None:
    """Return what the snapshotter calls a snapshot, None where a group does not have it."""
    known = meta.bucket(b"snapshots", snapshotter.encode(), name.encode("utf-8", "replace"))
    return None if known is None else known.value(b"name")


def text(record: Bucket, key: bytes) -> str | None:
    """Return a text of a record, None where it is missing or empty. Raises Unread (it is not printable), ParseError."""
    value = record.value(key)
    return printable(value.decode("utf-8", "replace"), META) if value else None


def moment(record: Bucket, key: bytes) -> bytes:
    """Return a time that can be compared: Time.MarshalBinary() of Go has seconds and nanoseconds behind a version."""
    return (record.value(key) or b"")[1:13]

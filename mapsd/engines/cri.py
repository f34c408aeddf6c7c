"""What Kubernetes asked containerd for: an extension of the container's record (internal/cri/store/container).

It is JSON in a google.protobuf.Any: a string (1) and bytes (2), see protobuf.dev/programming-guides/encoding.
"""

from mapsd.engines.documents import Unread, document, is_digest
from mapsd.light import NamedTuple
from mapsd.parse.bbolt import Bucket

_EXTENSIONS = (b"io.cri-containerd.container.metadata", b"io.cri-containerd.sandbox.metadata")
_WHERE = b"io.containerd.metadata.v1.bolt/meta.db"


class Request(NamedTuple):
    """The image that was asked for, by name, and the one that it was then: the digest of its configuration."""

    image: str | None
    image_id: str | None


def request(record: Bucket) -> Request | None:
    """Return what was asked for, None for a container that Kubernetes did not ask for. Raises Unread, ParseError."""
    extensions = record.bucket(b"extensions")
    for name in _EXTENSIONS if extensions is not None else ():
        value = extensions.value(name) if extensions is not None else None
        if value is not None:
            metadata = document(_value(value), _WHERE).fields("Metadata")
            image = metadata.fields("Config").fields("image")
            image_id = metadata.raw("ImageRef")
            return Request(image.text("user_specified_image") or image.text("image"),
                           image_id if is_digest(image_id) else None)
    return None


def _value(data: bytes) -> bytes:
    """Return the bytes of an Any. Raises Unread."""
    at = 0
    while at < len(data):
        tag, at = data[at], at + 1
        size, at = _varint(data, at)
        if tag & 7 != 2 or at + size > len(data):
            break
        if tag >> 3 == 2:
            return data[at:at + size]
        at += size
    raise Unread(_WHERE, "an extension of a container has a form that nobody knows")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at
    raise Unread(_WHERE, "an extension of a container is torn")

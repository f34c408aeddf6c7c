"""What a Python package says of itself. See the Core metadata and the "Recording installed projects" specifications."""

import binascii

from mapsd.light import NamedTuple
from mapsd.model.packages import Digest

_ALGORITHMS = frozenset(("sha224", "sha256", "sha384", "sha512"))


class Named(NamedTuple):
    """The name and version of a package; a field that it does not have is empty."""

    name: bytes
    version: bytes


def metadata(text: bytes) -> Named:
    """Return what METADATA or PKG-INFO says."""
    head = text.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.lower(), value.strip())
    return Named(fields.get(b"name", b""), fields.get(b"version", b""))


def needles(path: bytes) -> tuple[bytes, ...]:
    """Return how a line of RECORD begins that has a path, after the end of the line before: a CSV file."""
    quoted = b'\n"' + path.replace(b'"', b'""') + b'",'
    return (quoted,) if set(path) & set(b'",\n') else (b"\n" + path + b",", quoted)


def recorded(line: bytes) -> tuple[Digest | None, int | None]:
    """Return the digest and size (bytes) that follow the path in a line of RECORD, None for what is not recorded."""
    text, comma, size = line.rstrip(b"\r").partition(b",")
    algorithm, _, value = text.partition(b"=")
    number = int(size) if comma and size.isdigit() and len(size) < 19 else None
    return _digest(algorithm.decode("ascii", "replace"), value), number


def _digest(algorithm: str, value: bytes) -> Digest | None:
    """Return a digest in URL-safe base64 without padding, as a value."""
    if algorithm not in _ALGORITHMS:
        return None
    try:
        data = binascii.a2b_base64(value.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(value) % 4),
                                   strict_mode=True)
    except binascii.Error:
        return None
    return Digest(algorithm, data) if len(data) * 8 == int(algorithm[3:]) else None

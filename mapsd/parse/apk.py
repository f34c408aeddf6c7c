"""The database of installed packages of apk, lib/apk/db/installed. See apk_db_fdb_read() of apk-tools, src/database.c.

A package is a run of lines `X:value` that ends with an empty one: first what it is (P name, V version, A architecture,
o origin, f flags), then for each directory (F) its files (R), each with its owner and mode (a) and a digest (Z).
"""

import binascii

from mapsd.errors import ParseError
from mapsd.light import Iterator, NamedTuple
from mapsd.model.packages import Digest

HEAD = 1 << 20  # bytes of what comes before the first file of a package
_FLAGS = frozenset(b"fsxS")  # broken files, script or attributes; SHA-256
_AFTER = 4096  # bytes after a file's name in which its digest is looked for


class Listing(NamedTuple):
    """A file of a name that was looked for: its directory (from the root), the place of its package, and its digest.

    *digest* is the text, b"" where there is none.
    """

    directory: bytes
    package: int
    digest: bytes


class Installed(NamedTuple):
    """What a package is; a field that it does not have is empty."""

    name: bytes
    version: bytes
    architecture: bytes
    origin: bytes
    flags: bytes


def listings(text: bytes, name: bytes) -> Iterator[Listing]:
    """Yield the files of a *name* without directories, in one pass. Raises ParseError where the database is torn."""
    if text and not text.endswith(b"\n"):
        raise ParseError("apk installed", text[-80:], "ends in the middle of a line")
    needle, package, directory, before = b"\nR:" + name + b"\n", 0, -1, 0
    at = text.find(needle)
    while at >= 0:
        blank = text.rfind(b"\n\n", before, at + 1)
        if blank >= 0:
            package, directory = blank + 2, -1
        above = text.rfind(b"\nF:", max(before, package - 1), at)
        directory = above + 3 if above >= 0 else directory
        before = at + len(needle) - 1
        if directory >= 0:
            yield Listing(text[directory:text.index(b"\n", directory)], package, _digest(text, before))
        at = text.find(needle, before)


def _digest(text: bytes, end: int) -> bytes:
    """Return the digest of the file whose name ends at *end*."""
    for line in text[end + 1:end + _AFTER].split(b"\n")[:-1]:
        if line.startswith(b"Z:"):
            return line[2:]
        if not line.startswith(b"a:"):
            break
    return b""


def installed(text: bytes, at: int) -> Installed:
    """Return what the package at a place is. Raises ParseError."""
    end = text.find(b"\nF:", at, at + HEAD)
    if end < 0:
        raise ParseError("apk installed", text[at:at + 80], "no file in the first MiB of a package")
    fields: dict[bytes, bytes] = {}
    for line in text[at:end].split(b"\n"):
        name, colon, value = line.partition(b":")
        if not colon or len(name) != 1:
            raise ParseError("apk installed", line, "no field")
        fields[name] = value
    return Installed(*(fields.get(name, b"") for name in (b"P", b"V", b"A", b"o", b"f")))


def digest(text: bytes, flags: bytes) -> Digest | None:
    """Return the digest that a line Z has, None for a form nobody knows, or a flag.

    `Q1` is followed by 20 bytes in base64. They are a SHA-1, or with the flag S (packages of version 3) the begin of a
    SHA-256: the algorithm that apk calls sha256-160.
    """
    if not text.startswith(b"Q1") or set(flags) - _FLAGS:
        return None
    try:
        value = binascii.a2b_base64(text[2:], strict_mode=True)
    except binascii.Error:
        return None
    return Digest("sha256" if b"S" in flags else "sha1", value) if len(value) == 20 else None

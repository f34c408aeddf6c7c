"""Packages.db of rpm's ndb: the headers of all packages. See rpm's lib/backend/ndb/rpmpkg.c.

A page of 4096 bytes begins with the database's own header of 32 bytes; it and the pages after it hold slots of 16
bytes, each of which names a blob by its place in blocks of 16 bytes. All is little-endian.
"""

import struct
import zlib

from mapsd.errors import ParseError
from mapsd.light import Iterator

_PAGE, _BLOCK, _HEADER, _TAIL = 4096, 16, 32, 12
_WORDS = struct.Struct("<4s3I")
_END = struct.Struct("<II4s")


def blobs(data: bytes) -> Iterator[bytes]:
    """Yield the header of each package. Raises ParseError where the database is torn or is none."""
    end = 0
    for offset, count, package in sorted(_slots(data)):
        start = offset * _BLOCK
        if start < end:
            raise _broken("blobs overlap")
        end = start + count * _BLOCK
        yield _blob(data[start:end], package)


def _slots(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield where each blob lies, in blocks, and its package's number."""
    magic, version, _, pages = _WORDS.unpack_from(data) if len(data) >= _PAGE else (b"", 0, 0, 0)
    if magic != b"RpmP" or version or not 0 < pages * _PAGE <= len(data) or len(data) % _BLOCK:
        raise _broken("not as long as it says, or of another version")
    seen = set()
    for magic, package, offset, count in _WORDS.iter_unpack(data[_HEADER:pages * _PAGE]):
        if magic != b"Slot":
            raise _broken("no slot where one should be")
        if not offset:
            continue
        if not package or package in seen or offset * _BLOCK < pages * _PAGE or (offset + count) * _BLOCK > len(data):
            raise _broken("a slot of no package, or of no place")
        seen.add(package)
        yield offset, count, package


def _blob(data: bytes, number: int) -> bytes:
    magic, package, _, length = _WORDS.unpack_from(data) if len(data) > _WORDS.size + _TAIL else (b"", 0, 0, 0)
    if magic != b"BlbS" or package != number or not 0 <= len(data) - _WORDS.size - length - _TAIL < _BLOCK:
        raise _broken("a blob that is not its slot's")
    checksum, again, magic = _END.unpack(data[-_TAIL:])
    if magic != b"BlbE" or again != length or checksum != zlib.adler32(data[:-_TAIL]):
        raise _broken("a torn blob")
    return data[_WORDS.size:_WORDS.size + length]


def _broken(reason: str) -> ParseError:
    return ParseError("rpm Packages.db", b"", reason)

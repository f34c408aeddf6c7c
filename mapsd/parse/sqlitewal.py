"""The write-ahead log of an SQLite database: pages that were committed and are not in the database yet.

See https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log". What follows the last whole transaction counts for
nothing: the log is written over from its start, and its rest is older.
"""

import struct

from mapsd.errors import ParseError
from mapsd.parse.sqlite import Page

_HEAD = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_VERSION = 3007000
_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
_WORD = (1 << 32) - 1


def merged(page: Page, size: int, log: bytes) -> Page:
    """Return what reads the pages of *size* bytes with those of a log in place of the older ones. Raises ParseError."""
    newer, count = _committed(log, size)

    def read(number: int) -> bytes:
        if count is not None and number > count:
            return b""
        return newer[number] if number in newer else page(number)
    return read


def _committed(log: bytes, size: int) -> tuple[dict[int, bytes], int | None]:
    """Return the pages of all whole transactions, and how many pages the database has then (None: no transaction)."""
    if len(log) < _HEAD.size:
        return {}, None
    magic, version, pages, _, *salt, one, two = _HEAD.unpack_from(log)
    if magic not in _ORDERS or (one, two) != _sum(log[:24], (0, 0), _ORDERS[magic]):
        # Torn: nothing in it was ever committed.
        return {}, None
    if version != _VERSION or pages != size:
        raise ParseError("sqlite log", b"", "of another version, or another database's")
    done: dict[int, bytes] = {}
    open_: dict[int, bytes] = {}
    count, seen = None, (one, two)
    for at in range(_HEAD.size, len(log) - _FRAME.size - size + 1, _FRAME.size + size):
        number, commit, *own, one, two = _FRAME.unpack_from(log, at)
        page = log[at + _FRAME.size:at + _FRAME.size + size]
        seen = _sum(page, _sum(log[at:at + 8], seen, _ORDERS[magic]), _ORDERS[magic])
        if own != salt or seen != (one, two) or not number:
            break
        open_[number] = page
        if commit:
            done.update(open_)
            open_, count = {}, commit
    return done, count


def _sum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = start
    for first, second in struct.iter_unpack(f"{order}II", data):
        one = (one + first + two) & _WORD
        two = (two + second + one) & _WORD
    return one, two

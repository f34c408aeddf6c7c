"""The values of a hash database of Berkeley DB, which is rpm's Packages before rpm 4.16.

See Berkeley DB's src/dbinc/db_page.h. Page 0 describes the database; a page of the hash has pairs of key and value,
and a long value lies on a chain of pages of its own. Every page is read once at most.
"""

import struct

from mapsd.errors import ParseError
from mapsd.light import Iterator

_MAGIC, _VERSIONS = 0x061561, frozenset((8, 9, 10))
_PAGE_HEAD = 26
_HASH_META, _HASHES, _OVERFLOW = 8, frozenset((2, 13)), 7
_KEY_DATA, _OFF_PAGE = 1, 3


def values(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the key and value of each pair whose key is short. Raises ParseError where the database is torn."""
    pages = _Pages(data)
    for number in range(1, pages.count):
        yield from pages.pairs(number)


def _broken(reason: str) -> ParseError:
    return ParseError("rpm Packages", b"", reason)


class _Pages:
    """The pages of a database, in the byte order of the machine that wrote it."""

    def __init__(self, data: bytes) -> None:
        order = next((one for one in "<>" if data[12:16] == struct.pack(f"{one}I", _MAGIC)), "")
        if not order or len(data) < 512:
            raise _broken("no hash database")
        self._data, self._order = data, order
        version, self._size, crypt, kind = struct.unpack_from(f"{order}IIBB", data, 16)
        last = struct.unpack_from(f"{order}I", data, 32)[0]
        if version not in _VERSIONS or crypt or kind != _HASH_META or self._size not in {1 << n for n in range(9, 17)}:
            raise _broken("a form that is not rpm's")
        self.count = last + 1
        if len(data) < self.count * self._size:
            raise _broken("shorter than it says")
        self._seen: set[int] = set()

    def pairs(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs of a page of the hash, none of another page."""
        page = self._page(number)
        if page[25] not in _HASHES:
            return
        entries = struct.unpack_from(f"{self._order}H", page, 20)[0]
        if entries % 2 or _PAGE_HEAD + 2 * entries > self._size:
            raise _broken("a page has more entries than room")
        places = struct.unpack_from(f"{self._order}{entries}H", page, _PAGE_HEAD)
        end = self._size
        for key, value in zip(places[::2], places[1::2], strict=True):
            # Entries are laid from the end of the page down, so that each ends where the one before it begins.
            if not _PAGE_HEAD + 2 * entries <= value < key < end:
                raise _broken("an entry outside of its page")
            if page[key] == _KEY_DATA:
                yield page[key + 1:end], self._value(page[value:key])
            end = value

    def _page(self, number: int) -> bytes:
        page = self._data[number * self._size:(number + 1) * self._size]
        own = struct.unpack_from(f"{self._order}I", page, 8)[0] if len(page) == self._size else None
        # A page that was never written is empty.
        if own != number and (own is None or page.strip(b"\0")):
            raise _broken("a page is not the one that it should be")
        return page

    def _value(self, item: bytes) -> bytes:
        if item[0] == _KEY_DATA:
            return item[1:]
        if item[0] != _OFF_PAGE or len(item) < 12:
            raise _broken("a value of a form that is not rpm's")
        number, left = struct.unpack_from(f"{self._order}II", item, 4)
        parts = []
        while left:
            page = self._page(number)
            used, = struct.unpack_from(f"{self._order}H", page, 22)
            if number in self._seen or page[25] != _OVERFLOW or not 0 < used <= min(left, self._size - _PAGE_HEAD):
                raise _broken("a chain of pages is torn")
            self._seen.add(number)
            parts.append(page[_PAGE_HEAD:_PAGE_HEAD + used])
            left -= used
            number, = struct.unpack_from(f"{self._order}I", page, 16)
        return b"".join(parts)

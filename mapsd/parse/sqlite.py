"""The rows of one table of an SQLite database, without SQLite: nothing that a foreign file says is executed.

See https://www.sqlite.org/fileformat2.html: a page is a node of a B-tree, or a part of a row that is too long for
one. Every page is read once at most, so that the work is bounded by the file's size.
"""

import struct
from itertools import pairwise

from mapsd.errors import ParseError
from mapsd.light import Callable, Iterator

MAGIC = b"SQLite format 3\0"
HOT = bytes.fromhex("d9d505f920a163d7")  # how a journal begins that must be rolled back
_LEAF, _INTERIOR = 13, 5
_DEPTH = 40
_UTF8 = 1
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # bytes by serial type
_WIDTHS = {0: 0, **_INTEGERS, 7: 8, 8: 0, 9: 0}

Page = Callable[[int], bytes]  # by number, from 1
Value = int | bytes | str | None


def page_size(data: bytes) -> int:
    """Return the size of the pages, in bytes. Raises ParseError for what is no database."""
    size = struct.unpack_from(">H", data, 16)[0] if data.startswith(MAGIC) and len(data) >= 100 else 0
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        raise _broken("no database")
    return size


def pages(data: bytes) -> Page:
    """Return what reads the pages of a database file."""
    size = page_size(data)

    def page(number: int) -> bytes:
        return data[(number - 1) * size:number * size]
    return page


def rows(page: Page, table: str) -> Iterator[tuple[int, tuple[Value, ...]]]:
    """Yield number and values of each row of an ordinary table, none where there is no such table.

    Text is str, a blob bytes; a number with a fraction is None. Raises ParseError.
    """
    head = page(1)
    size = page_size(head)
    usable = size - head[20]
    if len(head) != size or usable < 480 or struct.unpack_from(">I", head, 56)[0] not in {0, _UTF8}:
        raise _broken("the header has a form that nobody knows")
    tree = _Tree(page, size, usable)
    roots = [row[3] for _, row in tree.rows(1) if row[:2] == ("table", table) and len(row) == 5]
    if len(roots) > 1 or not all(isinstance(root, int) and root > 1 for root in roots):
        raise _broken("a table with no place, or with several")
    for root in roots:
        if isinstance(root, int):
            yield from tree.rows(root)


def _broken(reason: str) -> ParseError:
    return ParseError("sqlite", b"", reason)


class _Tree:
    """The tables of a database of pages of *size* bytes, of which the first *usable* are used."""

    def __init__(self, page: Page, size: int, usable: int) -> None:
        self._page, self._size, self._usable = page, size, usable
        self._seen: set[int] = set()

    def rows(self, root: int) -> Iterator[tuple[int, tuple[Value, ...]]]:
        """Yield the rows of the table that begins on a page."""
        todo = [(self._claimed(root), 0)]
        while todo:
            number, depth = todo.pop()
            page, start = self._read(number), 100 if number == 1 else 0
            kind, places = self._cells(page, start)
            if depth > _DEPTH:
                raise _broken("a table is too deep")
            if kind == _LEAF:
                yield from (self._row(page[:end], place) for place, end in self._extents(places))
                continue
            below = [_word(page, place) for place in places] + [_word(page, start + 8)]
            todo.extend((self._claimed(child), depth + 1) for child in reversed(below))

    def _cells(self, page: bytes, start: int) -> tuple[int, tuple[int, ...]]:
        """Return which kind of page it is, and where its cells begin."""
        kind, _, cells = struct.unpack_from(">BHH", page, start)
        head = start + (8 if kind == _LEAF else 12)
        if kind not in {_LEAF, _INTERIOR} or head + 2 * cells > self._usable:
            raise _broken("a page of a table is none")
        return kind, struct.unpack_from(f">{cells}H", page, head)

    def _extents(self, places: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Yield where each cell begins and where it ends at the latest: none lies in another."""
        behind = sorted(places)
        if len(set(behind)) < len(behind):
            raise _broken("a cell is used twice")
        ends = dict(pairwise([*behind, self._usable]))
        return ((place, ends[place]) for place in places)

    def _claimed(self, number: int) -> int:
        if number in self._seen:
            raise _broken("a page is used twice")
        self._seen.add(number)
        return number

    def _read(self, number: int) -> bytes:
        page = self._page(number) if number > 0 else b""
        if len(page) != self._size:
            raise _broken("a page is missing")
        return page

    def _row(self, page: bytes, place: int) -> tuple[int, tuple[Value, ...]]:
        length, place = _varint(page, place)
        number, place = _varint(page, place)
        return number - (number >> 63 << 64), _values(self._payload(page, place, length))

    def _payload(self, page: bytes, place: int, length: int) -> bytes:
        most, least = self._usable - 35, (self._usable - 12) * 32 // 255 - 23
        here = length
        if length > most:
            here = least + (length - least) % (self._usable - 4)
            here = here if here <= most else least
        if place + here > len(page):
            raise _broken("a row reaches past its place")
        parts, left = [page[place:place + here]], length - here
        following = _word(page, place + here) if left else 0
        while left > 0:
            more = self._read(self._claimed(following))
            parts.append(more[4:min(4 + left, self._usable)])
            left -= len(parts[-1])
            following = _word(more, 0)
        return b"".join(parts)


def _word(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise _broken("a number reaches past its page")
    return int.from_bytes(data[at:at + 4])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to nine bytes, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        byte = data[place] if place < len(data) else 0
        value = value << 7 | byte & 127
        if byte < 128:
            return value, place + 1
    if at + 8 >= len(data):
        raise _broken("a number reaches past its page")
    return value << 8 | data[at + 8], at + 9


def _values(payload: bytes) -> tuple[Value, ...]:
    size, at = _varint(payload, 0)
    if size > len(payload):
        raise _broken("the head of a row is longer than the row")
    start, found = size, []
    while at < size:
        kind, at = _varint(payload, at)
        width = _WIDTHS[kind] if kind in _WIDTHS else (kind - 12) // 2
        if width < 0 or start + width > len(payload):
            raise _broken("a row is shorter than its values")
        found.append(_value(kind, payload[start:start + width]))
        start += width
    return tuple(found)


def _value(kind: int, data: bytes) -> Value:
    if kind >= 12:
        return data.decode("utf-8", "replace") if kind % 2 else data
    if kind in _INTEGERS:
        return int.from_bytes(data, signed=True)
    return {8: 0, 9: 1}.get(kind)

"""bbolt's file: pages of keys and values, buckets in buckets. Read-only, of a copy in memory.

Two meta pages take turns; the valid one with the higher transaction id names the root. A page that it leads to stays as
it is until the transaction after the next one begins, so that a copy is one state of the file where the newest
transaction is the same after copying as before. Only meta pages have a checksum: an altered byte elsewhere may alter a
key or a value, and whatever does not fit is a ParseError. The list of free pages is not needed to read. See
internal/common/{meta,page,bucket}.go and bucket.go of go.etcd.io/bbolt.
"""

import struct

from mapsd.errors import ParseError
from mapsd.light import Iterator, NamedTuple

_MAGIC, _VERSION = 0xED0CDAED, 2
_BRANCH, _LEAF, _BUCKET = 1, 2, 1
_HEADER, _ELEMENT, _META_SIZE = 16, 16, 64  # bytes; those of a meta page come after its header
_PAGE_SIZES = [1024 << shift for shift in range(15)]  # getPageSizeFromSecondMeta(), db.go
_DEPTH = 64  # pages from the root of a bucket to a leaf
_VISITS, _ITEMS = 200_000, 2_000_000  # for all that is asked of one copy


class Meta(NamedTuple):
    """A valid meta page: the machine's byte *order*, sizes in bytes, pages by number."""

    order: str
    page_size: int
    root: int
    end: int
    transaction: int


def newest(data: bytes) -> Meta:
    """Return the newest valid meta page of a file's first pages. Raises ParseError where there is none."""
    found = [meta for place in (0, *_PAGE_SIZES) if (meta := _meta(data, place)) is not None
             and place in {0, meta.page_size}]
    if not found:
        raise ParseError("bbolt", data[:80], "no valid meta page")
    return max(found, key=lambda meta: meta.transaction)


def opened(data: bytes) -> "Bucket":
    """Return the bucket that holds all others. Raises ParseError."""
    meta = newest(data)
    return Bucket(_Pages(data, meta), meta.root)


def _meta(data: bytes, place: int) -> Meta | None:
    body = data[place + _HEADER:place + _HEADER + _META_SIZE]
    for order in "<>" if len(body) == _META_SIZE else "":
        magic, version, page_size, _, root, _, _, end, transaction, checksum = struct.unpack(order + "4I6Q", body)
        if (magic, version, checksum) == (_MAGIC, _VERSION, _fnv1a(body[:-8])) and page_size in _PAGE_SIZES:
            return Meta(order, page_size, root, end, transaction)
    return None


def _fnv1a(data: bytes) -> int:
    # FNV-1a of 64 bits, RFC 9923.
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class _Page(NamedTuple):
    """A page with those that it flows over into: *size* elements, numbers in an *order*."""

    data: memoryview
    flags: int
    size: int
    order: str

    def key(self, index: int) -> bytes:
        """Return one key."""
        start, size, _ = self._element(index)
        return self._part(start, size)

    def child(self, index: int) -> int:
        """Return the page that one element of a branch leads to."""
        place = _HEADER + _ELEMENT * index
        return int(struct.unpack_from(self.order + "8xQ", self.data, place)[0])

    def value(self, index: int) -> tuple[bool, bytes]:
        """Return whether one element of a leaf is a bucket, and its value."""
        start, size, length = self._element(index)
        flags = struct.unpack_from(self.order + "I", self.data, _HEADER + _ELEMENT * index)[0]
        return bool(flags & _BUCKET), self._part(start + size, length)

    def first_not_below(self, key: bytes) -> int:
        """Return the index of the first element whose key is not below *key*."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def _element(self, index: int) -> tuple[int, int, int]:
        """Return where the key starts, its size, and for a leaf that of the value."""
        place = _HEADER + _ELEMENT * index
        if self.flags == _BRANCH:
            position, size = struct.unpack_from(self.order + "II", self.data, place)
            return place + position, size, 0
        position, size, length = struct.unpack_from(self.order + "4xIII", self.data, place)
        return place + position, size, length

    def _part(self, start: int, size: int) -> bytes:
        if start + size > len(self.data):
            raise ParseError("bbolt", bytes(self.data[:_HEADER]), "an element reaches past its page")
        return bytes(self.data[start:start + size])


class _Pages:
    """The pages of one copy; what is asked of it is bounded."""

    def __init__(self, data: bytes, meta: Meta) -> None:
        self._data, self._meta = memoryview(data), meta
        self._visits, self._items = _VISITS, _ITEMS

    def page(self, number: int) -> _Page:
        """Return a page by its number. Raises ParseError."""
        size = self._meta.page_size
        if number >= self._meta.end:
            raise self._broken("a page past the end is named", number)
        start = number * size
        head = self._data[start:start + _HEADER]
        overflow = struct.unpack(self._meta.order + "12xI", head)[0] if len(head) == _HEADER else 0
        length = size * (1 + overflow)
        if number + overflow >= self._meta.end or start + length > len(self._data):
            raise self._broken("a page is torn", number)
        return self.parsed(self._data[start:start + length], number)

    def parsed(self, data: memoryview, number: int) -> _Page:
        """Return a page that is *number*, from its bytes. Raises ParseError."""
        self._visits -= 1
        if self._visits < 0:
            raise self._broken("more pages than a file of this kind leads to", number)
        if len(data) < _HEADER:
            raise self._broken("a page is torn", number)
        itself, flags, count = struct.unpack_from(self._meta.order + "QHH", data)
        if itself != number or flags not in {_BRANCH, _LEAF} or _HEADER + _ELEMENT * count > len(data):
            raise self._broken("not a page of keys", number)
        self._items -= count
        if self._items < 0:
            raise self._broken("more keys than a file of this kind has", number)
        return _Page(data, flags, count, self._meta.order)

    def bucket(self, value: bytes) -> "Bucket":
        """Return the bucket that a value is: its root and sequence, behind which a small one has its only page."""
        if len(value) < _HEADER:
            raise self._broken("a bucket is torn", 0)
        root = struct.unpack_from(self._meta.order + "Q", value)[0]
        return Bucket(self, root, None if root else value[_HEADER:])

    def _broken(self, reason: str, number: int) -> ParseError:
        return ParseError("bbolt", b"page %d" % number, reason)


class Bucket:
    """Keys with values and further buckets. Every question raises ParseError where the file is torn or altered."""

    def __init__(self, pages: _Pages, root: int, inline: bytes | None = None) -> None:
        """Begin at the page *root*, or at the bytes of a page of its own."""
        self._pages, self._root, self._inline = pages, root, inline

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, None where there is none or it is a bucket."""
        found = self.found(key)
        return None if found is None or found[0] else found[1]

    def bucket(self, *names: bytes) -> "Bucket | None":
        """Return the bucket in the bucket … of these names, None where there is none."""
        here: Bucket | None = self
        for name in names:
            found = None if here is None else here.found(name)
            here = self._pages.bucket(found[1]) if found is not None and found[0] else None
        return here

    def values(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys that have a value, in order."""
        return ((key, value) for key, is_bucket, value in self._walk() if not is_bucket)

    def buckets(self) -> "Iterator[tuple[bytes, Bucket]]":
        """Yield the buckets in this one, by name in order."""
        return ((key, self._pages.bucket(value)) for key, is_bucket, value in self._walk() if is_bucket)

    def _top(self) -> _Page:
        if self._inline is None:
            return self._pages.page(self._root)
        page = self._pages.parsed(memoryview(self._inline), 0)
        if page.flags != _LEAF:
            raise ParseError("bbolt", self._inline[:_HEADER], "a small bucket that is no leaf")
        return page

    def found(self, key: bytes) -> tuple[bool, bytes] | None:
        """Return whether a key's value is a bucket, and the value; None where there is no such key."""
        page = self._top()
        for _ in range(_DEPTH):
            index = page.first_not_below(key)
            if page.flags == _LEAF:
                return page.value(index) if index < page.size and page.key(index) == key else None
            if not page.size:
                return None
            exact = index < page.size and page.key(index) == key
            page = self._pages.page(page.child(index if exact or not index else index - 1))
        raise ParseError("bbolt", key, "pages that lead to themselves")

    def _walk(self) -> Iterator[tuple[bytes, bool, bytes]]:
        todo = [(self._top(), 0)]
        while todo:
            page, depth = todo.pop()
            if depth > _DEPTH:
                raise ParseError("bbolt", b"", "pages that lead to themselves")
            if page.flags == _LEAF:
                for index in range(page.size):
                    yield (page.key(index), *page.value(index))
            else:
                todo += [(self._pages.page(page.child(index)), depth + 1) for index in reversed(range(page.size))]

"""A header of rpm as its database keeps it. See rpm's docs/manual/format.md, lib/header.c and include/rpm/rpmtag.h.

Two numbers of 32 bits, how many entries there are and how many bytes of data; then the entries (tag, type, offset,
count, 16 bytes each), then the data. All is big-endian.
"""

import struct

from mapsd.errors import ParseError
from mapsd.light import NamedTuple
from mapsd.model.packages import Digest

ENTRIES, DATA, FILES = 0xFFFF, 64 << 20, 1 << 20  # most entries that rpm takes; bytes and names that are read here
_GHOST, CONFIGURATION = 1 << 6, 1 << 0  # RPMFILE_GHOST, RPMFILE_CONFIG
_DIGEST, _SIZE = 1 << 0, 1 << 1  # RPMVERIFY_FILEDIGEST, RPMVERIFY_FILESIZE
# RPMFILE_STATE_NORMAL and _NETSHARED: others were replaced, or never installed.
_THERE = frozenset((0, 3))
_CHAR, _INT32, _INT64, _STRING, _STRINGS = 1, 4, 5, 6, 8
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _SOURCE = 1000, 1001, 1002, 1003, 1022, 1044
_OLD_NAMES, _SIZES, _STATES, _DIGESTS, _FLAGS, _ALGORITHM, _LONG_SIZES = 1027, 1028, 1029, 1035, 1037, 5011, 5008
_VERIFIED, _PLACES, _BASENAMES, _DIRECTORIES = 1045, 1116, 1117, 1118
# PGPHASHALGO_*, as hashlib names them; without the tag it is MD5.
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3_256",
               14: "sha3_512"}
_WIDTHS = {_CHAR: 1, _INT32: 4, _INT64: 8}


class Header(NamedTuple):
    """One package: what it is, and its files in the same order in each field.

    *names* are the names without directories, *digests* those of the files in hexadecimal, each ended by a zero byte.
    *places* has the place of each file's directory in *directories*, *sizes* are in bytes, *verified* says what the
    package wants compared; these, *states* and *flags* are numbers as they were recorded, and empty where they were
    not.
    """

    name: bytes
    version: bytes
    release: bytes
    epoch: int | None
    architecture: bytes
    source: bytes
    names: bytes
    places: bytes
    directories: tuple[bytes, ...]
    sizes: bytes
    digests: bytes
    algorithm: str | None
    states: bytes
    flags: bytes
    verified: bytes

    @property
    def files(self) -> int:
        """Return how many files it has."""
        return len(self.places) // 4

    def directory(self, file: int) -> bytes:
        """Return the directory of a file, ended by a slash."""
        return self.directories[self._number(self.places, file)]

    def there(self, file: int) -> bool:
        """Return whether a file was installed and not replaced by another package's."""
        return not self.states or self.states[file] in _THERE

    def is_a(self, flag: int, file: int) -> bool:
        """Return whether a file has a flag."""
        return bool(self.flags) and bool(self._number(self.flags, file) & flag)

    def size(self, file: int) -> int | None:
        """Return the size of a file in bytes, None where it is not recorded, or may change."""
        return self._number(self.sizes, file) if self.sizes and self._stays(_SIZE, file) else None

    def digest(self, file: int) -> Digest | None:
        """Return the digest of a file, None where none is recorded, or it may change."""
        if self.algorithm is None or not self._stays(_DIGEST, file):
            return None
        texts = self.digests.split(b"\0", file + 1)
        text = texts[file] if len(texts) > file + 1 else b""
        if not text or len(text) % 2 or set(text.lower()) - set(b"0123456789abcdef"):
            return None
        return Digest(self.algorithm, bytes.fromhex(text.decode()))

    def _stays(self, what: int, file: int) -> bool:
        # A file that others go on writing, such as a cache, is packed with `%verify(not md5 size)`.
        ghost = self.is_a(_GHOST, file)
        return not ghost and (not self.verified or bool(self._number(self.verified, file) & what))

    def _number(self, numbers: bytes, file: int) -> int:
        width = len(numbers) // self.files
        return int.from_bytes(numbers[file * width:(file + 1) * width])


def header(blob: bytes) -> Header:
    """Return the package that a header describes. Raises ParseError."""
    tags = _Tags(blob)
    names, digests = tags.strings(_BASENAMES), tags.strings(_DIGESTS)
    if not names and tags.has(_OLD_NAMES):
        raise _broken("a list of files in the form of rpm 3")
    directories, places = tags.strings(_DIRECTORIES), tags.numbers(_PLACES, _INT32)
    sizes = tags.numbers(_LONG_SIZES, _INT64) or tags.numbers(_SIZES, _INT32)
    states, flags, verified = (tags.numbers(_STATES, _CHAR), tags.numbers(_FLAGS, _INT32),
                               tags.numbers(_VERIFIED, _INT32))
    epoch, algorithm = tags.numbers(_EPOCH, _INT32), tags.numbers(_ALGORITHM, _INT32)
    known = _ALGORITHMS.get(int.from_bytes(algorithm[:4]) if algorithm else 1)
    found = Header(tags.string(_NAME), tags.string(_VERSION), tags.string(_RELEASE),
                   int.from_bytes(epoch[:4]) if epoch else None, tags.string(_ARCH), tags.string(_SOURCE), names,
                   places, tuple(directories.split(b"\0")[:-1]), sizes, digests, known, states, flags, verified)
    _check(found, tags)
    return found


def _check(found: Header, tags: "_Tags") -> None:
    """Raise ParseError where the fields do not have the same files."""
    count = tags.count(_BASENAMES)
    many = {tags.count(tag) for tag in (_SIZES, _LONG_SIZES, _STATES, _FLAGS, _VERIFIED, _DIGESTS)} - {0, count}
    if many or tags.count(_PLACES) != count:
        raise _broken("files without a directory, a size, a state or a digest")
    places = found.places
    # lib/header.c makes a directory where the first file in it comes.
    if len(found.directories) > count:
        raise _broken("directories without a file")
    most = max((places[at:at + 4] for at in range(0, len(places), 4)), default=b"")
    if count and int.from_bytes(most) >= len(found.directories):
        raise _broken("files without a directory")
    kept = found.names, places, found.sizes, found.digests, found.states, found.flags, found.verified
    if sum(map(len, (*kept, *found.directories))) > tags.size:
        raise _broken("entries that overlap")


def _broken(reason: str) -> ParseError:
    return ParseError("rpm header", b"", reason)


class _Tags:
    """The entries of a header by their tags; of several the last counts, as it does for rpm."""

    def __init__(self, blob: bytes) -> None:
        count, size = struct.unpack_from(">II", blob) if len(blob) >= 8 else (0, 0)
        if not 0 < count <= ENTRIES or size > DATA or len(blob) != 8 + 16 * count + size:
            raise _broken("not as long as it says")
        entries = struct.iter_unpack(">IIiI", blob[8:8 + 16 * count])
        self._entries: dict[int, tuple[int, int, int]] = {
            tag: (kind, offset, many) for tag, kind, offset, many in entries}
        self._data, self.size = blob[8 + 16 * count:], size

    def has(self, tag: int) -> bool:
        """Return whether there is such an entry."""
        return tag in self._entries

    def count(self, tag: int) -> int:
        """Return how many values an entry has, 0 where there is none."""
        return self._entries[tag][2] if tag in self._entries else 0

    def numbers(self, tag: int, kind: int) -> bytes:
        """Return the numbers of an entry as they are, empty where there is none."""
        offset, many = self._placed(tag, kind)
        end = offset + many * _WIDTHS[kind]
        if end > self.size:
            raise _broken("numbers behind the end of the data")
        return self._data[offset:end]

    def strings(self, tag: int) -> bytes:
        """Return the strings of an entry, each ended by a zero byte, empty where there is none."""
        offset, many = self._placed(tag, _STRINGS)
        if not many:
            return b""
        rest = self._data[offset:]
        if many > FILES or len(cut := rest.split(b"\0", many)) <= many:
            raise _broken("strings behind the end of the data")
        return rest[:len(rest) - len(cut[many])]

    def string(self, tag: int) -> bytes:
        """Return the string of an entry, empty where there is none."""
        offset, many = self._placed(tag, _STRING)
        end = self._data.find(b"\0", offset) if many else offset
        if end < 0:
            raise _broken("a string behind the end of the data")
        return self._data[offset:end]

    def _placed(self, tag: int, kind: int) -> tuple[int, int]:
        found, offset, many = self._entries.get(tag, (kind, 0, 0))
        if found != kind or not 0 <= offset <= self.size:
            raise _broken("an entry of another type, or behind the end of the data")
        return offset, many

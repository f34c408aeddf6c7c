"""The form of a recording: a version line, sections with their digests, and an end marker.

    mapsd recording 1
    begin NAME
    …
    end NAME sha256:DIGEST
    complete NUMBER sha256:DIGEST

The digest of a section is that of its lines from `begin` to the last before `end`, the last one that of all lines
before it. Every line is printable ASCII, with tabs. So whatever is cut off, added or changed is noticed, and where.
"""

from hashlib import sha256

from mapsd.errors import RecordingError
from mapsd.light import Iterator, NamedTuple, Sequence

VERSION = b"mapsd recording 1"
LARGEST = 256 << 20  # bytes
_ALLOWED = bytes(range(0x20, 0x7F)) + b"\t\n"


class Section(NamedTuple):
    """One section: *lines* without `begin` and `end`, the first of them is line *first* of the file (from 1)."""

    name: str
    first: int
    lines: Sequence[str]


def rendered(sections: Iterator[tuple[str, Iterator[str]]]) -> Iterator[bytes]:
    """Yield the bytes of a recording, line by line; what is given for a line may hold several."""
    whole, number = sha256(), 0
    for part in _lines(sections):
        if part.startswith(b"begin "):
            number += 1
        whole.update(part)
        yield part
    yield b"complete %d sha256:%s\n" % (number, whole.hexdigest().encode())


def _lines(sections: Iterator[tuple[str, Iterator[str]]]) -> Iterator[bytes]:
    yield VERSION + b"\n"
    for name, lines in sections:
        digest = sha256()
        for line in (f"begin {name}", *lines):
            text = line.encode("ascii") + b"\n"
            digest.update(text)
            yield text
        yield f"end {name} sha256:{digest.hexdigest()}\n".encode("ascii")


def parsed(text: bytes, path: bytes) -> list[Section]:
    """Return the sections of a recording, which *path* names in messages. Raises RecordingError."""
    return _Reader(text, path).sections()


class _Reader:
    """The lines of a recording, checked as they are read."""

    def __init__(self, text: bytes, path: bytes) -> None:
        self._text, self._path = text, path
        self._lines = text.split(b"\n")

    def sections(self) -> list[Section]:
        if self._lines[0] != VERSION:
            raise self._wrong(1, self._other_version())
        if self._text.translate(None, _ALLOWED):
            raise self._wrong(self._strange(), "a byte that no recording has")
        found, at = [], 1
        while at < len(self._lines) and self._lines[at].startswith(b"begin "):
            section = self._section(at)
            found.append(section)
            at += len(section.lines) + 2
        self._complete(at, len(found))
        return found

    def _other_version(self) -> str:
        if self._lines[0].startswith(b"mapsd recording ") and len(self._lines) > 1:
            return "another version of the form than this mapsd reads"
        return "no recording of mapsd's, or cut off in its first line"

    def _strange(self) -> int:
        return next(number for number, line in enumerate(self._lines, 1) if line.translate(None, _ALLOWED))

    def _section(self, at: int) -> Section:
        """Return the section whose `begin` is the line with this index."""
        name = self._lines[at].removeprefix(b"begin ")
        mark, end = b"end %s sha256:" % name, at + 1
        while end < len(self._lines) and not self._lines[end].startswith(mark):
            end += 1
        if end == len(self._lines):
            raise self._wrong(at + 1, f"the section {name.decode()} has no end: cut off or altered")
        digest = sha256(b"\n".join(self._lines[at:end]) + b"\n").hexdigest().encode()
        if self._lines[end] != mark + digest:
            raise self._wrong(at + 1, f"the section {name.decode()}, up to line {end + 1}, was altered")
        return Section(name.decode(), at + 2, [line.decode() for line in self._lines[at + 1:end]])

    def _complete(self, at: int, number: int) -> None:
        """Demand that the line with this index ends the recording, and nothing follows."""
        if at >= len(self._lines) or not self._lines[at].startswith(b"complete "):
            raise self._wrong(min(at + 1, len(self._lines)), "cut off or altered: neither a section nor the end")
        digest = sha256(b"\n".join(self._lines[:at]) + b"\n").hexdigest().encode()
        if self._lines[at] != b"complete %d sha256:%s" % (number, digest):
            raise self._wrong(at + 1, "the end of the recording is not that of its sections")
        if self._lines[at + 1:] != [b""]:
            raise self._wrong(min(at + 2, len(self._lines)), "cut off or altered after the end of the recording")

    def _wrong(self, line: int, reason: str) -> RecordingError:
        return RecordingError(self._path, line, reason)

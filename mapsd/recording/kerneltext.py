r"""Texts of /proc as lines of printable ASCII, and back.

A backslash is `\\`, any other byte that is not printable `\xHH`; a text that does not end in a newline has `\.` at its
end.
"""

import re

from mapsd.recording.codec import Malformed

_OPEN = "\\."
_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")
_ROW = re.compile(r"((?:[^\\]|\\\\|\\x[0-9a-f]{2})*)(\\\.)?")
_ESCAPES = {byte: f"\\x{byte:02x}" for byte in range(256) if not 0x20 <= byte < 0x7F} | {0x5C: "\\\\"}


def lines(text: bytes) -> list[str]:
    """Return the lines of a text."""
    if not text:
        return []
    rest = [line.decode("latin-1").translate(_ESCAPES) for line in text.split(b"\n")]
    last = rest.pop()
    return rest if not last and text.endswith(b"\n") else [*rest, last + _OPEN]


def text(rows: list[str]) -> bytes:
    """Return the text of such lines. Raises Malformed."""
    whole = b"".join([_line(row) for row in rows])
    if lines(whole) != rows:
        raise Malformed("not a text as it is written")
    return whole


def _line(row: str) -> bytes:
    found = _ROW.fullmatch(row)
    if found is None:
        raise Malformed("a backslash that escapes nothing")
    made = _ESCAPE.sub(_unescaped, found.group(1)).encode("latin-1")
    return made if found.group(2) else made + b"\n"


def _unescaped(found: re.Match[str]) -> str:
    what = found.group(1)
    return what if what == "\\" else chr(int(what[1:], 16))

r"""The octal escapes of seq_path() and mangle_path(): `\040` for a blank (fs/seq_file.c)."""

from mapsd.light import Iterator

DELETED = b" (deleted)"


def unescape(text: bytes) -> bytes:
    r"""Return *text* with each backslash and three octal digits as the byte they name."""
    if b"\\" not in text:
        return text
    head, *rest = text.split(b"\\")
    return head + b"".join(_unit(part) for part in rest)


def _unit(part: bytes) -> bytes:
    digits = part[:3]
    if len(digits) == 3 and digits[0] in b"0123" and digits[1] in b"01234567" and digits[2] in b"01234567":
        return bytes([int(digits, 8)]) + part[3:]
    return b"\\" + part


def readings(name: bytes) -> Iterator[bytes]:
    r"""Yield every path for which maps prints *name*: it escapes newlines only, so `\012` is ambiguous."""
    marks = name.split(rb"\012")
    if len(marks) > 4:
        yield from dict.fromkeys((name, b"\n".join(marks)))
        return
    for choice in range(1 << (len(marks) - 1)):
        text = marks[0]
        for bit, mark in enumerate(marks[1:]):
            text += (b"\n" if choice >> bit & 1 else rb"\012") + mark
        yield text

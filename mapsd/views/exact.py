"""Rows as exact values, for a program."""

from mapsd.light import Sequence
from mapsd.views.columns import Value
from mapsd.views.render import escaped, printable


def raw(values: Sequence[Value]) -> str:
    r"""Return values parted by one blank, as util-linux has it: empty where there is none, `\xHH` for what parts."""
    return " ".join(map(nonblank, values))


def nonblank(value: Value) -> str:
    r"""Return a value without a blank: blanks, backslashes and what is not printable are `\xHH`."""
    data = value if isinstance(value, bytes) else (value or "").encode()
    text = data.decode("utf-8", "surrogateescape")
    if text.isprintable() and " " not in text and "\\" not in text:
        return text
    return "".join(char if char.isprintable() and char not in " \\" else _hexadecimal(char) for char in text)


def _hexadecimal(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def null(values: Sequence[Value]) -> bytes:
    """Return values as they are, each ended by a NUL byte, which is in none of them."""
    return b"".join((value if isinstance(value, bytes) else (value or "").encode()) + b"\0" for value in values)


def harmless(value: Value) -> str:
    """Return a value as a terminal may have it: escaped where one of its bytes is no printable text."""
    data = value if isinstance(value, bytes) else (value or "").encode()
    text = data.decode("utf-8", "surrogateescape")
    return text if text.isprintable() else printable(escaped(data))

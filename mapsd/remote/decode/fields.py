"""One JSON object of a reply, and its fields as values. What is not as docs/schema has it is said with its place."""

import json
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from mapsd.model import DeviceId

_LARGEST = 1 << 64
_SHOWN = 40  # characters of a word that is not known
_HEXADECIMAL = frozenset("0123456789abcdef")
Value = TypeVar("Value")


class Malformed(Exception):
    """A reply that is not what the schema says: where, and what is wrong."""


def loaded(body: bytes) -> object:
    """Return the value of a JSON text. Raises Malformed."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error


class Fields:
    """One object, and where it is in the reply. Every question raises Malformed for what is not as expected."""

    __slots__ = ("_above", "_name", "_values")

    def __init__(self, value: object, name: str = "", above: "Fields | None" = None) -> None:
        """Take what must be an object, *name* in the one *above*."""
        self._name, self._above = name, above
        if not isinstance(value, dict):
            raise Malformed(f"{self._place() or 'the reply'}: no object")
        self._values = value

    def __contains__(self, name: str) -> bool:
        """Return whether there is such a field."""
        return name in self._values

    def maybe(self, read: "Callable[[Fields, str], Value]", name: str) -> Value | None:
        """Return what *read* makes of a field, None where it is null."""
        return None if self._of(name) is None else read(self, name)

    def text(self, name: str) -> str:
        """Return a text."""
        return self._text(name, self._of(name))

    def word(self, name: str, known: Collection[str]) -> str:
        """Return one of the words that are *known*."""
        value = self._of(name)
        if not isinstance(value, str) or value not in known:
            raise self.wrong(name, f"not known: {str(value)[:_SHOWN]!r}")
        return value

    def number(self, name: str) -> int:
        """Return a whole number of at most 64 bits."""
        value = self._of(name)
        if type(value) is not int or not -_LARGEST < value < _LARGEST:
            raise self.wrong(name, "no number")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._of(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "neither true nor false")
        return value

    def address(self, name: str) -> int:
        """Return an address: 0x and hexadecimal digits."""
        value = self.text(name)
        digits = value[2:]
        if not value.startswith("0x") or not 0 < len(digits) <= 16 or not _HEXADECIMAL.issuperset(digits):
            raise self.wrong(name, "no address")
        return int(digits, 16)

    def device(self, name: str) -> DeviceId:
        """Return a device: major:minor."""
        major, colon, minor = self.text(name).partition(":")
        if not colon or not (_is_natural(major) and _is_natural(minor)):
            raise self.wrong(name, "no device")
        return DeviceId(int(major), int(minor))

    def path(self, name: str) -> bytes:
        """Return exact bytes: those of the sibling …_base64 where there is one, else the text's."""
        value = self.text(name)
        encoded = self._values.get(f"{name}_base64")
        return self._encoded(name, value) if encoded is None else self._decoded(name, encoded)

    def unescaped(self, name: str) -> bytes:
        r"""Return the bytes of a text that has no sibling: `\\` and `\xHH` undone."""
        escaped = self._encoded(name, self.text(name)).split(b"\\\\")
        return self._without_nul(name, b"\\".join(self._undone(name, part) for part in escaped))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return self._texts(name, self._of(name))

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers of at most 64 bits."""
        every = self._list(name, self._of(name))
        found = tuple(one for one in every if type(one) is int and -_LARGEST < one < _LARGEST)
        if len(found) != len(every):
            raise self.wrong(name, "no list of numbers")
        return found

    def lists(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Return a list of lists of texts."""
        return tuple(self._texts(f"{name}[{place}]", one) for place, one in enumerate(self._list(name, self._of(name))))

    def part(self, name: str) -> "Fields":
        """Return an object in this one."""
        return Fields(self._of(name), name, self)

    def parts(self, name: str) -> "Iterator[Fields]":
        """Yield the objects of a list."""
        return (Fields(one, f"{name}[{place}]", self) for place, one in enumerate(self._list(name, self._of(name))))

    def wrong(self, name: str, what: str) -> Malformed:
        """Return the failure that a field is."""
        place = self._place()
        return Malformed(f"{place}{'.' if place and name else ''}{name}: {what}")

    def _of(self, name: str) -> object:
        try:
            return self._values[name]
        except KeyError:
            raise self.wrong(name, "missing") from None

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise self.wrong(name, "no text")
        if not value.isascii():
            # Half a character is none.
            self._encoded(name, value)
        return value

    def _texts(self, name: str, value: object) -> tuple[str, ...]:
        return tuple(self._text(f"{name}[{place}]", one) for place, one in enumerate(self._list(name, value)))

    def _list(self, name: str, value: object) -> list[object]:
        if not isinstance(value, list):
            raise self.wrong(name, "no list")
        return value

    def _encoded(self, name: str, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise self.wrong(name, "no text") from error

    def _decoded(self, name: str, encoded: object) -> bytes:
        try:
            exact = b64decode(encoded if isinstance(encoded, str) else "?", validate=True)
        except ValueError as error:
            raise self.wrong(f"{name}_base64", "no base64") from error
        return self._without_nul(name, exact)

    def _without_nul(self, name: str, exact: bytes) -> bytes:
        # No path has one, and rows are parted by it (lookup --null).
        if b"\0" in exact:
            raise self.wrong(name, "a NUL byte")
        return exact

    def _undone(self, name: str, part: bytes) -> bytes:
        head, *rest = part.split(b"\\x")
        try:
            return head + b"".join(bytes([int(one[:2], 16)]) + one[2:] for one in rest)
        except ValueError as error:
            raise self.wrong(name, "no escaped text") from error

    def _place(self) -> str:
        above = "" if self._above is None else self._above._place()  # noqa: SLF001  (the same class)
        return f"{above}{'.' if above and self._name else ''}{self._name}"


def _is_natural(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 10

"""Files of an engine's store as values. Whoever owns it wrote them: nothing in them is believed to be well-formed.

A text goes on only where it is printable and not long; the identifiers that become parts of paths have a form of their
own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from mapsd.errors import MapsdError
from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, Refused

if TYPE_CHECKING:
    from mapsd.sources import Tree

LIMIT = 8 << 20  # bytes of a document
SHORT = 1 << 16  # bytes of a file that holds one identifier
_TEXT = 1024  # characters
_HEXADECIMAL = frozenset("0123456789abcdef")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class Unread(MapsdError):
    """Something of a store is not there, may not be read, or has a form that nobody knows."""

    def __init__(self, what: bytes, reason: str, needs: str = "") -> None:
        """Keep which file of the store, what is wrong, and the capability that would help."""
        super().__init__(f"{shown(what)}: {reason}")
        self.what, self.reason, self.needs = what, reason, needs


def shown(path: bytes) -> str:
    """Return a path as text that a terminal can be given."""
    return "".join(one if one.isprintable() else f"\\x{ord(one) & 0xFF:02x}" for one in
                   path.decode("utf-8", "surrogateescape"))


def content(tree: "Tree", path: bytes, limit: int = LIMIT) -> bytes:
    """Return a file of the store. Raises Unread."""
    found = optional(tree, path, limit)
    if found is None:
        raise Unread(path, "there is no such file")
    return found


def optional(tree: "Tree", path: bytes, limit: int = LIMIT) -> bytes | None:
    """Return a file of the store, None where there is none. Raises Unread."""
    found = tree.read(path, limit)
    if isinstance(found, Refused):
        raise Unread(path, found.reason, found.needs)
    return None if isinstance(found, Absent) else found


def names(tree: "Tree", path: bytes) -> Sequence[bytes]:
    """Return the names in a directory of the store, none where it is missing. Raises Unread."""
    found = tree.listed(path)
    if isinstance(found, Refused):
        raise Unread(path, found.reason, found.needs)
    return () if isinstance(found, Absent) else found


def line(tree: "Tree", path: bytes) -> str:
    """Return a file that holds one text. Raises Unread."""
    return printable(content(tree, path, SHORT).decode("utf-8", "replace").strip(), path)


def printable(text: str, where: bytes) -> str:
    """Return a text that is fit to be shown. Raises Unread."""
    if not text.isprintable() or len(text) > _TEXT or "\ufffd" in text:
        raise Unread(where, "a text in it is not printable, or too long")
    return text


class Fields:
    """An object of a JSON document; *where* is the file that it is from."""

    def __init__(self, value: object, where: bytes) -> None:
        """Take the object. Raises Unread where it is none."""
        if not isinstance(value, Mapping):
            raise Unread(where, "something else stands where an object is expected")
        self._values: Mapping[str, object] = value
        self._where = where

    def text(self, name: str) -> str | None:
        """Return a text, None where it is missing, null or empty. Raises Unread (it is none, or not printable)."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Unread(self._where, f"{name} is no text")
        return printable(value, self._where)

    def raw(self, name: str) -> str:
        """Return a text as it stands, empty where it is missing or no text: it is not fit to be shown."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """Return a number, also where it is written as a text; 0 where it is missing or none."""
        value = self._values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def flag(self, name: str) -> bool:
        """Return whether a value is true."""
        return self._values.get(name) is True

    def has(self, name: str) -> bool:
        """Return whether there is such a field."""
        return name in self._values

    def fields(self, name: str) -> "Fields":
        """Return an object in this one, an empty one where it is missing or null. Raises Unread."""
        value = self._values.get(name)
        return Fields({} if value is None else value, self._where)

    def listed(self, name: str) -> Sequence[object]:
        """Return a list, empty where it is missing or null. Raises Unread."""
        return _list(self._values.get(name), self._where)

    def objects(self, name: str) -> "Sequence[Fields]":
        """Return a list of objects. Raises Unread."""
        return [Fields(one, self._where) for one in self.listed(name)]

    def names(self) -> Sequence[str]:
        """Return the names of the fields."""
        return tuple(self._values)


def document(text: bytes, where: bytes) -> Fields:
    """Return a JSON document that is an object. Raises Unread."""
    return Fields(_parsed(text, where), where)


def documents(text: bytes, where: bytes) -> list[Fields]:
    """Return a JSON document that is a list of objects. Raises Unread."""
    return [Fields(one, where) for one in _list(_parsed(text, where), where)]


def _parsed(text: bytes, where: bytes) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unread(where, "it is no JSON") from error
    return value


def _list(value: object, where: bytes) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Unread(where, "something else stands where a list is expected")
    return value


def is_name(text: str | None) -> bool:
    """Return whether a text is fit to be the name of a file: an identifier as the engines make them."""
    return text is not None and 0 < len(text) <= 255 and set(text) <= _NAME and text[0] != "."


def is_digest(text: str | None) -> bool:
    """Return whether a text is a digest as OCI writes them: sha256 and 64 hexadecimal digits."""
    return text is not None and text.startswith("sha256:") and len(text) == 71 and set(text[7:]) <= _HEXADECIMAL


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()

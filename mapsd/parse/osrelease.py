"""The distribution that a root says it is. See os-release(5)."""

from mapsd.light import Iterator
from mapsd.model.packages import Distribution
from mapsd.parse.printable import printable


def distribution(text: bytes) -> Distribution | None:
    """Return ID and VERSION_ID of an os-release file, None without an ID. A later assignment of a name wins."""
    found = dict(_assignments(text))
    name = printable(found.get(b"ID", b""))
    return None if name is None else Distribution(name, printable(found.get(b"VERSION_ID", b"")))


def _assignments(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in text.split(b"\n"):
        name, equals, value = line.strip(b" \t\r").partition(b"=")
        if equals and not name.startswith(b"#"):
            yield name, _unquoted(value)


def _unquoted(value: bytes) -> bytes:
    """Return what a shell makes of a value, b"" where that is not a plain one."""
    if value[:1] not in {b'"', b"'"}:
        return value if not set(value) & set(b"\"'\\$` \t;&|<>()") else b""
    inside = value[1:-1]
    plain = len(value) > 1 and value[-1:] == value[:1] and not set(inside) & set(b"\"'\\$`")
    return inside if plain else b""
